"""A whole answer as bytes, and back, for stores that outlive the process."""

from dataclasses import fields, is_dataclass
from typing import Any

import orjson

from llm_gateway.domain.completions import Completion, Usage
from llm_gateway.domain.content import Block, CachePoint, Media, Native, Reasoning, Text, ToolResult, ToolUse

_FORM = 1  # raise it when answers kept before cannot be read any more
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Text, Media, ToolUse, ToolResult, Reasoning, CachePoint, Native)
}


def pack(completion: Completion) -> bytes:
    """The answer as JSON."""
    told = {field.name: getattr(completion, field.name) for field in fields(completion)}
    told["blocks"] = [_packed(block) for block in completion.blocks]
    return orjson.dumps({"form": _FORM, **told}, default=dict)


def unpack(packed: bytes | str) -> Completion | None:
    """The answer again; ``None`` where it was packed in another form."""
    told: dict[str, Any] = orjson.loads(packed)
    if told.pop("form", None) != _FORM:
        return None
    told["blocks"] = tuple(_unpacked(block) for block in told["blocks"])
    told["usage"] = Usage(**told["usage"])
    told["warnings"] = tuple(told["warnings"])
    return Completion(**told)


def _packed(block: Block) -> dict[str, object]:
    assert is_dataclass(block)  # noqa: S101 - every block is
    told = {field.name: getattr(block, field.name) for field in fields(block)}
    if isinstance(block, ToolResult):
        told["content"] = [_packed(part) for part in block.content]
    return {"kind_of_block": type(block).__name__, **told}


def _unpacked(told: dict[str, Any]) -> Block:
    kind = _KINDS[told.pop("kind_of_block")]
    if kind is ToolResult:
        told["content"] = tuple(_unpacked(part) for part in told["content"])
    return kind(**told)
