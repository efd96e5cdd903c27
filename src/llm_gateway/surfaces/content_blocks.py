"""Content blocks as callers write them, to domain blocks. Pure.

Two spellings are read: Converse's own (``{"text": ...}``, ``{"image": {"format": ..., "source": {"bytes": ...}}}``,
``{"toolUse": ...}``) and the typed one of MCP and others (``{"type": "text", "text": ...}``,
``{"type": "image", "data": ..., "mimeType": "image/png"}``). An address may stand in place of bytes: Converse's
``source`` with ``url``, or MCP's ``resource_link``. It is taken along, and fetched elsewhere.
"""

import re
from collections.abc import Callable, Mapping

from llm_gateway.domain.content import (
    Block,
    CachePoint,
    Media,
    MediaKind,
    Native,
    Reasoning,
    Text,
    ToolResult,
    ToolUse,
)
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.surfaces.json_values import (
    a_list,
    a_string,
    a_word,
    an_object,
    filled_text,
    kind_of,
    only,
    plain_json,
    shown,
)
from llm_gateway.surfaces.links import ANY_KIND, a_link, linked

_FORMATS: Mapping[MediaKind, tuple[str, ...]] = {
    "image": ("png", "jpeg", "gif", "webp"),
    "document": ("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"),
    "video": ("mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"),
    "audio": (
        *("mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka"),
        *("x-aac", "m4a", "mpeg", "mpga", "pcm", "webm"),
    ),
}
_SOURCES = ("bytes", "s3Location", "text", "content", "url")
_TOOL_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_QUALIFIERS = ("grounding_source", "query", "guard_content")
_NATIVE = ("citationsContent", "searchResult", "toolAddition", "toolRemoval")


def _media(kind: MediaKind) -> Callable[[object, str], Block]:
    def decode(value: object, field: str) -> Block:
        body = an_object(value, field)
        only(body, ("format", "source", "name", "context", "citations"), field)
        source = an_object(body.get("source"), f"{field}.source")
        tells_itself = "url" in source and body.get("format") is None
        format_ = "" if tells_itself else a_word(body.get("format"), f"{field}.format", _FORMATS[kind])
        only(source, _SOURCES, f"{field}.source")
        if len(source) != 1:
            raise InvalidRequest(
                f"{field}.source must hold exactly one of {', '.join(_SOURCES)}", field=f"{field}.source"
            )
        if "bytes" in source:
            _base64(source["bytes"], f"{field}.source.bytes")
        elif "url" not in source:
            plain_json(source, f"{field}.source")
        options = {name: plain_json(body[name], f"{field}.{name}") for name in ("context", "citations") if name in body}
        name = filled_text(body["name"], f"{field}.name") if "name" in body else None
        if "url" in source:
            where = f"{field}.source.url"
            url = a_link(source["url"], where)
            return linked(url, where, kind, format_=format_, name=name, options=options or None)
        return Media(kind, format_, source, name, options or None)

    return decode


def _base64(value: object, field: str) -> str:
    data = a_string(value, field)
    if len(data) % 4 or not _BASE64.fullmatch(data):
        raise InvalidRequest(f"{field} must be base64 text (padded, without line breaks) and not empty", field=field)
    return data


def _text(value: object, field: str) -> Block:
    """Not empty. White space alone is let through: models write it between blocks, and histories bring it back."""
    text = a_string(value, field)
    if not text:
        raise InvalidRequest(f"{field} is empty; put text there or leave the block out", field=field)
    return Text(text)


def _tool_id(value: object, field: str) -> str:
    tool_id = a_string(value, field)
    if not _TOOL_ID.fullmatch(tool_id):
        raise InvalidRequest(
            f"{field} must be 1 to 64 of letters, digits and _ . : -; got {shown(tool_id)}", field=field
        )
    return tool_id


def _tool_use(value: object, field: str) -> Block:
    body = an_object(value, field)
    only(body, ("toolUseId", "name", "input", "type"), field)
    return ToolUse(
        id=_tool_id(body.get("toolUseId"), f"{field}.toolUseId"),
        name=filled_text(body.get("name"), f"{field}.name"),
        input=plain_json(body.get("input", {}), f"{field}.input"),
        type=_call_type(body.get("type"), f"{field}.type"),
    )


def _call_type(value: object, field: str) -> str | None:
    """Some answers call a call of the caller's own tool ``tool_use``; Bedrock takes no such word back."""
    kind = None if value is None else a_string(value, field)
    return None if kind == "tool_use" else kind


def _tool_result(value: object, field: str) -> Block:
    body = an_object(value, field)
    only(body, ("toolUseId", "content", "status", "type"), field)
    content = a_list(body.get("content", []), f"{field}.content", "content blocks")
    status = a_word(body["status"], f"{field}.status", ("success", "error")) if "status" in body else None
    return ToolResult(
        tool_use_id=_tool_id(body.get("toolUseId"), f"{field}.toolUseId"),
        content=tuple(_tool_result_block(item, f"{field}.content[{n}]") for n, item in enumerate(content)),
        status="error" if status == "error" else "success" if status else None,
        type=a_string(body["type"], f"{field}.type") if "type" in body else None,
    )


def _tool_result_block(value: object, field: str) -> Block:
    body = an_object(value, field)
    if "json" in body and "type" not in body:
        only(body, ("json",), field)
        return Native("json", plain_json(body["json"], f"{field}.json"))
    return decode_block(value, field)


def _reasoning(value: object, field: str) -> Block:
    body = an_object(value, field)
    only(body, ("reasoningText", "redactedContent"), field)
    if "redactedContent" in body:
        return Reasoning(redacted=_base64(body["redactedContent"], f"{field}.redactedContent"))
    thought = an_object(body.get("reasoningText"), f"{field}.reasoningText")
    only(thought, ("text", "signature"), f"{field}.reasoningText")
    signature = thought.get("signature")
    return Reasoning(
        text=a_string(thought.get("text"), f"{field}.reasoningText.text"),
        signature=None if signature is None else a_string(signature, f"{field}.reasoningText.signature"),
    )


def _cache_point(value: object, field: str) -> Block:
    body = an_object(value, field)
    only(body, ("type", "ttl"), field)
    a_word(body.get("type", "default"), f"{field}.type", ("default",))
    return CachePoint(a_word(body["ttl"], f"{field}.ttl", ("5m", "1h")) if "ttl" in body else None)


def _guard_content(value: object, field: str) -> Block:
    body = an_object(value, field)
    only(body, ("text", "image"), field)
    if len(body) != 1:
        raise InvalidRequest(f"{field} must hold either text or image", field=field)
    if "text" in body:
        text = an_object(body["text"], f"{field}.text")
        only(text, ("text", "qualifiers"), f"{field}.text")
        filled_text(text.get("text"), f"{field}.text.text")
        for number, word in enumerate(a_list(text.get("qualifiers", []), f"{field}.text.qualifiers", "words")):
            a_word(word, f"{field}.text.qualifiers[{number}]", _QUALIFIERS)
    else:
        image = an_object(body["image"], f"{field}.image")
        only(image, ("format", "source"), f"{field}.image")
        a_word(image.get("format"), f"{field}.image.format", ("png", "jpeg"))
        source = an_object(image.get("source"), f"{field}.image.source")
        only(source, ("bytes",), f"{field}.image.source")
        _base64(source.get("bytes"), f"{field}.image.source.bytes")
    return Native("guardContent", body)


def _native(kind: str) -> Callable[[object, str], Block]:
    def decode(value: object, field: str) -> Block:
        return Native(kind, plain_json(an_object(value, field), field))

    return decode


_CONVERSE: Mapping[str, Callable[[object, str], Block]] = {
    "text": _text,
    "image": _media("image"),
    "document": _media("document"),
    "video": _media("video"),
    "audio": _media("audio"),
    "toolUse": _tool_use,
    "toolResult": _tool_result,
    "reasoningContent": _reasoning,
    "cachePoint": _cache_point,
    "guardContent": _guard_content,
    **{kind: _native(kind) for kind in _NATIVE},
}


def _typed_text(body: Mapping[str, object], field: str) -> Block:
    only(body, ("type", "text", "annotations", "_meta"), field)
    return _text(body.get("text"), f"{field}.text")


def _typed_media(body: Mapping[str, object], field: str) -> Block:
    only(body, ("type", "data", "mimeType", "annotations", "_meta"), field)
    kind: MediaKind = "audio" if body["type"] == "audio" else "image"
    mime = a_string(body.get("mimeType"), f"{field}.mimeType")
    format_ = mime.removeprefix(f"{kind}/").replace("jpg", "jpeg")
    if format_ not in _FORMATS[kind]:
        allowed = ", ".join(f"{kind}/{word}" for word in _FORMATS[kind])
        raise InvalidRequest(f"{field}.mimeType must be one of {allowed}; got {shown(mime)}", field=f"{field}.mimeType")
    return Media(kind, format_, {"bytes": _base64(body.get("data"), f"{field}.data")})


_LINK_MEMBERS = ("type", "uri", "name", "title", "description", "mimeType", "size", "annotations", "icons", "_meta")


def _typed_link(body: Mapping[str, object], field: str) -> Block:
    """MCP's link to something elsewhere; its media type decides nothing, what comes from there does."""
    only(body, _LINK_MEMBERS, field)
    name = filled_text(body["name"], f"{field}.name") if body.get("name") is not None else None
    return linked(a_link(body.get("uri"), f"{field}.uri"), f"{field}.uri", *ANY_KIND, name=name)


_TYPED: Mapping[str, Callable[[Mapping[str, object], str], Block]] = {
    "text": _typed_text,
    "image": _typed_media,
    "audio": _typed_media,
    "resource_link": _typed_link,
}


def decode_block(value: object, field: str) -> Block:
    """One content block.

    Raises:
        InvalidRequest: names the member and what belongs there.
    """
    if isinstance(value, str):
        hint = 'wrap it: {"type": "text", "text": ...}'
        raise InvalidRequest(f"{field} must be a content block; got a string; {hint}", field=field)
    body = an_object(value, field)
    if "type" in body:
        kind = a_word(body["type"], f"{field}.type", tuple(_TYPED))
        return _TYPED[kind](body, field)
    if len(body) != 1:
        raise InvalidRequest(
            f"{field} must hold exactly one of {', '.join(_CONVERSE)}; it holds {len(body)} members", field=field
        )
    (kind,) = body
    only(body, tuple(_CONVERSE), field)
    return _CONVERSE[kind](body[kind], f"{field}.{kind}")


def decode_content(value: object, field: str) -> tuple[Block, ...]:
    """A message's content: text, or a list of content blocks that is not empty."""
    if isinstance(value, str):
        return (Text(filled_text(value, field)),)
    if not isinstance(value, list):
        raise InvalidRequest(f"{field} must be a string or a list of content blocks; got {kind_of(value)}", field=field)
    blocks = a_list(value, field, "content blocks")  # pyright: ignore[reportUnknownArgumentType]
    if not blocks:
        raise InvalidRequest(f"{field} is empty; put at least one content block there", field=field)
    decoded = tuple([decode_block(block, f"{field}[{number}]") for number, block in enumerate(blocks)])
    if all([isinstance(block, Text) and block.text.isspace() for block in decoded]):
        raise InvalidRequest(f"{field} is blank; put text there or leave the message out", field=field)
    return decoded
