"""What came from an address, as the media that the request wants there. Pure.

The first bytes decide where they can: a picture or PDF is what it looks like, whatever its server calls it. For the
rest the media type counts, or the ending of the address where that says nothing.
"""

from binascii import b2a_base64
from collections.abc import Mapping

from llm_gateway.domain.content import LinkedMedia, Media, MediaKind
from llm_gateway.domain.errors import LinkRefused
from llm_gateway.domain.media_types import DOCUMENT_ENDINGS, FORMATS, LARGEST_BYTES
from llm_gateway.fetching.outcomes import Brought, TooLarge

_LOOKS: tuple[tuple[bytes, MediaKind, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image", "png"),
    (b"\xff\xd8\xff", "image", "jpeg"),
    (b"GIF87a", "image", "gif"),
    (b"GIF89a", "image", "gif"),
    (b"%PDF-", "document", "pdf"),
)
_SAYS_NOTHING = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/zip", "text/plain"})
_ZIPPED = frozenset({"docx", "xlsx"})
_ENDINGS: Mapping[str, tuple[MediaKind, str]] = {
    **{ending: ("document", word) for ending, word in DOCUMENT_ENDINGS.items()},
    **{word: (kind, word) for kind, word in FORMATS.values() if kind in ("video", "audio")},
    "mp4": ("video", "mp4"),
    "webm": ("video", "webm"),
    "3gp": ("video", "three_gp"),
}


def as_media(brought: Brought, link: LinkedMedia) -> Media:
    """Raises LinkRefused where it is nothing that was wanted, TooLarge where Bedrock would not take it."""
    if not brought.body:
        raise LinkRefused(f"{link.field} leads to nothing: no bytes came", field=link.field, code="fetch_failed")
    found = _by_looks(brought.body) or _by_name(brought, link)
    if found is None or found[0] not in link.kinds:
        wanted = link.kinds[0] if len(link.kinds) == 1 else "picture, document, video or sound"
        told = brought.media_type[:60] or "nothing that can be told"
        raise LinkRefused(
            f"{link.field} leads to {told!r}, which is no {wanted} that Bedrock takes",
            field=link.field,
        )
    kind, format_ = found
    if len(brought.body) > LARGEST_BYTES.get(kind, len(brought.body)):
        raise TooLarge(LARGEST_BYTES[kind])
    if kind == "document" and not _is_such(brought.body, format_):
        raise LinkRefused(f"{link.field} leads to something that is no {format_} document", field=link.field)
    is_document = kind == "document"
    return Media(
        kind,
        format_,
        {"bytes": b2a_base64(brought.body, newline=False).decode("ascii")},
        link.name if is_document else None,
        link.options if is_document else None,
    )


def _by_looks(body: bytes) -> tuple[MediaKind, str] | None:
    if body[:4] == b"RIFF" and body[8:12] in (b"WEBP", b"WAVE"):
        return ("image", "webp") if body[8:12] == b"WEBP" else ("audio", "wav")
    return next(((kind, word) for start, kind, word in _LOOKS if body.startswith(start)), None)


def _by_name(brought: Brought, link: LinkedMedia) -> tuple[MediaKind, str] | None:
    """By the caller's word, the server's, or the ending. None of them makes a picture: it would look like one."""
    if link.format and link.kind != "image":
        return link.kind, link.format
    told = FORMATS.get(brought.media_type)
    if brought.media_type in _SAYS_NOTHING:
        told = _ENDINGS.get(brought.path.rpartition("/")[2].rpartition(".")[2].lower()) or told
    return None if told is None or told[0] == "image" else told


def _is_such(body: bytes, format_: str) -> bool:
    if format_ == "pdf":
        return b"%PDF-" in body[:1024]
    if format_ in _ZIPPED:
        return body.startswith(b"PK")
    if format_ in ("doc", "xls"):
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
