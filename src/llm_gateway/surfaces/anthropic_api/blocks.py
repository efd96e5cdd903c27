"""Content blocks as Anthropic's clients write them, to domain blocks. Pure.

``cache_control`` on a block becomes a cache point behind it; inside a tool's result, behind the result, since Converse
takes none within. Blank texts beside other blocks are left out: they say nothing and Bedrock refuses them.
"""

import re
from collections.abc import Callable, Mapping

from llm_gateway.domain.content import Block, CachePoint, Reasoning, Role, Text, ToolResult, ToolUse
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.surfaces.anthropic_api import media
from llm_gateway.surfaces.anthropic_api.media import Body, DocumentNames, base64_text
from llm_gateway.surfaces.json_values import (
    a_list,
    a_string,
    a_word,
    an_object,
    filled_text,
    kind_of,
    plain_json,
    shown,
)
from llm_gateway.surfaces.omissions import Omissions

_CALL_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}", re.ASCII)
_SERVED_BY_ANTHROPIC = ("server_tool_use", "container_upload", "mcp_tool_use", "mcp_tool_result", "compaction")


class Reader:
    """Reads the blocks of one request. ``omissions`` collects what nobody reads."""

    __slots__ = ("left", "names", "omissions")

    def __init__(self, omissions: Omissions, most_blocks: int) -> None:
        self.omissions = omissions
        self.names = DocumentNames()
        self.left = most_blocks

    def content(self, value: object, field: str, role: Role) -> tuple[Block, ...]:
        """A message's content: a text, or blocks that are not empty."""
        if isinstance(value, str):
            return (Text(filled_text(value, field)),)
        if not isinstance(value, list):
            raise InvalidRequest(
                f"{field} must be a string or a list of content blocks; got {kind_of(value)}", field=field
            )
        known = _IN_A_TURN[role]
        blocks = self.blocks(value, field, known)  # pyright: ignore[reportUnknownArgumentType]
        if not any([not isinstance(block, CachePoint) for block in blocks]):
            raise InvalidRequest(f"{field} is empty or blank; put at least one content block there", field=field)
        return tuple(blocks)

    def blocks(self, value: object, field: str, known: Mapping[str, "ReadBlock"]) -> list[Block]:
        """Blocks of the kinds that are ``known`` in this place, with cache points where they are asked for."""
        items = a_list(value, field, "content blocks")
        self.left -= len(items)
        if self.left < 0:
            raise InvalidRequest("messages hold too many content blocks; send fewer", field="messages")
        found: list[Block] = []
        for number, item in enumerate(items):
            where = f"{field}[{number}]"
            body = _typed(item, where)
            kind = _kind(body, where, known)
            members, read = known[kind]
            self.known_only(body, members, where, kind)
            block = read(self, body, where)
            if block is not None:
                found.append(block)
            point = self.cache_point(body, where) or _cache_point_within(self, body, where)
            if point is not None and found and not isinstance(found[-1], CachePoint | Reasoning):
                found.append(point)
        return found

    def known_only(self, body: Body, members: frozenset[str], field: str, inside: str) -> None:
        """Drops the members nobody reads."""
        strange = body.keys() - members
        if strange:
            self.omissions.drop_all(
                [name for name in strange if body[name] is not None], inside=f"{inside}.", field=field
            )

    def cache_point(self, body: Body, field: str) -> CachePoint | None:
        """Where ``cache_control`` ends a prefix that shall be kept."""
        told = body.get("cache_control")
        if told is None:
            return None
        where = f"{field}.cache_control" if field else "cache_control"
        control = an_object(told, where)
        a_word(control.get("type"), f"{where}.type", ("ephemeral",))
        ttl = control.get("ttl")
        strange = control.keys() - {"type", "ttl"}  # such as the scope that Claude Code sends
        if strange:
            self.omissions.drop_all(strange, inside="cache_control.", field=where)
        return CachePoint(None if ttl is None else a_word(ttl, f"{where}.ttl", ("5m", "1h")))


def _typed(item: object, field: str) -> Body:
    if isinstance(item, str):
        hint = 'wrap it: {"type": "text", "text": ...}'
        raise InvalidRequest(f"{field} must be a content block; got a string; {hint}", field=field)
    return an_object(item, field)


def _kind(body: Body, field: str, known: Mapping[str, "ReadBlock"]) -> str:
    kind, where = body.get("type"), f"{field}.type"
    if isinstance(kind, str) and kind not in known:
        if kind in _SERVED_BY_ANTHROPIC or (kind.endswith("_tool_result") and kind != "tool_result"):
            raise InvalidRequest(
                f"{where} is {shown(kind)}, which only Anthropic's own servers know; leave it out",
                field=where,
            )
        if any([kind in blocks for blocks in _IN_A_TURN.values()]):
            raise InvalidRequest(f"{where} is {shown(kind)}, which cannot stand here", field=where)
    return a_word(kind, where, tuple(known))


def _cache_point_within(reader: Reader, body: Body, field: str) -> CachePoint | None:
    """The last cache point asked for inside a tool's result."""
    content = body.get("content")
    if body.get("type") != "tool_result" or not isinstance(content, list):
        return None
    found: CachePoint | None = None
    for number, item in enumerate(a_list(content, field, "content blocks")):  # pyright: ignore[reportUnknownArgumentType]
        inner = f"{field}.content[{number}]"
        found = reader.cache_point(an_object(item, inner), inner) or found
    return found


# --- one reader for each kind of block --------------------------------------------------------------------------------


def _text(_: Reader, body: Body, field: str) -> Block | None:
    text = a_string(body.get("text"), f"{field}.text")
    return Text(text) if text and not text.isspace() else None


def _image(_: Reader, body: Body, field: str) -> Block:
    return media.image(body, field)


def _document(reader: Reader, body: Body, field: str) -> Block:
    return media.document(body, field, reader.names)


def _search_result(_: Reader, body: Body, field: str) -> Block:
    return media.search_result(body, field)


def call_id(value: object, field: str) -> str:
    """The id of a tool call, kept as it is."""
    given = a_string(value, field)
    if not _CALL_ID.fullmatch(given):
        raise InvalidRequest(f"{field} must be 1 to 64 of letters, digits and _ . : -; got {shown(given)}", field=field)
    return given


def _tool_use(_: Reader, body: Body, field: str) -> Block:
    given = body.get("input")
    arguments = an_object({} if given is None else given, f"{field}.input")
    return ToolUse(
        id=call_id(body.get("id"), f"{field}.id"),
        name=filled_text(body.get("name"), f"{field}.name"),
        input=plain_json(arguments, f"{field}.input"),
    )


def _tool_result(reader: Reader, body: Body, field: str) -> Block:
    is_error = body.get("is_error")
    if is_error is not None and not isinstance(is_error, bool):
        raise InvalidRequest(
            f"{field}.is_error must be true or false; got {kind_of(is_error)}", field=f"{field}.is_error"
        )
    content = _result_content(reader, body.get("content"), f"{field}.content")
    if is_error and not content:
        raise InvalidRequest(
            f"{field}.content is empty; say in a text what went wrong, since is_error is true", field=f"{field}.content"
        )
    return ToolResult(
        tool_use_id=call_id(body.get("tool_use_id"), f"{field}.tool_use_id"),
        content=content,
        status="error" if is_error else None,
    )


def _result_content(reader: Reader, value: object, field: str) -> tuple[Block, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        text = a_string(value, field)
        return (Text(text),) if text and not text.isspace() else ()
    blocks = reader.blocks(value, field, _IN_A_RESULT)
    return tuple([block for block in blocks if not isinstance(block, CachePoint)])


def _thinking(_: Reader, body: Body, field: str) -> Block:
    signature = body.get("signature")
    signed = "" if signature is None else a_string(signature, f"{field}.signature")
    return Reasoning(text=a_string(body.get("thinking"), f"{field}.thinking"), signature=signed or None)


def _redacted_thinking(_: Reader, body: Body, field: str) -> Block:
    return Reasoning(redacted=base64_text(body.get("data"), f"{field}.data"))


ReadBlock = tuple[frozenset[str], Callable[[Reader, Body, str], Block | None]]


def _members(*names: str) -> frozenset[str]:
    return frozenset({"type", "cache_control", *names})


TEXT_BLOCK: Mapping[str, ReadBlock] = {"text": (_members("text", "citations"), _text)}
_EVERYWHERE: Mapping[str, ReadBlock] = {
    **TEXT_BLOCK,
    "image": (_members("source"), _image),
    "document": (_members("source", "title", "context", "citations"), _document),
    "search_result": (_members("source", "title", "content", "citations"), _search_result),
}
_IN_A_RESULT = _EVERYWHERE
_IN_A_TURN: Mapping[Role, Mapping[str, ReadBlock]] = {
    "user": {**_EVERYWHERE, "tool_result": (_members("tool_use_id", "content", "is_error"), _tool_result)},
    "assistant": {
        **_EVERYWHERE,
        "tool_use": (_members("id", "name", "input", "caller"), _tool_use),
        "thinking": (_members("thinking", "signature"), _thinking),
        "redacted_thinking": (_members("data"), _redacted_thinking),
    },
}
