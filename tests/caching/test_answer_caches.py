"""Kept answers: the same promises in memory, in a file and in a real Redis; and what the far tiers add."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.caching.contract import AnswerCache, CacheUnavailable, Label, Which
from llm_gateway.caching.memory_cache import MemoryCache
from llm_gateway.caching.redis_answers import RedisAnswers
from llm_gateway.caching.sqlite_answers import ANSWER_TABLES, SqliteAnswers
from llm_gateway.caching.tiered_cache import TieredCache, opened, seal
from llm_gateway.domain.completions import Completion, Usage
from llm_gateway.domain.content import Reasoning, Text, ToolUse
from llm_gateway.storage.redis_server import RedisServer
from llm_gateway.storage.sqlite_file import SqliteFile
from redis_here import RedisHere, redis_here

TTL_S = 100.0
BAR, FOO = Label("nova-lite", "key_bar", "key_bar"), Label("nova-pro", "team:docs", "key_foo")
Opened = Callable[..., AbstractAsyncContextManager[AnswerCache]]


def answer(text: str = "hello") -> Completion:
    blocks = (
        Reasoning(text="so", signature="sig"),
        Text(text),
        ToolUse(id="t1", name="find", input={"q": [1, None, "é"]}),
    )
    return Completion(
        blocks=blocks, finish_reason="stop", stop_reason="end_turn", usage=Usage(3, 5, cache_read_tokens=2)
    )


def named(word: str) -> bytes:
    return sha256(word.encode()).digest()


class Clock:
    """One for both tiers."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def opened_cache(request: pytest.FixtureRequest, tmp_path: Path, redis: RedisHere, clock: Clock) -> Opened:
    """Another process's opening of the same cache, each time it is called."""
    redis.ask("FLUSHALL")

    @asynccontextmanager
    async def open_one(max_size: int = 100, max_bytes: int = 1_000_000) -> AsyncGenerator[AnswerCache]:
        near = MemoryCache(max_size=max_size, ttl_s=TTL_S, max_bytes=max_bytes, clock=clock)
        if request.param == "memory":
            yield near
            return
        server = RedisServer(redis.url, timeout_s=20)
        file = SqliteFile(tmp_path / "cache.db", (ANSWER_TABLES,), clock=clock)
        far = (
            SqliteAnswers(file, ttl_s=TTL_S, max_size=max_size, max_bytes=max_bytes)
            if request.param == "sqlite"
            else RedisAnswers(server, ttl_s=TTL_S)
        )
        try:
            cache = TieredCache(near, far, clock=clock, far_s=20)
            yield cache
        finally:
            await cache.aclose()
            await server.aclose()

    return open_one


@pytest.fixture
async def cache(opened_cache: Opened) -> AsyncIterator[AnswerCache]:
    async with opened_cache() as opening:
        yield opening


async def test_what_is_kept_comes_back_as_it_was(cache: AnswerCache) -> None:
    assert await cache.get(named("a")) is None
    await cache.put(named("a"), answer(), BAR)
    hit = await cache.get(named("a"))
    assert hit is not None
    assert (hit.completion, hit.tier) == (answer(), "memory")
    assert 0 <= hit.age_s < 60
    await cache.put(named("a"), answer("newer"), BAR)
    hit = await cache.get(named("a"))
    assert hit is not None
    assert hit.completion == answer("newer")


async def test_it_is_kept_for_its_time_and_no_longer(opened_cache: Opened, clock: Clock, redis: RedisHere) -> None:
    async with opened_cache() as cache:
        await cache.put(named("a"), answer(), BAR)
        clock.now += TTL_S - 1
        hit = await cache.get(named("a"))
        assert hit is not None
        assert hit.age_s == pytest.approx(TTL_S - 1)
        for name in redis.ask("KEYS", "*answer:*"):  # there Redis's own clock runs
            assert 0 < redis.ask("PTTL", name) <= TTL_S * 1000
            redis.ask("DEL", name)
        clock.now += 2
        assert await cache.get(named("a")) is None


async def test_entries_are_shown_without_what_was_said(cache: AnswerCache) -> None:
    await cache.put(named("a"), answer("the secret"), BAR)
    await cache.put(named("b"), answer(), FOO)
    found = {entry.fingerprint: entry for entry in await cache.entries(10)}
    assert set(found) == {named("a").hex(), named("b").hex()}
    assert found[named("a").hex()].label == BAR
    assert found[named("a").hex()].size_bytes > 100
    assert "secret" not in repr(found)
    assert len(await cache.entries(1)) == 1


@pytest.mark.parametrize(
    ("which", "left"),
    [
        (Which(), []),
        (Which(key_id="key_bar"), ["b"]),
        (Which(model="nova-pro"), ["a"]),
        (Which(key_id="key_bar", model="nova-pro"), ["a", "b"]),
    ],
)
async def test_flushing_forgets_those_that_are_meant(cache: AnswerCache, which: Which, left: list[str]) -> None:
    await cache.put(named("a"), answer(), BAR)
    await cache.put(named("b"), answer(), FOO)
    assert await cache.flush(which) == 2 - len(left)
    assert [word for word in "ab" if await cache.get(named(word)) is not None] == left


async def test_memory_holds_no_more_than_it_may(opened_cache: Opened) -> None:
    async with opened_cache(max_size=3) as cache:
        for number in range(10):
            await cache.put(named(str(number)), answer(), BAR)
            assert cache.state().current_size <= 3
    size = len(seal(named("a"), answer("x" * 1000)))
    async with opened_cache(max_bytes=size * 2 + 10) as cache:
        for number in range(10):
            await cache.put(named(f"large {number}"), answer("x" * 1000), BAR)
            assert cache.state().current_bytes <= size * 2 + 10
        await cache.put(named("huge"), answer("x" * 10_000), BAR)
        assert cache.state().current_bytes > 0


async def test_another_process_has_it_too(opened_cache: Opened, request: pytest.FixtureRequest) -> None:
    if "memory" in request.node.name:
        pytest.skip("memory is of one process")
    async with opened_cache() as one, opened_cache() as other:
        await one.put(named("a"), answer(), BAR)
        hit = await other.get(named("a"))
        assert hit is not None
        assert (hit.completion, hit.tier) == (answer(), other.state().tiers[-1])
        hit = await other.get(named("a"))
        assert hit is not None
        assert hit.tier == "memory"


async def test_a_flush_reaches_the_memory_of_others(opened_cache: Opened, clock: Clock) -> None:
    async with opened_cache() as one, opened_cache() as other:
        await one.put(named("a"), answer(), BAR)
        await other.get(named("a"))
        await one.flush(Which(key_id="key_bar"))
        clock.now += 1.5
        assert await other.get(named("a")) is None


@given(st.data())
def test_no_changed_answer_is_ever_opened(data: st.DataObject) -> None:
    sealed = seal(named("a"), answer())
    assert opened(named("a"), sealed) == answer()
    assert opened(named("b"), sealed) is None
    place = data.draw(st.integers(0, len(sealed) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != sealed[place]))
    assert opened(named("a"), sealed[:place] + bytes([other]) + sealed[place + 1 :]) is None
    assert opened(named("a"), sealed[:place]) is None


async def test_broken_and_foreign_entries_are_misses_in_redis(redis: RedisHere) -> None:
    redis.ask("FLUSHALL")
    server = RedisServer(redis.url, timeout_s=20)
    cache = TieredCache(MemoryCache(max_size=9, ttl_s=9), RedisAnswers(server, ttl_s=9), far_s=20)
    name = f"llm-gateway:answer:{named('a').hex()}"
    redis.ask("SET", name, "of somebody else")
    assert await cache.get(named("a")) is None
    assert await cache.entries(9) == []
    redis.ask("DEL", name)
    redis.ask("HSET", name, "answer", "{}", "model", "m", "scope", "s", "key", "k", "kept_at", "soon", "size", "2")
    assert await cache.get(named("a")) is None
    redis.ask("HSET", name, "kept_at", "1")
    assert await cache.get(named("a")) is None
    await cache.put(named("a"), answer(), BAR)
    assert await cache.get(named("a")) is not None
    assert server.is_up
    await server.aclose()


async def test_the_file_holds_no_more_than_it_may_and_no_old_ones(tmp_path: Path, clock: Clock) -> None:
    size = len(seal(named("0"), answer()))
    file = SqliteFile(tmp_path / "cache.db", (ANSWER_TABLES,), clock=clock)
    far = SqliteAnswers(file, ttl_s=TTL_S, max_size=5, max_bytes=size * 4)
    for number in range(12):
        clock.now += 1
        await far.put(named(str(number)), seal(named(str(number)), answer()), BAR)
    assert {entry.fingerprint for entry in await far.entries(99)} == {named(str(n)).hex() for n in (8, 9, 10, 11)}
    clock.now += TTL_S
    await far.put(named("new"), seal(named("new"), answer()), BAR)
    await far.aclose()
    with sqlite3.connect(tmp_path / "cache.db") as connection:
        assert connection.execute("SELECT COUNT(*) FROM answers").fetchone() == (1,)
    connection.close()
    assert (tmp_path / "cache.db").stat().st_mode & 0o077 == 0


async def test_memory_goes_on_alone_where_the_far_tier_fails(tmp_path: Path) -> None:
    (tmp_path / "cache.db").mkdir()
    with redis_here() as redis:
        server = RedisServer(redis.url, timeout_s=0.5)
        file = SqliteFile(tmp_path / "cache.db", (ANSWER_TABLES,))
        for far in (SqliteAnswers(file, ttl_s=9, max_size=9, max_bytes=9999), RedisAnswers(server, ttl_s=9)):
            cache = TieredCache(MemoryCache(max_size=9, ttl_s=600), far)
            redis.pause()
            async with asyncio.timeout(60):
                assert await cache.get(named("a")) is None
                await cache.put(named("a"), answer(), BAR)
                hit = await cache.get(named("a"))
            assert hit is not None
            assert hit.tier == "memory"
            with pytest.raises(CacheUnavailable):
                await cache.flush(Which())
            assert await cache.get(named("a")) is None
            redis.resume()
            await cache.aclose()
        await server.aclose()
