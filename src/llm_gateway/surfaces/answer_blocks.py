"""What an answer holds beside text, as JSON: tool calls, thoughts, and all blocks, ready to go back. Pure."""

from collections.abc import Callable, Sequence
from typing import cast

from llm_gateway.domain.content import Block, CachePoint, Media, Native, Reasoning, Text, ToolResult, ToolUse

Json = dict[str, object]


def encode_more(blocks: Sequence[Block]) -> Json:
    """``tool_calls``, ``reasoning`` and ``content_blocks``; nothing for an answer of plain text alone."""
    if len(blocks) <= 1 and all([isinstance(block, Text) for block in blocks]):
        return {}
    encoded: Json = {}
    calls = [block for block in blocks if isinstance(block, ToolUse) and block.type is None]
    if calls:
        encoded["tool_calls"] = [{"id": call.id, "name": call.name, "input": call.input} for call in calls]
    thoughts = [_thought(block) for block in blocks if isinstance(block, Reasoning)]
    if thoughts:
        encoded["reasoning"] = thoughts
    encoded["content_blocks"] = [encode_block(block) for block in blocks]
    return encoded


def encode_block(block: Block) -> Json:
    """One block as Converse writes it."""
    return _WRITERS[type(block)](block)


def _thought(block: Reasoning) -> Json:
    if block.redacted is not None:
        return {"redacted": block.redacted}
    thought: Json = {"text": block.text or ""}
    if block.signature is not None:
        thought["signature"] = block.signature
    return thought


def _text(block: Block) -> Json:
    return {"text": cast("Text", block).text}


def _media(block: Block) -> Json:
    block = cast("Media", block)
    told: Json = {"format": block.format, "source": block.source, **(block.options or {})}
    if block.name is not None:
        told["name"] = block.name
    return {block.kind: told}


def _tool_use(block: Block) -> Json:
    block = cast("ToolUse", block)
    told: Json = {"toolUseId": block.id, "name": block.name, "input": block.input}
    return {"toolUse": told | ({"type": block.type} if block.type is not None else {})}


def _tool_result(block: Block) -> Json:
    block = cast("ToolResult", block)
    told: Json = {"toolUseId": block.tool_use_id, "content": [encode_block(inner) for inner in block.content]}
    more = {"status": block.status, "type": block.type}
    return {"toolResult": told | {name: value for name, value in more.items() if value is not None}}


def _reasoning(block: Block) -> Json:
    block = cast("Reasoning", block)
    if block.redacted is not None:
        return {"reasoningContent": {"redactedContent": block.redacted}}
    return {"reasoningContent": {"reasoningText": _thought(block)}}


def _cache_point(block: Block) -> Json:
    ttl = cast("CachePoint", block).ttl
    return {"cachePoint": {"type": "default"} | ({"ttl": ttl} if ttl is not None else {})}


def _native(block: Block) -> Json:
    block = cast("Native", block)
    return {block.kind: block.body}


_WRITERS: dict[type, Callable[[Block], Json]] = {
    Text: _text,
    Media: _media,
    ToolUse: _tool_use,
    ToolResult: _tool_result,
    Reasoning: _reasoning,
    CachePoint: _cache_point,
    Native: _native,
}
