"""LangChain's messages, and plain dicts, to the gateway's and back. Pure."""

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_messages,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call, tool_call_chunk

try:
    from for_agents.blocks import to_blocks, tool_use, with_calls
    from for_agents.gateway_answers import Generation, InvalidRequest
except ImportError:  # used from inside the folder
    from blocks import to_blocks, tool_use, with_calls  # type: ignore[no-redef]
    from gateway_answers import Generation, InvalidRequest  # type: ignore[no-redef]

Json = dict[str, Any]
BLOCKS = "content_blocks"
"""Where an answer keeps its blocks (additional_kwargs), so that thoughts go back with their signatures."""


def to_gateway(messages: Sequence[Any]) -> list[Json]:
    """The conversation as the tool ``generate`` takes it. Results of tools that follow one another become one message.

    Raises:
        InvalidRequest: there is no message, or one that cannot be read.
    """
    if not messages:
        raise InvalidRequest(
            "the state holds no messages; begin with {'messages': [{'role': 'user', 'content': '…'}]}",
            code="invalid_request",
            field="messages",
        )
    converted = as_messages(messages)
    told: list[Json] = []
    for message in converted:
        encoded = _encoded(message)
        if isinstance(message, ToolMessage) and told and told[-1].get("role") == "user" and _are_results(told[-1]):
            told[-1]["content"] += encoded["content"]
        elif encoded["content"]:
            told.append(encoded)
    return told


def as_messages(messages: Any) -> list[BaseMessage]:
    """LangChain's messages, of whatever is written as such; a text is the user's.

    Raises:
        InvalidRequest: one cannot be read.
    """
    try:
        return convert_to_messages([messages] if isinstance(messages, str) else messages)
    except (ValueError, TypeError, NotImplementedError, KeyError, AttributeError) as unreadable:
        raise InvalidRequest(
            f"a message cannot be read: {unreadable}", code="invalid_request", field="messages"
        ) from unreadable


def to_ai_message(generation: Generation) -> AIMessage:
    """The answer as LangChain's agents expect it."""
    return AIMessage(
        content=generation.content,
        tool_calls=[
            tool_call(name=call.name, args=_arguments(call.input), id=call.id) for call in generation.tool_calls
        ],
        usage_metadata=usage_of(generation),
        response_metadata=metadata_of(generation),
        additional_kwargs=_kept(generation),
    )


def to_last_chunk(generation: Generation, told: str) -> AIMessageChunk:
    """What is left of an answer whose text was ``told`` so far."""
    rest = generation.content.removeprefix(told) if generation.content.startswith(told) else ""
    return AIMessageChunk(
        content=rest,
        tool_call_chunks=[
            tool_call_chunk(name=call.name, args=json.dumps(_arguments(call.input)), id=call.id, index=number)
            for number, call in enumerate(generation.tool_calls)
        ],
        usage_metadata=usage_of(generation),
        response_metadata=metadata_of(generation),
        additional_kwargs=_kept(generation),
        chunk_position="last",
    )


def usage_of(generation: Generation) -> UsageMetadata:
    """LangChain counts cached tokens within the input."""
    usage = generation.usage
    return UsageMetadata(
        input_tokens=usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        input_token_details={"cache_read": usage.cache_read_tokens, "cache_creation": usage.cache_write_tokens},
    )


def metadata_of(generation: Generation) -> Json:
    """What the gateway says of the call: model, cost, why it ended."""
    return {
        "model_name": generation.model,
        "model_id": generation.model_id,
        "finish_reason": generation.finish_reason,
        "cost_usd": generation.cost_usd,
        "cached": generation.cached,
        "latency_ms": generation.latency_ms,
        "request_id": generation.request_id,
        "warnings": list(generation.warnings),
    }


def _kept(generation: Generation) -> Json:
    kept: Json = {}
    if generation.content_blocks:
        kept[BLOCKS] = [dict(block) for block in generation.content_blocks]
    if generation.reasoning:
        kept["reasoning"] = [dict(thought) for thought in generation.reasoning]
        told = "".join(str(thought.get("text", "")) for thought in generation.reasoning)
        kept |= {"reasoning_content": told} if told else {}  # where LangChain's content_blocks look for it
    return kept


def _encoded(message: BaseMessage) -> Json:
    if isinstance(message, SystemMessage):
        return {"role": "system", "content": _content(message.content)}
    if isinstance(message, ToolMessage):
        return {"role": "user", "content": [_result(message)]}
    if isinstance(message, AIMessage):
        return {"role": "assistant", "content": _answer(message)}
    if isinstance(message, HumanMessage):
        return {"role": "user", "content": _content(message.content)}
    return {"role": "assistant" if message.type == "assistant" else "user", "content": _content(message.content)}


def _answer(message: AIMessage) -> str | list[Any]:
    """The blocks as they came, so that thoughts keep their signatures. Which tools are called, the message itself says:
    somebody may have changed or refused a call meanwhile."""
    kept = message.additional_kwargs.get(BLOCKS) or _content(message.content)
    if isinstance(kept, str) and not message.tool_calls:
        return kept
    calls = [tool_use(call["id"], call["name"], call["args"]) for call in message.tool_calls]
    return with_calls(to_blocks(kept) if isinstance(kept, str) else kept, calls)


def _result(message: ToolMessage) -> Json:
    content = _content(message.content)
    blocks: list[Any] = [{"text": content or "(nothing)"}] if isinstance(content, str) else content
    told: Json = {"toolUseId": message.tool_call_id, "content": blocks}
    return {"toolResult": told | ({"status": "error"} if message.status == "error" else {})}


def _content(content: str | Sequence[Any]) -> str | list[Any]:
    if isinstance(content, str):
        return content
    return [told for block in content for told in to_blocks(block)]


def _are_results(message: Json) -> bool:
    content = message["content"]
    return isinstance(content, list) and all("toolResult" in block for block in content)


def _arguments(given: Any) -> Json:
    return given if isinstance(given, dict) else {"value": given}
