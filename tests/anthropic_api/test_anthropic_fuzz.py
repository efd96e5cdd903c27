"""Mutated bodies, by seed: a 2xx, or a 4xx that names a field; never a 5xx, a hang or a torn connection."""

import copy
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from anthropic_house import CLOCK, PIXEL, WEATHER, Street, ask, open_street

from fuzzing import fuzzed, side_by_side

SEEDS, COUNT = fuzzed("3x150")
AT_ONCE = 16
STRANGE: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 10**30, 1e308, "", " ", "x", "\x00", "é" * 50, "\U0001f600", "a" * 5000),
    *([], {}, [[]], [{}], {"": ""}, {"type": "text"}, [None], ["x"] * 300, {"a": {"b": [1, {"c": None}]}}),
]
RAW = [b"NaN", b"Infinity", b'"\\ud800"', b'"\xff\xfe"', b"1e999", b"[" * 200 + b"]" * 200, b"-", b"", b'{"a":1,"a":2}']
SEED_BODY = ask(
    system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    temperature=0.3,
    top_k=5,
    stop_sequences=["END"],
    tools=[WEATHER, CLOCK],
    tool_choice={"type": "auto", "disable_parallel_tool_use": True},
    thinking={"type": "disabled"},
    output_config={"effort": "low"},
    metadata={"user_id": "u"},
    service_tier="auto",
    stream=False,
    messages=[
        {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                {"type": "text", "text": "One moment."},
                {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Rome"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "rain"}]},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "title": "t"},
            ],
        },
    ],
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all members."""
    found = [path] if path else []
    if isinstance(value, dict):
        for name, member in value.items():
            found += places(member, (*path, name))
    elif isinstance(value, list):
        for at, member in enumerate(value):
            found += places(member, (*path, at))
    return found


def mutated(dice: random.Random) -> bytes:
    """One to three members changed, removed, doubled, renamed, or replaced by bytes that are no JSON."""
    body = copy.deepcopy(SEED_BODY)
    raw: bytes | None = None
    for _ in range(dice.randint(1, 3)):
        path = dice.choice(places(body))
        at = body
        for step in path[:-1]:
            at = at[step]
        last = path[-1]
        act = dice.randrange(5)
        if act == 0 and isinstance(at, dict):
            del at[last]
        elif act == 1 and isinstance(at, list):
            at.insert(last, copy.deepcopy(at[last]))
        elif act == 2 and isinstance(at, dict):
            at[str(last) + dice.choice(["x", "\n", "é"])] = at.pop(last)
        elif act == 3:
            at[last] = "@raw@"
            raw = dice.choice(RAW)
        else:
            at[last] = copy.deepcopy(dice.choice(STRANGE))
    written = json.dumps(body, ensure_ascii=dice.random() < 0.5).encode()
    return written if raw is None else written.replace(b'"@raw@"', raw, 1)


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    """With all the time a busy machine may need."""
    async with open_street(bedrock_first_event_timeout=120.0, bedrock_idle_timeout=120.0) as opened:
        yield opened


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
async def test_mutated_bodies_never_break_the_door(street: Street, seed: int) -> None:
    dice = random.Random(seed)
    statuses: Counter[int] = Counter()
    bodies = ((number, mutated(dice)) for number in range(COUNT))

    async def ask_once(numbered: tuple[int, bytes]) -> None:
        number, written = numbered
        path = "/v1/messages/count_tokens" if number % 7 == 0 else "/v1/messages"
        async with session.post(street.url + path, data=written) as response:
            answer = await response.read()
        statuses[response.status] += 1
        if response.status == 200:
            return
        assert 400 <= response.status < 500, (response.status, answer, written)
        error = json.loads(answer)["error"]
        is_json = error["message"].startswith(("the body", "the request"))
        assert error.get("field") or is_json, (answer, written)

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        await side_by_side(bodies, ask_once, at_once=AT_ONCE)
    assert statuses[200] > COUNT // 20
    assert statuses[400] > COUNT // 4
