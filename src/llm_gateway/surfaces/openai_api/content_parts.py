"""The parts of a message's content, to domain blocks. Pure: an address is taken along, and fetched elsewhere."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from llm_gateway.domain.content import Block, CachePoint, Media, MediaKind, Text
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.media_types import AUDIO, DOCUMENT_ENDINGS, DOCUMENTS, FORMATS
from llm_gateway.surfaces.json_values import a_list, a_string, a_word, an_object, shown
from llm_gateway.surfaces.links import ANY_KIND, is_link, linked
from llm_gateway.surfaces.omissions import Omissions

# How a picture's first bytes look as base64: they decide where a caller's media type is wrong.
_PICTURES = (("iVBORw0KGgo", "png"), ("/9j/", "jpeg"), ("R0lGOD", "gif"), ("UklGR", "webp"))
_DATA_URL = re.compile(r"data:([a-zA-Z0-9.+/-]*)((?:;[a-zA-Z0-9=_.+-]*)*),", re.ASCII)
_STORED = "s3://"
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9\-()\[\]]+", re.ASCII)
_LONGEST_NAME = 180

Part = Mapping[str, object]


class Reader:
    """Reads the parts of one request: documents get names of their own, which Bedrock demands."""

    __slots__ = ("_names", "omissions")

    def __init__(self, omissions: Omissions) -> None:
        self.omissions = omissions
        self._names: set[str] = set()

    def blocks(self, value: object, field: str, allowed: Mapping[str, "ReadPart"]) -> list[Block]:
        """A content of parts; blank texts are left out."""
        blocks: list[Block] = []
        for number, item in enumerate(a_list(value, field, "content parts")):
            where = f"{field}[{number}]"
            if isinstance(item, str):
                raise InvalidRequest(
                    f'{where} must be a content part; got a string; wrap it: {{"type": "text", "text": ...}}',
                    field=where,
                )
            part = an_object(item, where)
            kind = a_word(part.get("type"), f"{where}.type", tuple(allowed))
            block = allowed[kind](self, part, where)
            if block is not None:
                blocks.append(block)
            point = cache_point(part.get("cache_control"), f"{where}.cache_control")
            if point is not None and blocks and not isinstance(blocks[-1], CachePoint):
                blocks.append(point)
        return blocks

    def only(self, part: Part, known: frozenset[str], field: str, inside: str) -> None:
        """Drops the members nobody reads."""
        strange = part.keys() - known
        if strange:
            self.omissions.drop_all(strange, inside=f"{inside}.", field=field)

    def document_name(self, filename: str) -> str:
        """A name Bedrock takes, unlike those given out before."""
        stem = filename.rpartition(".")[0] or filename
        name = _NOT_IN_A_NAME.sub(" ", stem).strip()[:_LONGEST_NAME].strip() or "document"
        unique, number = name, 1
        while unique in self._names:
            number += 1
            unique = f"{name} {number}"
        self._names.add(unique)
        return unique


ReadPart = Callable[[Reader, Part, str], Block | None]


def cache_point(value: object, field: str) -> CachePoint | None:
    """Where ``cache_control`` ends a prefix that shall be kept."""
    if value is None:
        return None
    body = an_object(value, field)
    a_word(body.get("type"), f"{field}.type", ("ephemeral",))
    ttl = body.get("ttl")
    return CachePoint(None if ttl is None else a_word(ttl, f"{field}.ttl", ("5m", "1h")))


_TEXT_MEMBERS = frozenset({"type", "text", "cache_control", "annotations"})


def _text(reader: Reader, part: Part, field: str) -> Block | None:
    reader.only(part, _TEXT_MEMBERS, field, "text")
    text = a_string(part.get("text"), f"{field}.text")
    return Text(text) if text and not text.isspace() else None


def _refusal(reader: Reader, part: Part, field: str) -> Block | None:
    reader.only(part, frozenset({"type", "refusal"}), field, "refusal")
    text = a_string(part.get("refusal"), f"{field}.refusal")
    return Text(text) if text and not text.isspace() else None


def _data_of(url: str, field: str) -> tuple[str, str]:
    """Media type and base64 text of a data URL."""
    found = _DATA_URL.match(url, 0, 300)
    if found is None:
        what = "a data: URL, data:image/png;base64,..., or an address (https://, s3://)"
        raise InvalidRequest(f"{field} must be {what}; got {shown(url)}", field=field)
    if not found[2].endswith(";base64"):
        raise InvalidRequest(f"{field} must be a data: URL with base64, data:image/png;base64,...", field=field)
    return found[1].lower(), url[found.end() :]


def _media_of(mime: str, data: str, field: str, *kinds: MediaKind) -> Media:
    kind, format_ = FORMATS.get(mime, (None, ""))
    if kind is None or kind not in kinds:
        known = ", ".join([word for word, (of, _) in FORMATS.items() if of in kinds])
        raise InvalidRequest(f"{field} has the media type {shown(mime)}; known here: {known}", field=field)
    if not data:
        raise InvalidRequest(f"{field} holds no bytes", field=field)
    if kind == "image":
        format_ = next((word for start, word in _PICTURES if data.startswith(start)), format_)
    return Media(kind, format_, {"bytes": data})


def _stored(uri: str, field: str, *kinds: MediaKind) -> Media:
    """What lies in S3, for Bedrock to fetch; its ending tells the format."""
    ending = uri.rpartition("/")[2].rpartition(".")[2].lower()
    ending = DOCUMENT_ENDINGS.get(ending, "jpeg" if ending == "jpg" else ending)
    for kind, format_ in FORMATS.values():
        if format_ == ending and kind in kinds:
            return Media(kind, format_, {"s3Location": {"uri": uri}})
    known = ", ".join(sorted({format_ for kind, format_ in FORMATS.values() if kind in kinds}))
    raise InvalidRequest(f"{field} must end in the format of what lies there: {known}; got {shown(uri)}", field=field)


def _by_url(member: str, kind: MediaKind) -> ReadPart:
    known = frozenset({"type", member, "cache_control"})

    def read(reader: Reader, part: Part, field: str) -> Block | None:
        reader.only(part, known, field, member)
        where = f"{field}.{member}"
        given = part.get(member)
        told = {"url": given} if isinstance(given, str) else an_object(given, where)
        if told.get("detail", "auto") not in (None, "auto"):
            reader.omissions.drop(f"{member}.detail", field=f"{where}.detail")
        reader.only(told, frozenset({"url", "detail", "format"}), where, member)
        url_field = f"{where}.url"
        url = a_string(told.get("url"), url_field)
        if url.startswith(_STORED):
            return _stored(url, url_field, kind)
        return linked(url, url_field, kind) if is_link(url) else _media_of(*_data_of(url, url_field), url_field, kind)

    return read


def _audio(reader: Reader, part: Part, field: str) -> Block | None:
    reader.only(part, frozenset({"type", "input_audio", "cache_control"}), field, "input_audio")
    told = an_object(part.get("input_audio"), f"{field}.input_audio")
    format_ = a_word(told.get("format"), f"{field}.input_audio.format", AUDIO)
    data = a_string(told.get("data"), f"{field}.input_audio.data")
    if not data:
        raise InvalidRequest(f"{field}.input_audio.data holds no bytes", field=f"{field}.input_audio.data")
    return Media("audio", format_, {"bytes": data})


def _file(reader: Reader, part: Part, field: str) -> Block | None:
    reader.only(part, frozenset({"type", "file", "cache_control"}), field, "file")
    where = f"{field}.file"
    told = an_object(part.get("file"), where)
    member = "file_url" if told.get("file_url") is not None else "file_data"
    data_field = f"{where}.{member}"
    if told.get(member) is None:
        raise InvalidRequest(
            f"{data_field} is missing; files are not stored here: send the bytes as a data: URL", field=data_field
        )
    filename = told.get("filename")
    filename = "" if filename is None else a_string(filename, f"{where}.filename")
    given = a_string(told[member], data_field)
    if is_link(given):
        name = reader.document_name(filename) if filename else None
        return linked(given, data_field, *ANY_KIND, name=name)
    if given.startswith(_STORED):
        stored = _stored(given, data_field, *ANY_KIND)
        return stored if stored.kind != "document" else replace(stored, name=reader.document_name(filename))
    mime, data = _data_of(given, data_field)
    extension = DOCUMENT_ENDINGS.get(filename.rpartition(".")[2].lower())
    if extension and FORMATS.get(mime, ("document", ""))[0] == "document":
        mime = next(word for word, format_ in DOCUMENTS.items() if format_ == extension)
    media = _media_of(mime, data, data_field, "document", "image", "video", "audio")
    if media.kind != "document":
        return media
    return Media("document", media.format, media.source, reader.document_name(filename))


SYSTEM_PARTS: Mapping[str, ReadPart] = {"text": _text}
ASSISTANT_PARTS: Mapping[str, ReadPart] = {"text": _text, "refusal": _refusal}
USER_PARTS: Mapping[str, ReadPart] = {
    "text": _text,
    "image_url": _by_url("image_url", "image"),
    "input_audio": _audio,
    "file": _file,
    "video_url": _by_url("video_url", "video"),
    "audio_url": _by_url("audio_url", "audio"),
}
TOOL_PARTS: Mapping[str, ReadPart] = {word: USER_PARTS[word] for word in ("text", "image_url", "file", "video_url")}
