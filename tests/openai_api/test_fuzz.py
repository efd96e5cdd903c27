"""Every field of a request spoiled, one at a time: a 4xx that says what is wrong, or an answer; no 5xx, no hang and no
dropped connection. LLM_GATEWAY_FUZZ=3x10000 runs three seeds of ten thousand bodies instead of one of a thousand."""

import asyncio
import json
import os
from collections import Counter
from itertools import islice

import pytest
from door import Door
from mutations import VALID, mutations

SEEDS, COUNT = map(int, os.environ.get("LLM_GATEWAY_FUZZ", "1x1000").split("x"))
AT_ONCE = 16


async def test_the_request_that_is_spoiled_is_a_good_one(door: Door) -> None:
    response = await door.post(VALID)
    assert response.status == 200, await response.text()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_spoiled_request_is_refused_with_its_reason_or_answered(door: Door, seed: int, stream: bool) -> None:
    bodies = mutations(seed * 2 + stream, COUNT // 2)
    statuses: Counter[int] = Counter()

    async def ask_on() -> None:
        for body in bodies:
            spoiled = body.replace(b'"stream": false', b'"stream": true') if stream else body
            response = await asyncio.wait_for(door.post(spoiled), 20)
            text = await response.text()
            statuses[response.status] += 1
            if response.status != 200:
                assert 400 <= response.status < 500, (spoiled, text)
                assert response.status != 429
                error = json.loads(text)["error"]
                assert error["message"], spoiled
                assert error["param"] or "body" in error["message"] or "Bedrock" in error["message"], (spoiled, text)

    async with asyncio.TaskGroup() as group:
        for _ in islice(iter(int, 1), AT_ONCE):
            group.create_task(ask_on())
    assert statuses[200] > COUNT // 50
    assert statuses[400] > COUNT // 10
