"""Tokens counted by size, for answers whose usage nobody told us. Pure, cheap, on the cautious side.

About four bytes of UTF-8 make a token: English has about four letters to one, and scripts of three bytes a letter about
one token a letter.
"""

from collections.abc import Iterable, Sequence

import orjson

from llm_gateway.domain.content import Block, CachePoint, Media, Native, Reasoning, Text, ToolResult, ToolUse
from llm_gateway.domain.requests import GenerateRequest, ToolSpec

_BYTES_PER_TOKEN = 4
_TOKENS_PER_MEDIA = {"image": 1_600, "document": 3_000, "video": 6_000, "audio": 1_500}
_TOKENS_PER_TURN = 4


def text_tokens(text: str) -> int:
    """Tokens of a text; 0 for none, else at least 1."""
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


def blocks_tokens(blocks: Iterable[Block]) -> int:
    """Tokens of the blocks of one turn."""
    return sum([_block_tokens(block) for block in blocks])


def request_tokens(request: GenerateRequest) -> int:
    """Input tokens of a request: system, turns and tools. At least 1."""
    turns = sum([blocks_tokens(message.content) + _TOKENS_PER_TURN for message in request.messages])
    return max(1, turns + tools_tokens(request.tools) + blocks_tokens(request.system))


def tools_tokens(tools: Iterable[ToolSpec]) -> int:
    """Tokens of the definitions of tools."""
    return sum(
        [
            text_tokens(tool.name) + text_tokens(tool.description or "") + _json_tokens(tool.input_schema)
            for tool in tools
        ]
    )


def _block_tokens(block: Block) -> int:
    if isinstance(block, Text):
        return text_tokens(block.text)
    if isinstance(block, Media):
        return _TOKENS_PER_MEDIA[block.kind] + _texts_tokens([block.source.get("text")])
    if isinstance(block, ToolUse):
        return text_tokens(block.name) + _json_tokens(block.input)
    if isinstance(block, ToolResult):
        return blocks_tokens(block.content)
    if isinstance(block, Reasoning):
        return _texts_tokens([block.text, block.redacted])
    if isinstance(block, CachePoint):
        return 0
    return _native_tokens(block)


def _native_tokens(block: Native) -> int:
    return _json_tokens(block.body)


def _texts_tokens(texts: Sequence[object]) -> int:
    return sum([text_tokens(text) for text in texts if isinstance(text, str)])


def _json_tokens(value: object) -> int:
    try:
        return -(-len(orjson.dumps(value, default=dict)) // _BYTES_PER_TOKEN)
    except (orjson.JSONEncodeError, RecursionError):
        return text_tokens(repr(value))
