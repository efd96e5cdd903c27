"""The quota of a model: what is taken, what comes back, who is throttled, and where that is told."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import ClientError

from llm_gateway.sandbox.__main__ import main
from llm_gateway.sandbox.quota import BadQuota, Limits
from llm_gateway.sandbox.server import Sandbox

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-pro-v1:0"
MINUTE = 60.0


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def refused(asking: Any) -> str:
    with pytest.raises(ClientError) as caught:
        await asking
    error = caught.value.response["Error"]
    assert error["Code"] == "ThrottlingException"
    return error["Message"]


def most(tokens: int) -> dict[str, Any]:
    return {"inferenceConfig": {"maxTokens": tokens}}


async def test_the_most_that_may_be_answered_is_taken_and_the_rest_comes_back(aws_at: Callable[..., Any]) -> None:
    clock = Clock()
    async with Sandbox(tpm=1_000, clock=clock) as sandbox:
        aws = aws_at(sandbox.url)
        told = await refused(aws.converse("Hello", NOVA, **most(1_000)))  # its input has no room any more
        assert told == "Too many tokens, please wait before trying again."
        for _ in range(3):  # each takes nearly everything, and gives it back
            usage = (await aws.converse("Say: one two", NOVA, **most(900)))["usage"]
        (figures,) = sandbox.quota
        assert figures.burned_tokens == 3 * (usage["inputTokens"] + usage["outputTokens"])
        assert (figures.admitted, figures.throttled, figures.open_now) == (3, 1, 0)
        assert [record.status for record in sandbox.log] == [429, 200, 200, 200]
        assert sandbox.log[-1].burned_tokens == usage["inputTokens"] + usage["outputTokens"]


async def test_an_answer_of_newer_claude_burns_five_times(aws_at: Callable[..., Any]) -> None:
    async with Sandbox(tpm=100_000) as sandbox:
        usage = (await aws_at(sandbox.url).converse("Say: one two three", CLAUDE, **most(100)))["usage"]
        assert sandbox.quota[0].burned_tokens == usage["inputTokens"] + 5 * usage["outputTokens"]


async def test_without_a_limit_of_its_own_a_request_takes_the_models_most(aws_at: Callable[..., Any]) -> None:
    async with Sandbox(tpm=10_000) as sandbox:  # Nova answers at most 10,000
        await refused(aws_at(sandbox.url).converse("Hello", NOVA))
        assert (await aws_at(sandbox.url).converse("Hello", NOVA, **most(100)))["usage"]


async def test_the_bucket_refills_steadily(aws_at: Callable[..., Any]) -> None:
    clock = Clock()
    async with Sandbox(rpm=6, clock=clock) as sandbox:
        aws = aws_at(sandbox.url)
        for _ in range(6):
            await aws.converse("Hello", NOVA)
        assert (await refused(aws.converse("Hello", NOVA))).startswith("Too many requests")
        clock.now_s += MINUTE / 6
        await aws.converse("Hello", NOVA)
        await refused(aws.converse("Hello", NOVA))
        assert (sandbox.quota[0].throttled_requests, sandbox.quota[0].admitted) == (2, 7)


async def test_a_small_burst_holds_less(aws_at: Callable[..., Any]) -> None:
    async with Sandbox(rpm=60, burst_s=2, clock=Clock()) as sandbox:
        aws = aws_at(sandbox.url)
        await aws.converse("Hello", NOVA)
        await aws.converse("Hello", NOVA)
        await refused(aws.converse("Hello", NOVA))


async def test_what_was_read_from_the_prompt_cache_is_free(aws_at: Callable[..., Any]) -> None:
    async with Sandbox(tpm=1_000_000) as sandbox:
        aws = aws_at(sandbox.url)
        system = [{"text": "word " * 8_000}, {"cachePoint": {"type": "default"}}]
        burned = []
        for _ in range(2):
            await aws.converse("Say: hi", CLAUDE, system=system, **most(100))
            burned.append(sandbox.log[-1].burned_tokens or 0)
        assert burned[0] > 9_000 and burned[1] < 100


async def test_models_and_regions_have_quotas_of_their_own(aws_at: Callable[..., Any], sandbox: Sandbox) -> None:
    sandbox.set_quota(Limits(rpm=1))
    aws = aws_at(sandbox.url)
    await aws.converse("Hello", NOVA)
    await aws.converse("Hello", CLAUDE)
    await refused(aws.converse("Hello", NOVA))
    assert [(each.account, each.region, each.model_id) for each in sandbox.quota] == [
        ("111122223333", "us-east-1", NOVA),
        ("111122223333", "us-east-1", CLAUDE),
    ]


async def test_a_stream_holds_its_tokens_until_it_ends(aws_at: Callable[..., Any]) -> None:
    async with Sandbox(tpm=1_000, clock=Clock()) as sandbox:
        aws = aws_at(sandbox.url)
        stalled = asyncio.ensure_future(aws.stream("[[fault:stall:1]]", NOVA, **most(900)))
        while not sandbox.quota or not sandbox.quota[0].open_now:
            await asyncio.wait([stalled], timeout=0.01)
        await refused(aws.converse("Hello", NOVA, **most(900)))
        await asyncio.wait([stalled])
        stalled.exception()
        assert (await aws.converse("Hello", NOVA, **most(500)))["usage"]


async def test_chance_throttles_the_same_ones_for_the_same_seed(aws_at: Callable[..., Any]) -> None:
    seen = []
    for _ in range(2):
        async with Sandbox(throttle_share=0.3, seed=7) as sandbox:
            aws = aws_at(sandbox.url)
            for _ in range(40):
                await asyncio.gather(aws.converse("Hello", NOVA), return_exceptions=True)
            seen.append([record.status for record in sandbox.log])
            assert sandbox.quota[0].throttled_by_chance == seen[-1].count(429)
    assert seen[0] == seen[1] and 5 <= seen[0].count(429) <= 20


async def test_the_pages_set_the_limits_and_tell_the_figures(sandbox: Sandbox, aws_at: Callable[..., Any]) -> None:
    address = sandbox.url + "/_sandbox/quota"
    async with aiohttp.ClientSession() as http:
        async with http.post(address, json={"tpm": 50_000, "rpm": 2}) as answer:
            assert answer.status == 200
        await aws_at(sandbox.url).converse("Hello", NOVA)
        async with http.get(address) as answer:
            told = await answer.json()
        async with http.post(address, json={"tpm": "many"}) as answer:
            assert (answer.status, await answer.json()) == (400, {"message": "tpm must be a number"})
        async with http.post(address, json={"tps": 1}) as answer:
            assert "unknown member 'tps'" in (await answer.json())["message"]
    assert told["limits"]["rpm"] == 2
    (model,) = told["models"]
    assert (model["model_id"], model["admitted"], model["throttled"]) == (NOVA, 1, 0)
    assert model["tokens_left"] <= 50_000 and json.dumps(told)


@pytest.mark.parametrize("limits", [{"tpm": 0}, {"rpm": -1}, {"burst_s": 0}, {"throttle_share": 2}])
def test_limits_that_cannot_be_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(BadQuota):
        Limits(**limits)
    (name, value), *_ = limits.items()
    assert main([f"--{name.replace('_', '-')}", str(value)]) == 2
