"""The twin of AWS's quota: what it lets through, AWS lets through too."""

import asyncio

import pytest

from llm_gateway.domain.completions import Usage
from llm_gateway.domain.routes import UNLIMITED, TargetLimits
from llm_gateway.routing.contract import Size
from llm_gateway.routing.quota import Quota, Taken
from llm_gateway.sandbox.server import Sandbox
from money.kept import Kept
from routing.crossroads import Clock

SMALL = Size(0, 100)


def admitted(taken: Taken | None) -> Taken:
    assert taken is not None
    return taken


async def test_a_minute_s_worth_is_there_and_flows_in_steadily() -> None:
    clock = Clock()
    quota = Quota(TargetLimits(rpm=100), clock=clock)
    taken = [await quota.admit("", SMALL, 0) for _ in range(120)]
    assert len([each for each in taken if each]) == 98  # a little less than AWS has
    clock.now += 6
    assert len([each for each in [await quota.admit("", SMALL, 0) for _ in range(20)] if each]) in (9, 10)


async def test_the_longest_answer_is_taken_and_the_rest_given_back() -> None:
    clock = Clock()
    quota = Quota(TargetLimits(tpm=1000), burn_rate=5, clock=clock)
    taken = admitted(await quota.admit("", Size(0, 900), 0))
    assert await quota.admit("", Size(0, 900), 0) is None
    quota.settle(taken, Usage(10, 20))
    assert admitted(await quota.admit("", Size(0, 800), 1))
    assert quota.told()["tpm_left"] == round((980 - 10 - 5 * 20 - 840) / 0.98)


async def test_what_aws_refused_is_not_given_back() -> None:
    clock = Clock()
    quota = Quota(TargetLimits(tpm=1000), clock=clock)
    taken = admitted(await quota.admit("", Size(0, 600), 0))
    quota.settle(taken, None, refused=True)
    assert await quota.admit("", Size(0, 600), 0) is None


async def test_a_throttle_lowers_how_many_go_at_once_and_answers_raise_it_again() -> None:
    clock = Clock()
    quota = Quota(UNLIMITED, clock=clock)
    taken = [admitted(await quota.admit("", SMALL, 0)) for _ in range(20)]
    quota.slow_down(20)
    quota.slow_down(20)  # of the same moment
    assert quota.told()["at_once"] == 14
    for each in taken[:10]:
        quota.settle(each, Usage(1, 1))
    assert quota.told()["at_once"] == 24
    clock.now += 2
    quota.slow_down(10)
    assert quota.told()["at_once"] == 7
    assert await quota.admit("", SMALL, 0) is None
    clock.now += 61
    for each in taken[10:]:
        quota.settle(each, Usage(1, 1))
    assert quota.is_idle


async def test_it_learns_how_long_inputs_are() -> None:
    clock = Clock()
    quota = Quota(TargetLimits(tpm=1000), clock=clock)
    quota.settle(admitted(await quota.admit("", Size(200, 0), 0)), Usage(400, 0))
    clock.now += 60
    assert admitted(await quota.admit("", Size(100, 0), 1)).tokens == pytest.approx(210 + 40)


async def test_those_who_wait_take_turns_by_key() -> None:
    quota = Quota(TargetLimits(concurrent=1))
    first = admitted(await quota.admit("greedy", SMALL, 1))
    order: list[str] = []

    async def wait(key: str) -> None:
        taken = admitted(await quota.admit(key, SMALL, 5))
        order.append(key)
        quota.settle(taken, None)

    waiting = [asyncio.ensure_future(wait(key)) for key in ("greedy", "greedy", "greedy", "modest")]
    await asyncio.sleep(0)  # they begin to wait
    assert quota.told()["waiting"] == 4
    quota.settle(first, None)
    await asyncio.gather(*waiting)
    assert order.index("modest") <= 1


async def test_who_leaves_the_queue_takes_nothing() -> None:
    quota = Quota(TargetLimits(concurrent=1))
    first = admitted(await quota.admit("", SMALL, 1))
    waiting = asyncio.ensure_future(quota.admit("", SMALL, 5))
    await asyncio.sleep(0)  # it begins to wait
    waiting.cancel()
    quota.settle(first, None)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert admitted(await quota.admit("", SMALL, 0))
    assert quota.told()["waiting"] == 0


ROUTES = """
routes:
  narrow:
    targets: [{model: claude-haiku-4.5, tpm: 40000}]
  wide:
    strategy: usage
    targets:
      - {model: nova-lite, region: us-east-1, tpm: 40000, rpm: 60}
      - {model: nova-lite, region: us-west-2, tpm: 40000, rpm: 60}
"""


@pytest.mark.parametrize(("model", "max_tokens", "requests"), [("narrow", 2_000, 60), ("wide", 500, 110)])
async def test_aws_never_says_no_where_the_quota_suffices(
    model: str, max_tokens: int, requests: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """All at once: more than fits at a time, for each reserves far more than it burns."""
    kept = Kept(tmp_path_factory.mktemp("quota"))
    (kept.home / "gateway.yaml").write_text(ROUTES)
    rpm = 60 if model == "wide" else None
    async with (
        Sandbox(tpm=40_000, rpm=rpm, latency_ms=20) as sandbox,
        kept.gateway(sandbox, GATEWAY_FILE=str(kept.home / "gateway.yaml")) as (running, http),
    ):

        async def ask(number: int) -> int:
            text = f"{number}: say something about the fox, in a sentence."
            asked = {"model": model, "max_tokens": max_tokens, "messages": [{"role": "user", "content": text}]}
            async with http.post(running.url + "/v1/chat/completions", json=asked) as answer:
                await answer.read()
                return answer.status

        statuses = await asyncio.gather(*[ask(number) for number in range(requests)])
        assert set(statuses) == {200}
        assert sum([figures.admitted for figures in sandbox.quota]) == requests
        assert sum([figures.throttled_requests + figures.throttled_tokens for figures in sandbox.quota]) == 0
        assert all(figures.admitted > requests // 3 for figures in sandbox.quota)
