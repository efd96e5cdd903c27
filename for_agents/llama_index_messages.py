"""LlamaIndex's messages to the gateway's, and its answers back. Reads files that a message names; else pure."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    ChatResponse,
    CitableBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

try:
    from for_agents.blocks import cache_point, linked, media, thought, to_blocks, tool_use, with_calls
    from for_agents.gateway_answers import Generation, InvalidRequest
except ImportError:  # used from inside the folder
    from blocks import (  # type: ignore[no-redef]
        cache_point,
        linked,
        media,
        thought,
        to_blocks,
        tool_use,
        with_calls,
    )
    from gateway_answers import Generation, InvalidRequest  # type: ignore[no-redef]

Json = dict[str, Any]
BLOCKS, CALLS = "content_blocks", "tool_calls"
"""Where a message keeps the answer's own blocks, and its calls where LlamaIndex's programs look for them."""

_SYSTEM = (MessageRole.SYSTEM, MessageRole.DEVELOPER)
_RESULT = (MessageRole.TOOL, MessageRole.FUNCTION)


def to_gateway(messages: Sequence[ChatMessage]) -> list[Json]:
    """The conversation as the tool ``generate`` takes it. Results of tools that follow one another become one message.

    Raises:
        InvalidRequest: there is no message, or one that cannot be told.
    """
    told: list[Json] = []
    for message in messages:
        if message.role in _RESULT:
            result = _result(message)
            if told and told[-1]["role"] == "user" and all("toolResult" in block for block in told[-1]["content"]):
                told[-1]["content"].append(result)
            else:
                told.append({"role": "user", "content": [result]})
            continue
        role = "system" if message.role in _SYSTEM else "user" if message.role == MessageRole.USER else "assistant"
        content = _answer(message) if role == "assistant" else _blocks(message.blocks)
        if content:
            told.append({"role": role, "content": content})
    if not told:
        raise InvalidRequest("there are no messages; give at least one", code="invalid_request", field="messages")
    return told


def to_message(generation: Generation) -> ChatMessage:
    """The answer: thoughts, text and calls as LlamaIndex's blocks."""
    blocks: list[Any] = [_thinking(each) for each in generation.reasoning]
    if generation.content or not (blocks or generation.tool_calls):
        blocks.append(TextBlock(text=generation.content))
    blocks += [
        ToolCallBlock(tool_call_id=call.id, tool_name=call.name, tool_kwargs=_arguments(call.input))
        for call in generation.tool_calls
    ]
    calls = [{"id": call.id, "name": call.name, "input": call.input} for call in generation.tool_calls]
    kept = {BLOCKS: [dict(block) for block in generation.content_blocks], CALLS: calls}
    return ChatMessage(
        role=MessageRole.ASSISTANT,
        blocks=blocks,
        additional_kwargs={name: value for name, value in kept.items() if value},
    )


def to_response(generation: Generation, told: str | None = None) -> ChatResponse:
    """The whole answer; ``told``: what of its text was streamed already."""
    more: Json = {
        "prompt_tokens": generation.usage.total_tokens - generation.usage.output_tokens,
        "completion_tokens": generation.usage.output_tokens,
        "total_tokens": generation.usage.total_tokens,
        "cost_usd": generation.cost_usd,
        "finish_reason": generation.finish_reason,
        "cached": generation.cached,
        "request_id": generation.request_id,
        "warnings": list(generation.warnings),
    }
    delta = None
    if told is not None:
        delta = generation.content.removeprefix(told) if generation.content.startswith(told) else ""
        thoughts = "".join(str(each.get("text", "")) for each in generation.reasoning)
        more |= {"thinking_delta": thoughts} if thoughts else {}
    return ChatResponse(message=to_message(generation), raw=dict(generation.raw), delta=delta, additional_kwargs=more)


def with_one_call(response: ChatResponse) -> ChatResponse:
    """The same with the first of its calls only."""
    message = response.message
    calls = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    if len(calls) > 1:
        message.blocks = [block for block in message.blocks if block not in calls[1:]]
        message.additional_kwargs[CALLS] = message.additional_kwargs[CALLS][:1]
    return response


def _thinking(told: Mapping[str, Any]) -> ThinkingBlock:
    more = {name: told[name] for name in ("signature", "redacted") if told.get(name)}
    return ThinkingBlock(content=told.get("text"), additional_information=more)


def _answer(message: ChatMessage) -> list[Json]:
    calls = [
        tool_use(block.tool_call_id, block.tool_name, block.tool_kwargs)
        for block in message.blocks
        if isinstance(block, ToolCallBlock)
    ]
    others = [block for block in message.blocks if not isinstance(block, ToolCallBlock)]
    return with_calls(message.additional_kwargs.get(BLOCKS) or _blocks(others), calls)


def _result(message: ChatMessage) -> Json:
    call_id = message.additional_kwargs.get("tool_call_id")
    if not call_id:
        raise InvalidRequest(
            "a message of the role 'tool' does not say which call it answers; put the call's id into its "
            "additional_kwargs['tool_call_id']",
            code="invalid_request",
            field="messages",
        )
    told: Json = {"toolUseId": call_id, "content": _blocks(message.blocks) or [{"text": "(nothing)"}]}
    return {"toolResult": told | ({"status": "error"} if message.additional_kwargs.get("is_error") else {})}


def _blocks(blocks: Sequence[Any]) -> list[Json]:
    return [told for block in blocks for told in _block(block)]


def _block(block: Any) -> list[Json]:
    if isinstance(block, TextBlock):
        return to_blocks(block.text)
    if isinstance(block, ThinkingBlock):
        return _thought(block)
    if isinstance(block, CachePoint):
        return [cache_point({"ttl": block.cache_control.ttl})]
    if isinstance(block, CitableBlock):
        return _blocks(block.content)
    if isinstance(block, ImageBlock | AudioBlock | VideoBlock | DocumentBlock):
        return [_media(block)]
    raise InvalidRequest(
        f"a block of the kind {getattr(block, 'block_type', type(block).__name__)!r} cannot be sent to a model",
        code="invalid_request",
        field="messages",
    )


def _thought(block: ThinkingBlock) -> list[Json]:
    """A thought without its signature is none that a model takes back."""
    more = block.additional_information
    if "redacted" in more:
        return [{"reasoningContent": {"redactedContent": more["redacted"]}}]
    return [thought(block.content or "", more["signature"])] if more.get("signature") else []


def _media(block: Any) -> Json:
    name = block.title if isinstance(block, DocumentBlock) and block.title != "input_document" else None
    if block.url and str(block.url).startswith("http"):
        return linked(str(block.url), name)
    if isinstance(block, ImageBlock):
        mime, told = block.image_mimetype, block.resolve_image()
    elif isinstance(block, AudioBlock):
        mime, told = f"audio/{block.format}" if block.format else None, block.resolve_audio()
    elif isinstance(block, VideoBlock):
        mime, told = block.video_mimetype, block.resolve_video()
    else:
        mime, told = block.document_mimetype, block.resolve_document()
    if not mime:
        raise InvalidRequest(
            f"what kind of {block.block_type} this is cannot be seen; give its media type",
            code="invalid_request",
            field="messages",
        )
    return media(mime, base64.b64encode(told.read()).decode(), name)


def _arguments(given: Any) -> Json:
    return given if isinstance(given, dict) else {"value": given}
