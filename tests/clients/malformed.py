"""Malformed requests without end, from a seed: one thing at a time wrong in a call that was right. Pure."""

import copy
import json
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

NEW = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": NEW,
    "io.modelcontextprotocol/clientInfo": {"name": "fuzz", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
PNG = "iVBORw0KGgo="
JSON_HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


@dataclass(frozen=True)
class Malformed:
    """One request. ``about`` tells what is wrong with it, for whoever has to look."""

    about: str
    body: bytes
    method: str = "POST"
    path: str = "/mcp"
    headers: dict[str, str] = field(default_factory=dict)


RIGHT: list[dict[str, Any]] = [
    {"model": "nova-lite", "messages": [{"role": "user", "content": "Say: hi"}]},
    {
        "model": "claude-haiku-4-5",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be brief."}, {"cachePoint": {"type": "default"}}]},
            {"role": "user", "content": [{"text": "Look:"}, {"image": {"format": "png", "source": {"bytes": PNG}}}]},
            {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
                    {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"deep": [1, {"er": None}]}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "toolResult": {
                            "toolUseId": "t1",
                            "content": [{"json": {"a": 1}}, {"text": "x"}],
                            "status": "error",
                        }
                    }
                ],
            },
        ],
        "temperature": 0.5,
        "max_tokens": 20,
        "top_p": 0.9,
        "stop_sequences": ["END", "\n\n"],
        "system": "You are terse.",
        "cache": "bypass",
    },
    {
        "model": "us.amazon.nova-pro-v1:0",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image", "data": PNG, "mimeType": "image/png"},
                    {"document": {"format": "pdf", "name": "paper", "source": {"bytes": PNG}}},
                    {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://bucket/key"}}}},
                    {"guardContent": {"text": {"text": "guarded", "qualifiers": ["query"]}}},
                    {"text": "What is this?"},
                ],
            }
        ],
        "max_tokens": 5,
    },
    {
        "model": "claude-sonnet-4-5",
        "messages": [{"role": "user", "content": "What is the weather in Rome?"}],
        "tools": [
            {
                "name": "weather",
                "description": "Tells the weather.",
                "input_schema": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}},
                    "required": ["city"],
                },
            },
            {"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object"}}}},
            {"type": "function", "function": {"name": "where", "parameters": {"type": "object"}}},
        ],
        "tool_choice": {"name": "weather"},
        "parallel_tool_calls": False,
        "service_tier": "default",
        "latency": "standard",
        "metadata": {"team": "papers"},
        "additional_model_request_fields": {"top_k": 50},
        "cache_prompt": True,
    },
    {
        "model": "claude-sonnet-4-5",
        "messages": [{"role": "user", "content": "Think."}],
        "max_tokens": 4000,
        "reasoning": {"budget_tokens": 1024},
        "guardrail": {"id": "gr-1", "version": "DRAFT", "trace": "enabled", "stream_mode": "sync"},
    },
    {
        "model": "nova-lite",
        "messages": [{"role": "user", "content": "As JSON, please."}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "paper", "schema": {"type": "object", "properties": {"title": {"type": "string"}}}},
        },
    },
]
BEFORE: dict[str, dict[str, Any]] = {
    "list_models": {"provider": "amazon", "capability": "tools", "lifecycle": "active"},
    "get_stats": {},
    "count_tokens": {"model": "nova-lite", "prompt": "How long is this?"},
    "estimate_cost": {"model": "nova-pro", "messages": [{"role": "user", "content": "Say: hi"}], "max_tokens": 10},
    "compare": {"models": ["nova-lite", "nova-micro"], "prompt": "Say: hi", "temperature": 0},
    "embed": {
        "model": "titan-embed-v2",
        "texts": ["a", "b"],
        "dimensions": 256,
        "purpose": "search_query",
        "agent": "a",
    },
    "get_usage": {"by": ["model", "day"], "since": "2026-11-01", "until": "2026-12-01"},
    "get_budget": {"run_id": "r-1"},
}


def _nested(depth: int, inside: Any, wrap: Callable[[Any], Any]) -> Any:
    for _ in range(depth):
        inside = wrap(inside)
    return inside


BAD_VALUES: list[Callable[[Random], Any]] = [
    lambda r: None,
    lambda r: r.choice([True, False]),
    lambda r: r.choice([0, -1, 1, 2, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64]),
    lambda r: r.choice([float("nan"), float("inf"), float("-inf")]),
    lambda r: r.choice([0.1, -0.0, 1e-320, 1e308, -1e308, 1.0000000001, 5.5]),
    lambda r: int("9" * r.choice([20, 100, 300])),
    lambda r: r.choice(["", " ", "\n\t", "\u2003\u00a0", "\u200b", "\x00", "\x7f", "\ufeff"]),
    lambda r: r.choice(["\ud800", "a\udfff", "\ud83d\ude00 ok", "\udc00\ud800"]),
    lambda r: r.choice(["\u202etxet", "e\u0301" * 50, "\U0010ffff", "\ufffe", "'; DROP TABLE x;--", "{{7*7}}", "${x}"]),
    lambda r: "x" * r.choice([65, 1000, 2049, 100_000]),
    lambda r: r.choice([[], {}, [[]], [{}], [None], {"": None}, {"a": {}}]),
    lambda r: _nested(r.choice([5, 63, 64, 65, 150]), 1, lambda inner: [inner]),
    lambda r: _nested(r.choice([5, 63, 64, 65, 150]), 1, lambda inner: {"a": inner}),
    lambda r: [0] * r.choice([10, 3000]),
    lambda r: {f"k{n}": n for n in range(r.choice([2, 500]))},
    lambda r: r.choice(["user", "system", "assistant", "tool", "USER", "developer", "use", "bypass"]),
    lambda r: r.choice(
        ["nova-por", "nova", "arn:aws:bedrock:x", "../../etc/passwd", "us..amazon", "a" * 300, "model%00"]
    ),
    lambda r: r.choice(["====", "a", "a===", "iVBO\nRw0K", "-_-_", "iVBORw0KGgo", PNG * 100]),
    lambda r: r.choice([{"text": "a", "image": {}}, {"txt": "a"}, {"type": "text"}, {"type": 5}, {"toolUse": {}}]),
    lambda r: r.choice([{"toolResult": {"toolUseId": "nobody"}}, {"cachePoint": {}}, {"json": 1}, "bare"]),
    lambda r: r.choice(
        [{"image": {"format": "png", "source": {}}}, {"reasoningContent": {}}, {"document": {"format": "pdf"}}]
    ),
]
BAD_NAMES = ["temprature", "stream", "tools", "", "\x00", "\ud800", "__proto__", "model ", "MODEL", "x" * 500, "é"]


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for name, member in cast("dict[str, Any]", value).items():
            yield from _places(member, (*path, name))
    elif isinstance(value, list):
        for position, member in enumerate(cast("list[Any]", value)):
            yield from _places(member, (*path, position))


def mutate(right: Any, random: Random) -> tuple[str, Any]:
    """One place of the tree replaced, left out, doubled, added to or renamed; and in words what was done."""
    tree = copy.deepcopy(right)
    path = random.choice(list(_places(tree))[1:] or [()])
    if not path:
        value = random.choice(BAD_VALUES)(random)
        return "the whole replaced", value
    holder = tree
    for step in path[:-1]:
        holder = holder[step]
    last, at = path[-1], ".".join(map(str, path))
    deed = random.choices(["replace", "drop", "add", "double", "rename"], [12, 1, 2, 1, 1])[0]
    if deed == "replace":
        holder[last] = random.choice(BAD_VALUES)(random)
    elif deed == "drop":
        del holder[last]
    elif isinstance(holder, list):
        cast("list[Any]", holder).insert(
            last, copy.deepcopy(holder[last]) if deed == "double" else random.choice(BAD_VALUES)(random)
        )
    elif deed == "rename":
        holder[random.choice(BAD_NAMES)] = holder.pop(last)
    else:
        holder[random.choice(BAD_NAMES)] = random.choice(BAD_VALUES)(random)
    return f"{deed} {at}", tree


def envelope(tool: str, arguments: Any, *, new: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """A right ``tools/call`` of one era, with its headers."""
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    headers = dict(JSON_HEADERS)
    if new:
        params["_meta"] = META
        headers |= {"mcp-method": "tools/call", "mcp-name": tool, "mcp-protocol-version": NEW}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, headers


def in_a_session(url: str) -> dict[str, str]:
    """The header that a call of 2025 needs besides, of a fresh session."""
    about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "fuzz", "version": "1"}}
    body = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about}).encode()
    asked = urllib.request.Request(url + "/mcp", body, JSON_HEADERS)
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return {"mcp-session-id": answer.headers["mcp-session-id"]}


def _tool_call(random: Random) -> Malformed:
    tool = random.choices(["generate", *BEFORE], [8, *[1] * len(BEFORE)])[0]
    right = random.choice(RIGHT) if tool == "generate" else BEFORE[tool]
    about, arguments = mutate(right, random)
    body, headers = envelope(tool, arguments, new=random.random() < 0.5)
    return Malformed(f"{tool}: {about}", json.dumps(body).encode(), headers=headers)


def _envelope(random: Random) -> Malformed:
    body, headers = envelope("get_stats", {}, new=random.random() < 0.5)
    about, wrong = mutate(body, random)
    if random.random() < 0.3:
        name = random.choice(sorted(headers))
        headers[name] = random.choice(["", "x", "2099-01-01", "tools/list", "*/*", "text/plain", "a" * 5000])
        about, wrong = f"header {name}", body
    return Malformed(f"envelope: {about}", json.dumps(wrong).encode(), headers=headers)


def _bytes(random: Random) -> Malformed:
    body, headers = envelope("generate", random.choice(RIGHT), new=random.random() < 0.5)
    raw = bytearray(json.dumps(body).encode())
    deed = random.choice(["flip", "cut", "noise", "digits", "deep", "twice", "empty", "insert"])
    if deed == "flip":
        for _ in range(random.choice([1, 3, 30])):
            raw[random.randrange(len(raw))] = random.randrange(256)
    elif deed == "insert":
        raw.insert(random.randrange(len(raw)), random.randrange(256))
    elif deed == "cut":
        del raw[random.randrange(len(raw)) :]
    elif deed == "noise":
        raw = bytearray(random.randbytes(random.choice([1, 10, 1000])))
    elif deed == "digits":
        raw = bytearray(raw.replace(b'"Say: hi"', b"9" * random.choice([300, 4299, 4301, 20_000])))
    elif deed == "deep":
        bracket = random.choice([b"[", b'{"a":'])
        raw = bytearray(bracket * random.choice([190, 210, 100_000]))
    else:
        raw = raw * 2 if deed == "twice" else bytearray()
    return Malformed(f"bytes: {deed}", bytes(raw), headers=headers)


def _door(random: Random) -> Malformed:
    method = random.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
    path = random.choice(
        [
            "/mcp",
            "/mcp/",
            "/messages/",
            "/messages/?session_id=x",
            "/messages/?session_id=" + "0" * 32,
            "/",
            "/health",
            "/%2e%2e",
            "//",
        ]
    )
    if method == "GET" and path == "/mcp":
        path = "/mcp?x=1"
    headers = dict(random.sample(sorted(JSON_HEADERS.items()), random.randrange(3)))
    headers |= random.choice([{}, {"content-encoding": "gzip"}, {"origin": "null"}, {"mcp-session-id": "x" * 100}])
    return Malformed(f"door: {method} {path}", random.choice([b"", b"{}", b"[]", b"\x00"]), method, path, headers)


def malformed(count: int, seed: int) -> Iterator[Malformed]:
    """``count`` requests; the same for the same seed."""
    random = Random(seed)
    for _ in range(count):
        yield random.choices([_tool_call, _envelope, _bytes, _door], [16, 2, 2, 1])[0](random)
