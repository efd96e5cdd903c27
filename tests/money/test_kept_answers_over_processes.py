"""Kept answers of two gateway processes: in a file, and in Redis. Who sees them, and what an administrator sees."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from clients.processes import Running
from llm_gateway.sandbox.server import Sandbox
from money.kept import Kept
from redis_here import RedisHere

ADMIN = {"x-admin-api-key": "the-master"}
WORDS = "a word nobody else says"


class Two:
    """Two gateways on one state."""

    def __init__(self, kept: Kept, running: list[Running], http: aiohttp.ClientSession) -> None:
        self.kept = kept
        self.running = running
        self.http = http

    async def chat(self, number: int, key: str, **more: Any) -> aiohttp.ClientResponse:
        asked = {"model": "nova-lite", "messages": [{"role": "user", "content": f"Say: {WORDS}"}]} | more
        url, headers = f"{self.running[number].url}/v1/chat/completions", {"authorization": f"Bearer {key}"}
        async with self.http.post(url, json=asked, headers=headers) as answer:
            await answer.read()
            return answer

    async def admin(self, number: int, method: str, path: str, body: object = None) -> dict[str, Any]:
        url = f"{self.running[number].url}/admin/cache/{path}"
        async with self.http.request(method, url, json=body, headers=ADMIN) as answer:
            return {"status": answer.status, **await answer.json()}


@pytest.fixture(params=["sqlite", "redis"])
async def tier(request: pytest.FixtureRequest) -> str:
    return request.param


@asynccontextmanager
async def two(sandbox: Sandbox, home: Path, redis: RedisHere, tier: str) -> AsyncGenerator[Two]:
    redis.ask("FLUSHALL")
    more = {"REDIS_URL": redis.url, "REDIS_TIMEOUT": "20"} if tier == "redis" else {"CACHE_TIER": tier}
    more["ADMIN_API_KEY"] = "the-master"
    kept = Kept(home)
    async with (
        kept.gateway(sandbox, cache=True, **more) as (one, http),
        kept.gateway(sandbox, cache=True, **more) as (other, _),
    ):
        yield Two(kept, [one, other], http)


async def test_two_processes_share_what_one_key_paid_for(
    sandbox: Sandbox, tmp_path: Path, redis: RedisHere, tier: str
) -> None:
    kept = Kept(tmp_path)
    bar, foo = await kept.new_key("--name", "bar"), await kept.new_key("--name", "foo")
    async with two(sandbox, tmp_path, redis, tier) as both:
        first, again = await both.chat(0, bar), await both.chat(0, bar)
        elsewhere, by_another = await both.chat(1, bar), await both.chat(1, foo)
        told = [
            (answer.headers["x-llm-gateway-cache"], answer.headers.get("x-llm-gateway-cache-tier"))
            for answer in (first, again, elsewhere, by_another)
        ]
        assert told == [("miss", None), ("hit", "memory"), ("hit", tier), ("miss", None)]
        assert "age" not in first.headers
        assert 0 <= int(elsewhere.headers["age"]) < 100
        assert elsewhere.headers["x-llm-gateway-cost-usd"] == "0"

        way = StreamableHttpTransport(f"{both.running[1].url}/mcp", headers={"authorization": f"Bearer {bar}"})
        async with Client(way) as client:
            arguments = {"model": "nova-lite", "messages": [{"role": "user", "content": f"Say: {WORDS}"}]}
            mine: dict[str, Any] = (await client.call_tool("generate", arguments)).structured_content or {}
        assert (mine["cached"], mine["cache_tier"]) == (True, "memory")
        assert mine["cache_age_s"] >= 0

        stats = await both.admin(1, "GET", "stats")
        assert (stats["tiers"], stats["entries"], stats["status"]) == (["memory", tier], 2, 200)
        listed = await both.admin(1, "GET", "entries")
        assert {entry["model"] for entry in listed["entries"]} == {"nova-lite"}
        assert len({entry["scope"] for entry in listed["entries"]}) == len(listed["entries"]) == 2
        assert WORDS not in str(listed)
        if tier == "redis":
            assert bar.encode() not in redis.everything()
        else:
            assert bar.encode() not in (tmp_path / "cache.db").read_bytes()


async def test_what_is_flushed_is_gone_in_every_process(
    sandbox: Sandbox, tmp_path: Path, redis: RedisHere, tier: str
) -> None:
    kept = Kept(tmp_path)
    bar, foo = await kept.new_key("--name", "bar"), await kept.new_key("--name", "foo")
    async with two(sandbox, tmp_path, redis, tier) as both:
        for key in (bar, foo):
            for number in (0, 1):
                await both.chat(number, key)
        assert (await both.admin(0, "POST", "flush", {"key": "bar"}))["flushed"] == 1
        assert (await both.chat(0, foo)).headers["x-llm-gateway-cache"] == "hit"
        assert (await both.chat(0, bar)).headers["x-llm-gateway-cache"] == "miss"
        assert (await both.admin(0, "POST", "flush", {"model": "nova-pro"}))["flushed"] == 0
        assert (await both.admin(0, "POST", "flush", {}))["flushed"] == 2
        async with asyncio.timeout(30):
            while (await both.chat(1, foo)).headers["x-llm-gateway-cache"] != "miss":
                pass  # another process hears of it within a second
        for method, path, body in (
            *(("POST", "stats", {}), ("GET", "flush", None), ("GET", "entries?limit=0", None)),
            *(("POST", "flush", {"key": "nobody"}), ("POST", "flush", {"keys": "bar"}), ("GET", "nothing", None)),
        ):
            assert 400 <= (await both.admin(0, method, path, body))["status"] < 500, path


async def test_streams_tell_at_their_start_how_the_caller_stands(sandbox: Sandbox, tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    key = await kept.new_key("--name", "bar", "--rpm", "9", "--tpm", "100000")
    async with kept.gateway(sandbox) as (running, http):
        for number, path in enumerate(("chat/completions", "messages")):
            asked = {
                "model": "nova-lite",
                "max_tokens": 9,
                "stream": True,
                "messages": [{"role": "user", "content": "x"}],
            }
            headers = {"authorization": f"Bearer {key}"}
            async with http.post(f"{running.url}/v1/{path}", json=asked, headers=headers) as answer:
                assert answer.status == 200
                assert answer.headers["x-ratelimit-limit-requests"] == "9"
                assert answer.headers["x-ratelimit-remaining-requests"] == str(8 - number)
                assert int(answer.headers["x-ratelimit-remaining-tokens"]) < 100_000
                await answer.read()
