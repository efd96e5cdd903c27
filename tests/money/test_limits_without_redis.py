"""While Redis does not answer: each replica lets through its part, nobody waits for it, and it heals by itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from llm_gateway.access.redis_limiter import RedisLimiter
from llm_gateway.domain.errors import Overloaded, RateLimited
from llm_gateway.domain.money import Limits
from llm_gateway.storage.redis_server import RedisServer, RedisUnavailable
from money.limiters import demand, nobody
from redis_here import RedisHere, redis_here

SOON_S = 60  # for what takes two seconds at the most on a machine that is free


@pytest.fixture
def own_redis() -> Iterator[RedisHere]:
    with redis_here() as server:
        yield server


class Told:
    """What a server said of itself."""

    def __init__(self) -> None:
        self.changes: list[bool] = []
        self.changed = asyncio.Event()

    def __call__(self, is_up: bool, reason: str) -> None:
        assert is_up or reason
        self.changes.append(is_up)
        self.changed.set()

    async def until(self, *changes: bool) -> None:
        async with asyncio.timeout(SOON_S):
            while tuple(self.changes) != changes:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def server(own_redis: RedisHere, told: Told) -> AsyncIterator[RedisServer]:
    opened = RedisServer(own_redis.url, timeout_s=0.5, on_change=told)
    yield opened
    await opened.aclose()


async def let_through(limiter: RedisLimiter, limits: Limits, asked: int, key: str = "k") -> int:
    passed = 0
    for _ in range(asked):
        try:
            await limiter.settle(await limiter.admit(demand(limits, key=key)), (1, 1))
            passed += 1
        except RateLimited:
            pass
    return passed


def stop(redis: RedisHere) -> Callable[[], None]:
    redis.stop()
    return redis.start


def pause(redis: RedisHere) -> Callable[[], None]:
    redis.pause()
    return redis.resume


def fill(redis: RedisHere) -> Callable[[], None]:
    redis.ask("CONFIG", "SET", "maxmemory", "1")
    return lambda: redis.ask("CONFIG", "SET", "maxmemory", "0")


@pytest.mark.parametrize("harm", [stop, pause, fill])
async def test_each_replica_lets_its_part_through_until_redis_is_back(
    own_redis: RedisHere, server: RedisServer, told: Told, harm: Callable[[RedisHere], Callable[[], None]]
) -> None:
    limiter = RedisLimiter(server, nobody, replicas=3)
    assert await let_through(limiter, Limits(rpm=9), 1, "before") == 1
    mend = harm(own_redis)
    assert await let_through(limiter, Limits(rpm=9), 12) == 3
    assert await let_through(limiter, Limits(rpm=1), 3, "small") == 1
    assert await let_through(limiter, Limits(rpm=9), 12, "before") == 2  # what passed before counts
    await told.until(False)
    mend()
    await told.until(False, True)
    assert await let_through(limiter, Limits(rpm=9), 12, "after") == 9
    await limiter.aclose()


async def test_the_refusal_says_that_it_is_a_part(own_redis: RedisHere, server: RedisServer) -> None:
    own_redis.stop()
    limiter = RedisLimiter(server, nobody, replicas=2)
    await let_through(limiter, Limits(rpm=4), 2)
    with pytest.raises(RateLimited) as refused:
        await limiter.admit(demand(Limits(rpm=4)))
    assert refused.value.allowed == 2
    assert "of this replica" in refused.value.message
    await limiter.aclose()


async def test_a_strict_limit_refuses_rather_than_to_guess(own_redis: RedisHere, server: RedisServer) -> None:
    limiter = RedisLimiter(server, nobody, replicas=3)
    strict = Limits(rpm=9, strict=True)
    assert await let_through(limiter, strict, 2) == 2
    own_redis.stop()
    with pytest.raises(Overloaded) as refused:
        await limiter.admit(demand(strict))
    assert (refused.value.code, refused.value.retryable) == ("limits_unavailable", True)
    await limiter.aclose()


async def test_whoever_waits_when_it_goes_is_let_in_by_this_replica(own_redis: RedisHere, server: RedisServer) -> None:
    limiter = RedisLimiter(server, nobody, max_wait_s=SOON_S)
    place = await limiter.admit(demand(Limits(concurrent=1)))
    waiting = asyncio.ensure_future(limiter.admit(demand(Limits(concurrent=1))))
    await asyncio.sleep(0)
    own_redis.stop()
    await limiter.settle(place, None)
    await limiter.settle(await waiting, None)
    await limiter.aclose()


async def test_nobody_waits_for_a_silent_one_and_nobody_asks_it_again(
    own_redis: RedisHere, server: RedisServer, told: Told
) -> None:
    await server.ask("PING")
    own_redis.pause()
    began = time.monotonic()
    async with asyncio.timeout(SOON_S):
        refused = await asyncio.gather(*[server.ask("PING") for _ in range(50)], return_exceptions=True)
    assert all([isinstance(each, RedisUnavailable) for each in refused])
    assert not server.is_up
    waited_s, began = time.monotonic() - began, time.monotonic()
    for _ in range(1000):
        with pytest.raises(RedisUnavailable):
            await server.ask("PING")
    assert time.monotonic() - began < 1000 * waited_s / 10
    assert told.changes == [False]
    own_redis.resume()
    await told.until(False, True)
    assert await server.ask("PING") == b"PONG"


async def test_it_may_start_before_redis_does(own_redis: RedisHere, server: RedisServer, told: Told) -> None:
    own_redis.stop()
    server.start()
    await told.until(False)
    with pytest.raises(RedisUnavailable):
        await server.ask("PING")
    own_redis.start()
    await told.until(False, True)
    assert await server.ask("PING") == b"PONG"


async def test_a_replica_that_died_gives_its_places_back(redis: RedisHere) -> None:
    redis.ask("FLUSHALL")
    limits = Limits(concurrent=2)
    one, other = RedisServer(redis.url, timeout_s=20), RedisServer(redis.url, timeout_s=20)
    dead, living = RedisLimiter(one, nobody), RedisLimiter(other, nobody)
    for _ in range(2):
        await dead.admit(demand(limits))
    await dead.aclose()
    await one.aclose()
    with pytest.raises(RateLimited):
        await living.admit(demand(limits))
    (name,) = redis.ask("KEYS", "*concurrent*")
    assert 0 < redis.ask("PTTL", name) <= 30_000
    for ticket in redis.ask("ZRANGE", name, "0", "-1"):  # half a minute later
        redis.ask("ZADD", name, "1", ticket)
    await living.admit(demand(limits))
    await living.aclose()
    await other.aclose()


async def test_replicas_that_wait_take_turns(redis: RedisHere) -> None:
    """One that comes later, and just when there is room, does not get in before one that waits elsewhere."""
    redis.ask("FLUSHALL")
    servers = [RedisServer(redis.url, timeout_s=20) for _ in range(2)]
    first, second = [RedisLimiter(server, nobody, max_wait_s=SOON_S) for server in servers]
    limits = Limits(concurrent=1)
    place = await first.admit(demand(limits))
    waiting = asyncio.ensure_future(second.admit(demand(limits)))
    async with asyncio.timeout(SOON_S):
        while not redis.ask("KEYS", "*:waiting"):  # noqa: ASYNC110 - it is another server that changes
            await asyncio.sleep(0.01)
    late = asyncio.ensure_future(first.admit(demand(limits)))
    await first.settle(place, None)
    done, _ = await asyncio.wait([waiting, late], return_when=asyncio.FIRST_COMPLETED)
    assert done == {waiting}
    await second.settle(await waiting, None)
    await first.settle(await late, None)
    for limiter, server in zip((first, second), servers, strict=True):
        await limiter.aclose()
        await server.aclose()


async def test_places_of_calls_under_way_outlive_a_redis_that_forgets(redis: RedisHere) -> None:
    redis.ask("FLUSHALL")
    server = RedisServer(redis.url, timeout_s=20)
    limiter = RedisLimiter(server, nobody, renew_s=0.05)
    place = await limiter.admit(demand(Limits(concurrent=1)))
    redis.ask("FLUSHALL")
    async with asyncio.timeout(SOON_S):
        while not redis.ask("KEYS", "*concurrent*"):  # noqa: ASYNC110 - it is another server that changes
            await asyncio.sleep(0.01)
    with pytest.raises(RateLimited):
        await limiter.admit(demand(Limits(concurrent=1)))
    await limiter.settle(place, None)
    assert not redis.ask("KEYS", "*concurrent*")
    await limiter.aclose()
    await server.aclose()
