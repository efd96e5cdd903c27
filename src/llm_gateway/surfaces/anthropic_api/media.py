"""Pictures, documents and search results as Anthropic's clients write them, to domain blocks. Pure: an address is taken
along, and fetched elsewhere."""

import re
from collections.abc import Mapping

from llm_gateway.domain.content import Block, Media, Native
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.surfaces.json_values import a_list, a_string, a_word, an_object, filled_text, kind_of, shown
from llm_gateway.surfaces.links import a_link, linked

Body = Mapping[str, object]

_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9\-()\[\]]+", re.ASCII)
_LONGEST_NAME = 180


class DocumentNames:
    """Bedrock wants a name for each document, plain and its own; a title is only an offer."""

    __slots__ = ("_given",)

    def __init__(self) -> None:
        self._given: set[str] = set()

    def name(self, title: str | None) -> str:
        """The title in plain letters, with a number where it is taken."""
        plain = _NOT_IN_A_NAME.sub(" ", title or "").strip()[:_LONGEST_NAME].strip() or "document"
        unique, number = plain, 1
        while unique in self._given:
            number += 1
            unique = f"{plain} {number}"
        self._given.add(unique)
        return unique


def base64_text(value: object, field: str) -> str:
    """Base64 text, padded and without line breaks, of at least one byte."""
    data = a_string(value, field)
    core = data.rstrip("=") if data.endswith("=") else data
    if not core or len(data) % 4 or len(data) - len(core) > 2 or not core.isascii():
        raise _no_base64(field)
    if core.encode("ascii").translate(None, _BASE64):
        raise _no_base64(field)
    return data


def _no_base64(field: str) -> InvalidRequest:
    return InvalidRequest(
        f"{field} must be base64 text (padded, without line breaks) and not empty; send the bytes so encoded",
        field=field,
    )


def _not_here(field: str) -> InvalidRequest:
    return InvalidRequest(
        f"{field} is 'file', but files are not stored here; send the bytes with type base64", field=field
    )


def image(block: Body, field: str) -> Block:
    """A picture in base64, or at an address."""
    where = f"{field}.source"
    source = an_object(block.get("source"), where)
    kind = a_word(source.get("type"), f"{where}.type", ("base64", "url", "file"))
    if kind == "url":
        return linked(a_link(source.get("url"), f"{where}.url"), f"{where}.url", "image")
    if kind != "base64":
        raise _not_here(f"{where}.type")
    media_type = a_string(source.get("media_type"), f"{where}.media_type")
    format_ = _IMAGES.get(media_type.lower())
    if format_ is None:
        raise InvalidRequest(
            f"{where}.media_type must be one of {', '.join(_IMAGES)}; got {shown(media_type)}",
            field=f"{where}.media_type",
        )
    return Media("image", format_, {"bytes": base64_text(source.get("data"), f"{where}.data")})


def document(block: Body, field: str, names: DocumentNames) -> Block:
    """A PDF in base64, plain text, text in blocks, or a document at an address."""
    where = f"{field}.source"
    source = an_object(block.get("source"), where)
    kind = a_word(source.get("type"), f"{where}.type", ("base64", "text", "content", "url", "file"))
    format_, given = "txt", dict[str, object]()
    if kind == "base64":
        a_word(source.get("media_type"), f"{where}.media_type", ("application/pdf",))
        format_, given = "pdf", {"bytes": base64_text(source.get("data"), f"{where}.data")}
    elif kind == "text":
        a_word(source.get("media_type", "text/plain"), f"{where}.media_type", ("text/plain",))
        given = {"text": filled_text(source.get("data"), f"{where}.data")}
    elif kind == "content":
        given = {"content": _texts(source.get("content"), f"{where}.content")}
    elif kind == "file":
        raise _not_here(f"{where}.type")
    title, context = block.get("title"), block.get("context")
    options: dict[str, object] = {}
    if context is not None:
        options["context"] = filled_text(context, f"{field}.context")
    if _cites(block, field):
        options["citations"] = {"enabled": True}
    title = None if title is None else a_string(title, f"{field}.title")
    if kind == "url":
        url, name = a_link(source.get("url"), f"{where}.url"), names.name(title) if title else None
        return linked(url, f"{where}.url", "document", name=name, options=options or None)
    name = names.name(title)
    return Media("document", format_, given, name, options or None)


def search_result(block: Body, field: str) -> Block:
    """What a search of the caller found, for the model to cite."""
    body: dict[str, object] = {
        "source": filled_text(block.get("source"), f"{field}.source"),
        "title": filled_text(block.get("title"), f"{field}.title"),
        "content": _texts(block.get("content"), f"{field}.content"),
    }
    if block.get("citations") is not None:
        body["citations"] = {"enabled": _cites(block, field)}
    return Native("searchResult", body)


def _cites(block: Body, field: str) -> bool:
    told = block.get("citations")
    if told is None:
        return False
    enabled = an_object(told, f"{field}.citations").get("enabled", False)
    if not isinstance(enabled, bool):
        where = f"{field}.citations.enabled"
        raise InvalidRequest(f"{where} must be true or false; got {kind_of(enabled)}", field=where)
    return enabled


def _texts(value: object, field: str) -> list[dict[str, object]]:
    if isinstance(value, str):
        return [{"text": filled_text(value, field)}]
    texts: list[dict[str, object]] = []
    for number, item in enumerate(a_list(value, field, "text blocks")):
        where = f"{field}[{number}]"
        part = an_object(item, where)
        a_word(part.get("type"), f"{where}.type", ("text",))
        texts.append({"text": filled_text(part.get("text"), f"{where}.text")})
    if not texts:
        raise InvalidRequest(f"{field} is empty; put at least one text block there", field=field)
    return texts
