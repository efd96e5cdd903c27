"""A whole request, and seeded ways to spoil one place of it."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sea"}'}}
VALID: dict[str, Any] = {
    "model": "claude-sonnet-4-6",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}]},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
            ],
        },
        {
            "role": "assistant",
            "content": "A sea.",
            "reasoning_content": "Hm",
            "reasoning_details": [{"type": "reasoning.text", "text": "Hm", "signature": "c2ln", "index": 0}],
            "tool_calls": [CALL],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "blue"}]},
        {"role": "user", "content": "And?"},
    ],
    "temperature": 0.5,
    "top_p": 0.9,
    "max_tokens": 100,
    "stop": ["END"],
    "n": 1,
    "stream": False,
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "look",
                "description": "Looks",
                "parameters": {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]},
                "strict": False,
            },
        }
    ],
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "parallel_tool_calls": True,
    "response_format": {"type": "json_schema", "json_schema": {"name": "o", "schema": {"type": "object"}}},
    "reasoning": {"effort": "low"},
    "guardrail": {"id": "gr1", "version": "1"},
    "metadata": {"team": "a"},
    "user": "u-1",
    "service_tier": "default",
    "extra_fields": {"top_k": 5},
    "cache_prompt": False,
}
VALID_VECTORS: dict[str, Any] = {
    "model": "titan-embed-v2",
    "input": ["One sea.", "Two seas."],
    "dimensions": 256,
    "encoding_format": "float",
    "input_type": "search_query",
    "user": "u-1",
}
_DEEP: Any = None
for _ in range(80):
    _DEEP = {"a": [_DEEP]}
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, 10**40, 0.5, -1e308, 5e-324, 1e17),
    *("", " ", "\x00", "\u2028", "text", "auto", "a" * 3000, "\U0001f600" * 50, "\u0000\uffff", "../..", "NaN"),
    *("data:image/png;base64,!!!", "data:,x", "http://169.254.169.254/", "tool", "messages[0]", "{", "[1]", "%s%n"),
    *([], {}, [[]], [{}], [None], {"": ""}, {"type": "text"}, {"role": "tool"}, ["x"] * 300, {"type": {}}, _DEEP),
)
_RAW = (b"NaN", b"Infinity", b"-Infinity", b"1e999", b'"\xff\xfe"', b'"\\ud800"', b"01", b"nul", b"", b"'a'", b"\x00")
Path = tuple[str | int, ...]


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place below the value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in items:
        yield (*path, key)
        yield from paths(member, (*path, key))


_MARK = "@HERE@"


def _at(body: Any, path: Path) -> Any:
    for key in path:
        body = body[key]
    return body


def _written(valid: Any, change: Callable[[Any, str | int], None], path: Path) -> bytes:
    body = copy.deepcopy(valid)
    change(_at(body, path[:-1]), path[-1])
    return json.dumps(body).encode()


def _replace(valid: Any, dice: random.Random, path: Path) -> bytes:
    value = dice.choice(VALUES)

    def change(holder: Any, key: str | int) -> None:
        holder[key] = value

    return _written(valid, change, path)


def _remove(valid: Any, _: random.Random, path: Path) -> bytes:
    def change(holder: Any, key: str | int) -> None:
        del holder[key]

    return _written(valid, change, path)


def _repeat(valid: Any, dice: random.Random, path: Path) -> bytes:
    """The same list item many times, or an unknown neighbour."""
    times = dice.choice([2, 3, 600])

    def change(holder: Any, key: str | int) -> None:
        if isinstance(holder, list):
            holder.extend([holder[int(key)]] * times)
        else:
            holder[f"{key}{dice.choice(['x', '_', chr(0), chr(0x1F600), ' '])}"] = holder[key]

    return _written(valid, change, path)


def _raw(valid: Any, dice: random.Random, path: Path) -> bytes:
    """Bytes that are no JSON value."""

    def change(holder: Any, key: str | int) -> None:
        holder[key] = _MARK

    return _written(valid, change, path).replace(f'"{_MARK}"'.encode(), dice.choice(_RAW))


def _twice(valid: Any, dice: random.Random, path: Path) -> bytes:
    """The same key once more, with another value."""
    body = json.dumps(valid)
    other = json.dumps(dice.choice(VALUES))
    key = next((key for key in reversed(path) if isinstance(key, str)), "model")
    return body.replace(f'"{key}":', f'"{key}": {other}, "{key}":', 1).encode()


def _spoiled(valid: Any, dice: random.Random, _: Path) -> bytes:
    """A few bytes of the whole changed, cut off, or put in."""
    body = bytearray(json.dumps(valid).encode())
    at = dice.randrange(len(body))
    match dice.randrange(3):
        case 0:
            body[at] = dice.randrange(256)
        case 1:
            del body[at:]
        case _:
            body[at:at] = dice.randbytes(dice.randrange(1, 9))
    return bytes(body)


_WAYS = (_replace, _replace, _replace, _replace, _remove, _repeat, _raw, _twice, _spoiled)


def mutations(seed: int, count: int, valid: Any = VALID) -> Iterator[bytes]:
    """So many bodies, each spoiled in one place; equal seeds give equal bodies."""
    dice = random.Random(seed)
    places = tuple(paths(valid))
    for _ in range(count):
        yield dice.choice(_WAYS)(valid, dice, dice.choice(places))
