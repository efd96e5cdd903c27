"""Every field of a request spoiled, one at a time: a 4xx that says what is wrong, or an answer; no 5xx, no hang and no
dropped connection. LLM_GATEWAY_FUZZ=3x10000 runs three seeds of ten thousand bodies instead of one of a thousand."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from door import Door, sandbox_door
from mutations import VALID, VALID_VECTORS, mutations

from fuzzing import fuzzed, side_by_side
from llm_gateway.backends.bedrock.timeouts import Timeouts

SEEDS, COUNT = fuzzed("1x1000")
AT_ONCE = 16
WAYS = {"whole": VALID, "a stream": VALID, "vectors": VALID_VECTORS}
PATHS = {"vectors": "/v1/embeddings"}


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """With all the time a busy machine may need."""
    async with sandbox_door(timeouts=Timeouts()) as opened:
        yield opened


@pytest.mark.parametrize("way", WAYS)
async def test_the_request_that_is_spoiled_is_a_good_one(door: Door, way: str) -> None:
    response = await door.post(WAYS[way], path=PATHS.get(way, "/v1/chat/completions"))
    assert response.status == 200, await response.text()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_spoiled_request_is_refused_with_its_reason_or_answered(door: Door, seed: int, way: str) -> None:
    path = PATHS.get(way, "/v1/chat/completions")
    count = COUNT if way == "vectors" else COUNT // 2
    statuses: Counter[int] = Counter()

    async def ask(body: bytes) -> None:
        spoiled = body.replace(b'"stream": false', b'"stream": true') if way == "a stream" else body
        response = await asyncio.wait_for(door.post(spoiled, path=path), 60)
        text = await response.text()
        statuses[response.status] += 1
        if response.status != 200:
            assert 400 <= response.status < 500, (spoiled, text)
            assert response.status != 429
            error = json.loads(text)["error"]
            assert error["message"], spoiled
            assert error["param"] or "body" in error["message"] or "Bedrock" in error["message"], (spoiled, text)

    await side_by_side(mutations(seed * 2 + (way == "a stream"), count, WAYS[way]), ask, at_once=AT_ONCE)
    assert statuses[200] > count // 25
    assert statuses[400] > count // 5
