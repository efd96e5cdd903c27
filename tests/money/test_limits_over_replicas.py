"""Three gateway processes on one Redis, counted at the model: their limits hold together, and apart from it when it is
gone."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from clients.processes import Running
from llm_gateway.sandbox.server import Sandbox
from money.kept import Kept
from redis_here import RedisHere, redis_here

ADMIN = {"x-admin-api-key": "the-master"}
PATIENT = {"REDIS_TIMEOUT": "20", "ADMIN_API_KEY": "the-master", "REPLICAS": "3"}


@asynccontextmanager
async def replicas(
    sandbox: Sandbox, home: Path, redis: RedisHere, number: int = 3, **more: str
) -> AsyncGenerator[tuple[list[Running], aiohttp.ClientSession]]:
    kept = Kept(home)
    await kept.new_key("--name", "first")  # from now on everybody needs one
    async with AsyncExitStack() as stack:
        started = [
            await stack.enter_async_context(kept.gateway(sandbox, REDIS_URL=redis.url, **(PATIENT | more)))
            for _ in range(number)
        ]
        yield [running for running, _ in started], started[0][1]


async def new_key(http: aiohttp.ClientSession, running: list[Running], name: str, **limits: object) -> str:
    """A key that every replica knows."""
    wish = {"name": name, "limits": limits}
    async with http.post(f"{running[0].url}/admin/keys", json=wish, headers=ADMIN) as answer:
        key: str = (await answer.json())["key"]
    for each in running:
        async with asyncio.timeout(30):
            while await status(http, each.url, key) != 200:  # noqa: ASYNC110 - another process has to hear of it
                await asyncio.sleep(0.05)
    return key


async def get(http: aiohttp.ClientSession, url: str) -> tuple[int, dict[str, object]]:
    async with http.get(url) as answer:
        return answer.status, await answer.json()


async def status(http: aiohttp.ClientSession, url: str, key: str) -> int:
    async with http.get(f"{url}/v1/models", headers={"authorization": f"Bearer {key}"}) as answer:
        return answer.status


async def chat(
    http: aiohttp.ClientSession, url: str, key: str, text: str = "Say: hello"
) -> tuple[int, Mapping[str, str]]:
    asked = {"model": "nova-lite", "max_tokens": 50, "messages": [{"role": "user", "content": "Say: hello"}]}
    async with http.post(
        f"{url}/v1/chat/completions", json=asked, headers={"authorization": f"Bearer {key}"}
    ) as answer:
        await answer.read()
        return answer.status, answer.headers


async def test_a_minute_holds_no_more_over_three_replicas(sandbox: Sandbox, tmp_path: Path, redis: RedisHere) -> None:
    redis.ask("FLUSHALL")
    async with replicas(sandbox, tmp_path, redis) as (running, http):
        key = await new_key(http, running, "bar", rpm=30)
        answers = await asyncio.gather(*[chat(http, running[n % 3].url, key) for n in range(120)])
        kept = redis.everything()
    told = Counter([status for status, _ in answers])
    asked = [record for record in sandbox.log if record.operation.startswith("Converse")]
    assert not [line for each in running for line in each.log("redis_unavailable")]
    assert told == {200: 30, 429: 90}
    assert len(asked) == 30
    assert {headers["retry-after"] for status, headers in answers if status == 429} <= {str(n) for n in range(30, 62)}
    assert b"limits" in kept
    for secret in (key, key[3:20], "Say: hello", redis.password):
        assert secret.encode() not in kept
        assert not any([secret in line for each in running for line in each.lines])


async def test_tokens_and_places_hold_over_three_replicas(sandbox: Sandbox, tmp_path: Path, redis: RedisHere) -> None:
    redis.ask("FLUSHALL")
    async with replicas(sandbox, tmp_path, redis) as (running, http):
        key = await new_key(http, running, "bar", output_tpm=500)
        answers = await asyncio.gather(*[chat(http, running[n % 3].url, key) for n in range(60)])
        passed = [headers for status, headers in answers if status == 200]
        assert 10 <= len(passed) < 60  # 50 each are held until it is known that fewer were needed
        waiting = await new_key(http, running, "one", concurrent=1)
        assert {(await chat(http, each.url, waiting))[0] for each in running} == {200}
        assert not [name for name in redis.ask("KEYS", "*concurrent*") if redis.ask("ZCARD", name)]


async def test_with_redis_silent_requests_go_on(sandbox: Sandbox, tmp_path: Path) -> None:
    with redis_here() as redis:
        async with replicas(sandbox, tmp_path, redis, 1, REDIS_TIMEOUT="0.15") as (running, http):
            url = running[0].url
            key = await new_key(http, running, "bar", rpm=3000)
            for _ in range(20):
                assert (await chat(http, url, key))[0] == 200
            redis.pause()
            took: list[float] = []
            for _ in range(150):
                began = time.monotonic()
                assert (await chat(http, url, key))[0] == 200
                took.append(time.monotonic() - began)
            assert sum([seconds > 0.12 for seconds in took]) < 30  # not each of them waits for the silent one
            health = await get(http, f"{url}/health")
            assert health == (200, {"status": "degraded", "degraded": ["redis"]})
            assert (await get(http, f"{url}/health/ready"))[0] == 200
            redis.resume()
            async with asyncio.timeout(60):
                while not running[0].log("redis_back"):
                    await chat(http, url, key)
            assert await get(http, f"{url}/health") == (200, {"status": "healthy"})
            (outage,) = running[0].log("redis_unavailable")
            assert redis.password not in str(outage)
            assert (await chat(http, url, key))[0] == 200
            redis.stop()
            assert {(await chat(http, url, key))[0] for _ in range(20)} == {200}


async def test_a_gateway_starts_without_its_redis(sandbox: Sandbox, tmp_path: Path) -> None:
    with redis_here() as redis:
        redis.stop()
        async with replicas(sandbox, tmp_path, redis, 1, CACHE_ENABLED="true") as (running, http):
            key = await new_key(http, running, "bar", rpm=9)
            told = Counter([(await chat(http, running[0].url, key))[0] for _ in range(5)])
            assert told == {200: 3, 429: 2}
            strict = await new_key(http, running, "strict", rpm=9, strict=True)
            refused, headers = await chat(http, running[0].url, strict)
            assert (refused, headers["retry-after"]) == (503, "2")
            async with http.post(f"{running[0].url}/admin/cache/flush", json={}, headers=ADMIN) as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (503, "cache_unavailable")
            redis.start()
            async with asyncio.timeout(60):
                while not running[0].log("redis_back"):
                    await chat(http, running[0].url, "sk-nobody")
            assert (await chat(http, running[0].url, key))[0] == 200
