"""Rate limits: a window is never exceeded, what was not used is given back, and whoever waits gets its turn. The same
in one process and over a real Redis."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_gateway.access.memory_limiter import MemoryLimiter
from llm_gateway.access.windows import SECONDS, Window
from llm_gateway.domain.errors import RateLimited
from llm_gateway.domain.money import Limits
from money.limiters import Clocked, demand, nobody, opened
from redis_here import RedisHere

Opened = Callable[..., AbstractAsyncContextManager[Clocked]]


@pytest.fixture(params=["memory", "redis"])
def counted(request: pytest.FixtureRequest, redis: RedisHere) -> Opened:
    return partial(opened, request.param, redis)


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


STEPS = st.lists(
    st.tuples(st.integers(0, 25), st.sampled_from("ab"), st.integers(1, 40), st.integers(1, 60), st.booleans()),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS, st.integers(2, 6), st.integers(60, 200))
def test_no_limit_is_ever_exceeded_by_anybody(
    counted: Opened, steps: list[tuple[int, str, int, int, bool]], rpm: int, tpm: int
) -> None:
    """Two keys with limits of their own under one of their model: what is let through fits into all of them, always."""
    own = Limits(rpm=rpm, output_tpm=tpm)
    shared = Limits(rpm=rpm + 1, tpm=tpm + 40)

    async def play() -> None:
        passed: list[tuple[int, str, int, int]] = []
        async with counted(lambda scope, _: shared if scope == "model" else None) as clocked:
            for pause, key, taken, answered, is_used in steps:
                clocked.pass_s(pause)
                before = clocked.second()
                try:
                    place = await clocked.limiter.admit(demand(own, (taken, answered), key=key))
                except RateLimited as refused:
                    assert refused.retry_after_s is not None
                    assert 1 <= refused.retry_after_s <= SECONDS + 1
                    continue
                used = (taken, answered) if is_used else (taken, 0)
                await clocked.limiter.settle(place, used)
                passed.append((before, key, *used))
        for start, *_ in passed:
            minute = [each for each in passed if start <= each[0] < start + SECONDS - 1]  # a second may turn meanwhile
            assert len(minute) <= rpm + 1
            assert sum(read + written for _, _, read, written in minute) <= tpm + 40
            for key in "ab":
                own_minute = [each for each in minute if each[1] == key]
                assert len(own_minute) <= rpm
                assert sum(written for *_, written in own_minute) <= tpm

    asyncio.run(play())


async def test_requests_beyond_the_limit_are_refused_until_the_minute_is_over(counted: Opened) -> None:
    async with counted() as clocked:
        limiter = clocked.limiter
        for _ in range(3):
            await limiter.settle(await limiter.admit(demand(Limits(rpm=3))), (10, 10))
        with pytest.raises(RateLimited) as refused:
            await limiter.admit(demand(Limits(rpm=3)))
        assert (refused.value.limit, refused.value.scope, refused.value.allowed) == ("rpm", "key", 3)
        assert refused.value.retry_after_s is not None
        assert 55 < refused.value.retry_after_s <= 61
        await limiter.admit(demand(Limits(rpm=3), key="another"))
        clocked.pass_s(61)
        await limiter.admit(demand(Limits(rpm=3)))


async def test_tokens_are_taken_at_their_worst_and_given_back(counted: Opened) -> None:
    async with counted() as clocked:
        limiter, limits = clocked.limiter, Limits(tpm=250, output_tpm=200)
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


async def test_a_place_is_taken_in_all_limits_or_in_none(counted: Opened) -> None:
    shared = {("team", "t"): Limits(rpm=1), ("model", "nova-lite"): Limits(rpm=5)}
    async with counted(lambda scope, scope_id: shared.get((scope, scope_id))) as clocked:
        limiter = clocked.limiter
        await limiter.admit(demand(Limits(rpm=100)))
        for _ in range(20):
            with pytest.raises(RateLimited) as refused:
                await limiter.admit(demand(Limits(rpm=100)))
            assert refused.value.scope == "team"
        shared.pop(("team", "t"))
        for _ in range(4):  # the refused ones took nothing of the model's five
            await limiter.admit(demand(Limits(rpm=100)))


async def test_so_many_at_once_and_no_more(counted: Opened) -> None:
    async with counted() as clocked:
        limiter = clocked.limiter
        places = [await limiter.admit(demand(Limits(concurrent=2))) for _ in range(2)]
        with pytest.raises(RateLimited) as refused:
            await limiter.admit(demand(Limits(concurrent=2)))
        assert refused.value.limit == "concurrent"
        await limiter.settle(places[0], None)
        await limiter.admit(demand(Limits(concurrent=2)))


async def test_whoever_waits_is_let_in_by_turns_oldest_first(counted: Opened) -> None:
    shared = {("model", "nova-lite"): Limits(concurrent=1)}
    order: list[str] = []
    async with counted(lambda scope, scope_id: shared.get((scope, scope_id)), max_wait_s=30) as clocked:
        limiter = clocked.limiter

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


async def test_waiting_has_an_end_and_leaves_nothing_behind(counted: Opened) -> None:
    async with counted(max_wait_s=0.3) as clocked:
        limiter = clocked.limiter
        place = await limiter.admit(demand(Limits(concurrent=1)))
        with pytest.raises(RateLimited):
            await limiter.admit(demand(Limits(concurrent=1)))
        leaver = asyncio.ensure_future(limiter.admit(demand(Limits(concurrent=1))))
        await asyncio.sleep(0)
        leaver.cancel()
        await asyncio.gather(leaver, return_exceptions=True)
        await limiter.settle(place, None)
        await limiter.settle(await limiter.admit(demand(Limits(concurrent=1))), None)


async def test_an_answer_that_took_longer_than_its_minute_is_settled_all_the_same() -> None:
    limiter = MemoryLimiter(nobody)
    place = await limiter.admit(demand(Limits(tpm=1000)))
    limiter._windows.clear()  # pyright: ignore[reportPrivateUsage] - as when ten thousand others came and went
    await limiter.settle(place, (1, 1))
