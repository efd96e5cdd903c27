"""The most that a call can take, for whoever has to pay for it. Pure; never below what Bedrock will count.

A token is at least one byte of UTF-8, so text counts its bytes. Vendors add tokens of their own to each turn, each tool
and each picture: the allowances for them are above what was seen.
"""

from collections.abc import Iterable

import orjson

from llm_gateway.backends.bedrock.fit import Fitted, fit
from llm_gateway.backends.bedrock.json_shape import as_count, as_object
from llm_gateway.backends.contract import WorstCase
from llm_gateway.domain.content import Block, CachePoint, Media, Text, ToolResult
from llm_gateway.domain.requests import ModelCall, ToolSpec

_PER_TURN = 8
_PER_TOOL = 40
_FOR_TOOLS = 800  # a system prompt of the vendor's own
_PER_IMAGE = 6_000
_PER_MEDIUM = 3_000
_LEAST_WORTH_TOKENS = 16
_UNKNOWN_LONGEST_ANSWER = 131_072


def worst_case(call: ModelCall) -> WorstCase:
    """Raises what :func:`~llm_gateway.backends.bedrock.fit.fit` raises."""
    fitted, card = fit(call), call.model.card
    most = card.max_output_tokens if card is not None else _UNKNOWN_LONGEST_ANSWER
    answer = most if fitted.max_tokens is None else fitted.max_tokens
    thinking = as_count(as_object(as_object(fitted.extra_fields).get("thinking")).get("budget_tokens")) or 0
    least = answer if fitted.max_tokens is None else min(answer, max(thinking + 1, _LEAST_WORTH_TOKENS))
    read = _input_tokens(fitted)
    if card is not None:
        read = min(read, max(card.context_window_tokens, card.max_input_tokens or 0))
    return WorstCase(read, answer, least, writes_cache=_writes_cache(fitted))


def _input_tokens(fitted: Fitted) -> int:
    turns = sum([_blocks(message.content) + _PER_TURN for message in fitted.messages])
    return turns + _blocks(fitted.system) + _PER_TURN + _tools(fitted.tools) + len(_json(fitted.output_config or {}))


def _tools(tools: Iterable[ToolSpec]) -> int:
    sizes = [_PER_TOOL + len(_json((tool.name, tool.description, tool.input_schema))) for tool in tools]
    return _FOR_TOOLS + sum(sizes) if sizes else 0


def _blocks(blocks: Iterable[Block]) -> int:
    return sum([_block(block) for block in blocks])


def _block(block: Block) -> int:
    if isinstance(block, Text):
        return len(block.text.encode("utf-8", "replace"))
    if isinstance(block, CachePoint):
        return 0
    if isinstance(block, ToolResult):
        return _PER_TURN + _blocks(block.content)
    if isinstance(block, Media):
        return _PER_IMAGE if block.kind == "image" else _PER_MEDIUM + len(_json(block.source))
    return len(_json(block))


def _writes_cache(fitted: Fitted) -> bool:
    blocks = [*fitted.system, *[block for message in fitted.messages for block in message.content]]
    return any([isinstance(block, CachePoint) for block in blocks]) or any([tool.cache_point for tool in fitted.tools])


def _json(value: object) -> bytes:
    try:
        return orjson.dumps(value, default=dict)
    except (orjson.JSONEncodeError, RecursionError):
        return repr(value).encode("utf-8", "replace")
