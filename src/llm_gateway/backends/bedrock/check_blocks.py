"""Converse's rules for one block of a message. Pure: raises InvalidRequest with the field and the mend."""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from typing import cast

from llm_gateway.backends.bedrock.check_json import check_json
from llm_gateway.domain.content import (
    Block,
    CachePoint,
    Media,
    Native,
    Reasoning,
    Role,
    Text,
    ToolResult,
    ToolUse,
)
from llm_gateway.domain.errors import InvalidRequest

_FORMATS = {
    "image": frozenset({"png", "jpeg", "gif", "webp"}),
    "document": frozenset({"pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"}),
    "video": frozenset({"mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"}),
    "audio": frozenset(
        ["mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm", "webm"]
    ),
}
_SOURCES = {"document": frozenset({"bytes", "s3Location", "text", "content"})}
_MEDIA_SOURCES = frozenset({"bytes", "s3Location"})
_LONGEST_TOOL_NAME = 512  # ours: Bedrock's 64 are kept by ``tool_names.py``
_CALL_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}", re.ASCII)
_S3_URI = re.compile(r"s3://[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9](/.*)?", re.ASCII)
_TTLS = (None, "5m", "1h")
_BASE64_END_CHARACTERS = 65_536


def check_block(block: Block, field: str, role: Role) -> None:
    """One block of a message of this role. A text of white space is let through here: Claude takes it beside others."""
    if isinstance(block, Text):
        if not block.text or not block.text.isascii():
            check_text(block.text, field)
    else:
        _CHECKS[type(block)](block, field, role)


def check_system_block(block: Block, field: str) -> None:
    """One block of ``system``: a text, a cache point, or guarded content."""
    if isinstance(block, Text):
        check_text(block.text, field)
    elif isinstance(block, CachePoint):
        _check_cache_point(block, field, "user")
    elif not (isinstance(block, Native) and block.kind == "guardContent"):
        raise InvalidRequest(f"{field} is no text; system takes text, cachePoint and guardContent only", field=field)


def check_text(text: str, field: str) -> None:
    """A text with something to read in it, in valid Unicode."""
    if not text or text.isspace():
        raise InvalidRequest(f"{field} is blank; give it a text or leave it out", field=field)
    if not text.isascii():
        check_unicode(text, field)


def check_unicode(text: str, field: str) -> None:
    """No half of a surrogate pair: that is no character, and no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as fault:
        raise InvalidRequest(
            f"{field} holds half of a surrogate pair at character {fault.start}; send valid Unicode", field=field
        ) from fault


def check_tool_name(name: str, field: str) -> None:
    """A name that can be told from others; the characters do not matter here."""
    if not name or name.isspace() or len(name) > _LONGEST_TOOL_NAME:
        raise InvalidRequest(
            f"{field} is {name[:80]!r}; give a name of 1 to {_LONGEST_TOOL_NAME} characters", field=field
        )
    if not name.isascii():
        check_unicode(name, field)


def _check_media(block: Block, field: str, _role: Role) -> None:
    block = cast("Media", block)
    if block.format not in _FORMATS[block.kind] and not (block.kind == "document" and not block.format):
        allowed = ", ".join(sorted(_FORMATS[block.kind]))
        raise InvalidRequest(
            f"{field} has the {block.kind} format {block.format[:40]!r}; Bedrock takes {allowed}",
            field=f"{field}.format",
        )
    if block.name is not None and not block.name.isascii():
        check_unicode(block.name, f"{field}.name")
    _check_source(block, f"{field}.source")
    if block.options:
        check_json(block.options, field)


def _check_source(block: Media, field: str) -> None:
    allowed = _SOURCES.get(block.kind, _MEDIA_SOURCES)
    if len(block.source) != 1 or not allowed.issuperset(block.source):
        raise InvalidRequest(f"{field} must be exactly one of {', '.join(sorted(allowed))}", field=field)
    ((kind, value),) = block.source.items()
    if kind == "bytes":
        _check_base64(value, f"{field}.bytes")
    elif kind == "s3Location":
        uri = cast("Mapping[str, object]", value).get("uri") if isinstance(value, Mapping) else None
        if not isinstance(uri, str) or not _S3_URI.fullmatch(uri):
            raise InvalidRequest(f"{field}.s3Location.uri must look like s3://bucket/key", field=f"{field}.s3Location")
    elif kind == "text":
        check_text(value if isinstance(value, str) else "", f"{field}.text")
    elif not value:
        raise InvalidRequest(f"{field}.content is empty; give it at least one text", field=f"{field}.content")


def _check_base64(value: object, field: str) -> None:
    """The whole text where it is short, both ends where it is long: reading megabytes would hold up everybody else."""
    if not isinstance(value, str) or not value:
        raise InvalidRequest(f"{field} is empty; give the bytes as base64 text", field=field)
    if len(value) % 4 == 0 and value.isascii():
        head, tail = value[:_BASE64_END_CHARACTERS], value[-4:]
        try:
            a2b_base64(head, strict_mode=True)
            a2b_base64(tail, strict_mode=True)
        except Base64Error:
            pass
        else:
            return
    raise InvalidRequest(f"{field} is not base64 text", field=field)


def _check_tool_use(block: Block, field: str, role: Role) -> None:
    block = cast("ToolUse", block)
    if role != "assistant":
        raise InvalidRequest(f"{field} is a tool call of the user; only the assistant calls tools", field=field)
    _check_call_id(block.id, f"{field}.id")
    check_tool_name(block.name, f"{field}.name")
    check_json(block.input, f"{field}.input")


def _check_tool_result(block: Block, field: str, role: Role) -> None:
    block = cast("ToolResult", block)
    _check_call_id(block.tool_use_id, f"{field}.tool_use_id")
    if block.status == "error" and not block.content:
        raise InvalidRequest(f"{field} has the status error and no content; say in a text what went wrong", field=field)
    for at, inner in enumerate(block.content):
        inside = f"{field}.content[{at}]"
        if isinstance(inner, Text):
            check_unicode(inner.text, inside)
        elif isinstance(inner, Media) and inner.kind != "audio":
            _check_media(inner, inside, role)
        elif isinstance(inner, Native):
            check_json(inner.body, inside)
        else:
            raise InvalidRequest(f"{inside} cannot stand inside a tool result", field=inside)


def _check_call_id(call_id: str, field: str) -> None:
    if not _CALL_ID.fullmatch(call_id):
        raise InvalidRequest(
            f"{field} is {call_id[:80]!r}; 1 to 64 letters, digits and the characters _ . : - are allowed", field=field
        )


def _check_reasoning(block: Block, field: str, role: Role) -> None:
    block = cast("Reasoning", block)
    if role != "assistant":
        raise InvalidRequest(f"{field} is the user's reasoning; only the assistant's goes back to a model", field=field)
    if (block.text is None) == (block.redacted is None):
        raise InvalidRequest(f"{field} must hold either text or redacted content", field=field)
    if block.redacted is not None:
        _check_base64(block.redacted, f"{field}.redacted")
    else:
        check_unicode(block.text or "", field)


def _check_cache_point(block: Block, field: str, _role: Role) -> None:
    ttl = cast("CachePoint", block).ttl
    if ttl not in _TTLS:
        raise InvalidRequest(f"{field}.ttl is {ttl!r}; use 5m or 1h", field=f"{field}.ttl")


def _check_native(block: Block, field: str, _role: Role) -> None:
    block = cast("Native", block)
    if not block.kind:
        raise InvalidRequest(f"{field} is an empty block", field=field)
    check_json(block.body, field)


_CHECKS: dict[type, Callable[[Block, str, Role], None]] = {
    Media: _check_media,
    ToolUse: _check_tool_use,
    ToolResult: _check_tool_result,
    Reasoning: _check_reasoning,
    CachePoint: _check_cache_point,
    Native: _check_native,
}
