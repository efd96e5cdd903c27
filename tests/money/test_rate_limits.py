"""Rate limits: a window is never exceeded, what was not used is given back, and whoever waits gets its turn."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.access.contract import Demand
from llm_gateway.access.memory_limiter import MemoryLimiter
from llm_gateway.access.windows import SECONDS, Window
from llm_gateway.domain.callers import Caller
from llm_gateway.domain.errors import RateLimited
from llm_gateway.domain.money import Limits


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def nobody(_: str, __: str) -> Limits | None:
    return None


def demand(limits: Limits, tokens: tuple[int, int] = (10, 90), key: str = "k") -> Demand:
    return Demand(Caller(key_id=key, team="t", limits=limits), "nova-lite", lambda: tokens)


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 5)), max_size=80), st.integers(5, 12))
def test_no_minute_ever_holds_more_than_the_limit(steps: list[tuple[float, int]], limit: int) -> None:
    window, now, passed = Window(), 0.0, list[tuple[float, int]]()
    for pause, amount in steps:
        now += pause
        if window.room_after_s(now, limit, amount) == 0:
            window.add(now, amount)
            passed.append((now, amount))
    for start, _ in passed:
        assert sum(amount for at, amount in passed if start <= at < start + SECONDS) <= limit


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 5)), max_size=40), st.integers(5, 12))
def test_there_is_room_when_it_was_said_there_would_be(steps: list[tuple[float, int]], limit: int) -> None:
    window, now = Window(), 0.0
    for pause, amount in steps:
        now += pause
        after_s = window.room_after_s(now, limit, amount)
        assert window.room_after_s(now + after_s, limit, amount) == 0
        if after_s == 0:
            window.add(now, amount)


async def test_requests_beyond_the_limit_are_refused_until_the_minute_is_over() -> None:
    clock = Clock()
    limiter = MemoryLimiter(nobody, clock=clock)
    for _ in range(3):
        await limiter.settle(await limiter.admit(demand(Limits(rpm=3))), (10, 10))
    with pytest.raises(RateLimited) as refused:
        await limiter.admit(demand(Limits(rpm=3)))
    assert (refused.value.limit, refused.value.scope, refused.value.allowed) == ("rpm", "key", 3)
    assert refused.value.retry_after_s is not None
    await limiter.admit(demand(Limits(rpm=3), key="another"))
    clock.now += refused.value.retry_after_s
    await limiter.admit(demand(Limits(rpm=3)))


async def test_tokens_are_taken_at_their_worst_and_given_back() -> None:
    limiter = MemoryLimiter(nobody, clock=Clock())
    limits = Limits(tpm=250, output_tpm=200)
    first, second = await limiter.admit(demand(limits)), await limiter.admit(demand(limits))
    assert second.standing["x-ratelimit-remaining-tokens"] == "50"
    with pytest.raises(RateLimited) as refused:
        await limiter.admit(demand(limits))
    assert refused.value.limit in ("tpm", "output_tpm")
    await limiter.settle(first, (10, 5))
    await limiter.settle(second, None)
    for _ in range(2):
        await limiter.admit(demand(limits))
    with pytest.raises(RateLimited):
        await limiter.admit(demand(limits))


async def test_a_place_is_taken_in_all_limits_or_in_none() -> None:
    shared = {("team", "t"): Limits(rpm=1), ("model", "nova-lite"): Limits(rpm=5)}
    limiter = MemoryLimiter(lambda scope, scope_id: shared.get((scope, scope_id)), clock=Clock())
    await limiter.admit(demand(Limits(rpm=100)))
    for _ in range(20):
        with pytest.raises(RateLimited) as refused:
            await limiter.admit(demand(Limits(rpm=100)))
        assert refused.value.scope == "team"
    shared.pop(("team", "t"))
    for _ in range(4):  # the refused ones took nothing of the model's five
        await limiter.admit(demand(Limits(rpm=100)))


async def test_so_many_at_once_and_no_more() -> None:
    limiter = MemoryLimiter(nobody)
    places = [await limiter.admit(demand(Limits(concurrent=2))) for _ in range(2)]
    with pytest.raises(RateLimited) as refused:
        await limiter.admit(demand(Limits(concurrent=2)))
    assert refused.value.limit == "concurrent"
    await limiter.settle(places[0], None)
    await limiter.admit(demand(Limits(concurrent=2)))


async def test_whoever_waits_is_let_in_by_turns_oldest_first() -> None:
    shared = {("model", "nova-lite"): Limits(concurrent=1)}
    limiter = MemoryLimiter(lambda scope, scope_id: shared.get((scope, scope_id)), max_wait_s=30)
    order: list[str] = []

    async def ask(key: str, name: str) -> None:
        place = await limiter.admit(demand(Limits(), key=key))
        order.append(name)
        await asyncio.sleep(0)
        await limiter.settle(place, (1, 1))

    first = await limiter.admit(demand(Limits(), key="busy"))
    waiting = [
        asyncio.ensure_future(ask(key, name)) for key, name in (("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"))
    ]
    await asyncio.sleep(0)
    await limiter.settle(first, (1, 1))
    await asyncio.gather(*waiting)
    assert order == ["a1", "b1", "a2", "a3"]


async def test_waiting_has_an_end_and_leaves_nothing_behind() -> None:
    limiter = MemoryLimiter(nobody, max_wait_s=0.05)
    place = await limiter.admit(demand(Limits(concurrent=1)))
    with pytest.raises(RateLimited):
        await limiter.admit(demand(Limits(concurrent=1)))
    leaver = asyncio.ensure_future(limiter.admit(demand(Limits(concurrent=1))))
    await asyncio.sleep(0)
    leaver.cancel()
    await asyncio.gather(leaver, return_exceptions=True)
    await limiter.settle(place, None)
    await limiter.settle(await limiter.admit(demand(Limits(concurrent=1))), None)
