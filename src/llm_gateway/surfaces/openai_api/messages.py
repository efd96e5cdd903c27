"""The conversation as OpenAI's clients write it, to system blocks and turns. Pure.

System and developer texts go to the system in their order. Tool messages in a row become one turn of the user. An
assistant's message with nothing in it is left out: it says nothing, and Bedrock would refuse it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import orjson

from llm_gateway.domain.content import Block, CachePoint, Message, Reasoning, Role, Text, ToolResult, ToolUse
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.surfaces.json_values import a_list, a_string, a_word, an_object, filled_text, kind_of
from llm_gateway.surfaces.openai_api.content_parts import (
    ASSISTANT_PARTS,
    SYSTEM_PARTS,
    TOOL_PARTS,
    USER_PARTS,
    Part,
    Reader,
    ReadPart,
)

_ROLES = ("system", "developer", "user", "assistant", "tool")
_PLAIN = frozenset({"role", "content"})
_ASSISTANT = _PLAIN | {
    *("tool_calls", "refusal", "reasoning_content", "reasoning_details"),
    *("annotations", "audio", "function_call", "provider_specific_fields"),  # parts of an answer that come back
}
_TOOL = _PLAIN | {"tool_call_id"}


class Conversation(NamedTuple):
    """``origins``: for each turn the index of the caller's message that it began with."""

    system: tuple[Block, ...]
    messages: tuple[Message, ...]
    origins: tuple[int, ...]


def decode_messages(value: object, reader: Reader, most: int) -> Conversation:
    """Raises InvalidRequest with the member to blame."""
    if value is None:
        raise InvalidRequest(
            'messages is missing; send at least [{"role": "user", "content": "..."}]', field="messages"
        )
    items = a_list(value, "messages", "{role, content} objects")
    if len(items) > most:
        raise InvalidRequest(f"messages holds {len(items)}, more than {most} (MAX_MESSAGES)", field="messages")
    system: list[Block] = []
    turns: list[tuple[Role, list[Block]]] = []
    origins: list[int] = []
    answering = False  # the last turn holds the results of tools, and more may follow
    for number, item in enumerate(items):
        field = f"messages[{number}]"
        message = an_object(item, field)
        role = message.get("role")
        reads = _TURNS.get(role) if isinstance(role, str) else None
        if reads is None:
            system += _system(message, field, reader)
            continue
        speaker, read = reads
        blocks = read(message, field, reader)
        if read is _tool_result and answering:
            turns[-1][1].extend(blocks)
        elif blocks:
            turns.append((speaker, list(blocks)))
            origins.append(number)
            answering = read is _tool_result
    if not turns:
        raise InvalidRequest("messages holds no user message; add one with role 'user'", field="messages")
    messages = tuple([Message(speaker, tuple(blocks)) for speaker, blocks in turns])
    return Conversation(tuple(system), messages, tuple(origins))


def _content(message: Part, field: str, reader: Reader, parts: Mapping[str, ReadPart]) -> Sequence[Block]:
    """The blocks of ``content``; none where it is null, empty or blank."""
    content = message.get("content")
    if isinstance(content, str):
        return (Text(content),) if content and not content.isspace() else ()
    if content is None:
        return ()
    if not isinstance(content, list):
        raise InvalidRequest(
            f"{field}.content must be a string or a list of content parts; got {kind_of(content)}",
            field=f"{field}.content",
        )
    return reader.blocks(content, f"{field}.content", parts)  # pyright: ignore[reportUnknownArgumentType]


def _known(message: Part, known: frozenset[str], field: str, reader: Reader) -> None:
    if not message.keys() <= known:
        strange = [name for name in message.keys() - known if message[name] is not None]
        if strange:
            reader.omissions.drop_all(strange, inside="messages[].", field=field)


def _user(message: Part, field: str, reader: Reader) -> tuple[Block, ...]:
    _known(message, _PLAIN, field, reader)
    blocks = tuple(_content(message, field, reader, USER_PARTS))
    if not blocks or all([isinstance(block, CachePoint) for block in blocks]):
        raise InvalidRequest(f"{field}.content is empty or blank; put text there", field=f"{field}.content")
    return blocks


def _system(message: Part, field: str, reader: Reader) -> Sequence[Block]:
    if message.get("role") == "function":
        raise InvalidRequest(
            f"{field}.role is function, which is no longer served; use role tool and tool_call_id",
            field=f"{field}.role",
        )
    a_word(message.get("role"), f"{field}.role", _ROLES)
    _known(message, _PLAIN, field, reader)
    return _content(message, field, reader, SYSTEM_PARTS)


def _tool_result(message: Part, field: str, reader: Reader) -> tuple[Block, ...]:
    _known(message, _TOOL, field, reader)
    call_id = filled_text(message.get("tool_call_id"), f"{field}.tool_call_id")
    blocks = tuple(_content(message, field, reader, TOOL_PARTS))
    points = [block for block in blocks if isinstance(block, CachePoint)]  # they stand behind a result, not in it
    said = tuple([block for block in blocks if not isinstance(block, CachePoint)])
    return (ToolResult(call_id, said), *points[-1:])


def _assistant(message: Part, field: str, reader: Reader) -> tuple[Block, ...]:
    if len(message) == 2 and "content" in message:
        return tuple(_content(message, field, reader, ASSISTANT_PARTS))
    _known(message, _ASSISTANT, field, reader)
    if message.get("function_call") is not None:
        raise InvalidRequest(
            f"{field}.function_call is no longer served; use tool_calls", field=f"{field}.function_call"
        )
    blocks: list[Block] = _reasoning(message, field)
    said = _content(message, field, reader, ASSISTANT_PARTS)
    blocks += said
    refusal = message.get("refusal")
    if refusal is not None and not said:
        text = a_string(refusal, f"{field}.refusal")
        blocks += [Text(text)] if text and not text.isspace() else []
    calls = message.get("tool_calls")
    if calls is not None:
        for number, call in enumerate(a_list(calls, f"{field}.tool_calls", "tool calls")):
            blocks.append(_tool_call(call, f"{field}.tool_calls[{number}]"))
    only_thought = all([isinstance(block, Reasoning) for block in blocks])
    return () if only_thought else tuple(blocks)


_ReadTurn = Callable[[Part, str, Reader], tuple[Block, ...]]
_TURNS: Mapping[str, tuple[Role, _ReadTurn]] = {
    "user": ("user", _user),
    "assistant": ("assistant", _assistant),
    "tool": ("user", _tool_result),
}


def _tool_call(value: object, field: str) -> ToolUse:
    call = an_object(value, field)
    a_word(call.get("type", "function"), f"{field}.type", ("function",))
    function = an_object(call.get("function"), f"{field}.function")
    return ToolUse(
        id=filled_text(call.get("id"), f"{field}.id"),
        name=filled_text(function.get("name"), f"{field}.function.name"),
        input=_arguments(function.get("arguments"), f"{field}.function.arguments"),
    )


def _arguments(value: object, field: str) -> object:
    text = "" if value is None else a_string(value, field)
    if not text or text.isspace():
        return {}
    try:
        given: object = orjson.loads(text)
    except orjson.JSONDecodeError as fault:
        raise InvalidRequest(f"{field} is not JSON: {fault}", field=field) from None
    return an_object(given, field)


def _reasoning(message: Part, field: str) -> list[Block]:
    """Thoughts that come back: ``reasoning_details`` as they were given, else ``reasoning_content`` as bare text."""
    spoken = message.get("reasoning_content")
    bare = "" if spoken is None else a_string(spoken, f"{field}.reasoning_content")
    details = message.get("reasoning_details")
    if details is None:
        return [Reasoning(text=bare)] if bare else []
    where = f"{field}.reasoning_details"
    items = a_list(details, where, "reasoning details")
    return [_detail(item, f"{where}[{number}]", bare) for number, item in enumerate(items)]


def _detail(value: object, field: str, bare: str) -> Reasoning:
    detail = an_object(value, field)
    kind = a_word(detail.get("type"), f"{field}.type", ("reasoning.text", "reasoning.encrypted"))
    if kind == "reasoning.encrypted":
        return Reasoning(redacted=filled_text(detail.get("data"), f"{field}.data"))
    text, signature = detail.get("text"), detail.get("signature")
    return Reasoning(
        text=bare if text is None else a_string(text, f"{field}.text"),
        signature=None if signature is None else filled_text(signature, f"{field}.signature"),
    )
