"""Counting tokens plausibly: about four characters each, some for every message, tool and picture. Pure.

No vendor's tokenizer: the numbers have the right size and add up, which is all a sandbox may promise.
"""

from collections.abc import Iterable
from typing import Any

from llm_gateway.sandbox.wire_json import Json, as_object, as_text, canonical

CHARACTERS_PER_TOKEN = 4
_PER_MESSAGE = 3
_PER_TOOL = 12
_PER_MEDIUM = 258
_BYTES_PER_MEDIUM_TOKEN = 750
_MEDIA = ("image", "document", "video", "audio")


def text_tokens(text: str) -> int:
    """0 for the empty text, else at least 1."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def content_tokens(content: Iterable[Any]) -> int:
    return sum(block_tokens(as_object(block)) for block in content)


def block_tokens(block: Json) -> int:
    """Tokens of one content block, whichever kind; a cache point costs nothing."""
    if "text" in block:
        return text_tokens(as_text(block["text"]))
    if "cachePoint" in block:
        return 0
    for medium in _MEDIA:
        if medium in block:
            return _medium_tokens(as_object(block[medium]))
    return text_tokens(canonical(block).decode()) if block else 0


def message_tokens(message: Json) -> int:
    return _PER_MESSAGE + content_tokens(message.get("content") or ())


def tool_tokens(tool: Json) -> int:
    return 0 if "cachePoint" in tool else _PER_TOOL + text_tokens(canonical(tool).decode())


def request_tokens(body: Json) -> int:
    """All input tokens of a Converse request, cached or not."""
    tools = as_object(body.get("toolConfig")).get("tools") or ()
    return (
        sum(tool_tokens(as_object(tool)) for tool in tools)
        + content_tokens(body.get("system") or ())
        + sum(message_tokens(as_object(message)) for message in body.get("messages") or ())
    )


def _medium_tokens(medium: Json) -> int:
    source = as_object(medium.get("source"))
    data = as_text(source.get("bytes")) or as_text(source.get("text"))
    return _PER_MEDIUM + len(data) * 3 // 4 // _BYTES_PER_MEDIUM_TOKEN
