"""PostgreSQL is stopped, frozen and started while requests run: what cannot be paid is refused before a model is
asked, what was spent is booked once, and all heals by itself."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from llm_gateway.sandbox.server import Sandbox
from money.kept import Kept
from postgres_here import PostgresHere, postgres_here

CHAT: dict[str, Any] = {"model": "nova-lite", "messages": [{"role": "user", "content": "Say: hello"}]}
SLOW = {**CHAT, "messages": [{"role": "user", "content": "[[fault:slow-first-token:1.5]] Say: hello"}]}
HEALED_S = 10


@pytest.fixture
def own_postgres() -> Iterator[PostgresHere]:
    """A server that the test may stop."""
    with postgres_here() as server:
        yield server


@pytest.fixture
async def kept(own_postgres: PostgresHere, tmp_path: Path) -> AsyncIterator[Kept]:
    yield Kept(tmp_path, await own_postgres.new_database())


async def chat(http: aiohttp.ClientSession, url: str, body: dict[str, Any] = CHAT) -> tuple[int, dict[str, Any]]:
    async with http.post(f"{url}/v1/chat/completions", json=body) as answer:
        return answer.status, await answer.json()


async def status(http: aiohttp.ClientSession, url: str, path: str) -> int:
    async with http.get(f"{url}{path}") as answer:
        return answer.status


async def until_ready(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(HEALED_S):
        while await status(http, url, "/health/ready") != 200:
            pass


async def test_while_it_is_down_nothing_is_asked_and_what_was_spent_is_booked_later(
    own_postgres: PostgresHere, kept: Kept, sandbox: Sandbox
) -> None:
    async with kept.gateway(sandbox) as (running, http):
        assert (await chat(http, running.url))[0] == 200
        under_way = [asyncio.ensure_future(chat(http, running.url, SLOW)) for _ in range(5)]
        while sandbox.open_now < 5:
            assert await status(http, running.url, "/health/live") == 200
        own_postgres.crash()
        assert [answer[0] for answer in await asyncio.gather(*under_way)] == [200] * 5
        asked = len(sandbox.log)
        refused = await asyncio.gather(*[chat(http, running.url) for _ in range(20)])
        assert {(code, told["error"]["code"]) for code, told in refused} == {(503, "ledger_unavailable")}
        assert len(sandbox.log) == asked
        assert await status(http, running.url, "/health/ready") == 503
        assert await status(http, running.url, "/health/live") == 200
        own_postgres.start()
        await until_ready(http, running.url)
        assert (await chat(http, running.url))[0] == 200
        async with asyncio.timeout(HEALED_S):
            while await kept.ask("SELECT COUNT(*) FROM ledger") != [(7,)]:
                pass
    assert await kept.ask("SELECT COUNT(DISTINCT request_id), MIN(outcome), MAX(outcome) FROM ledger") == [
        (7, "ok", "ok")
    ]
    assert await kept.ask("SELECT COUNT(*) FROM holds") == [(0,)]
    assert list(kept.home.glob("spool-*")) == []


async def test_a_frozen_server_is_no_reason_to_hang(own_postgres: PostgresHere, kept: Kept, sandbox: Sandbox) -> None:
    async with kept.gateway(sandbox) as (running, http):
        assert (await chat(http, running.url))[0] == 200
        own_postgres.pause()
        try:
            async with asyncio.timeout(20):
                refused = await asyncio.gather(*[chat(http, running.url) for _ in range(20)])
            assert {code for code, _ in refused} == {503}
            assert await status(http, running.url, "/health/live") == 200
        finally:
            own_postgres.resume()
        await until_ready(http, running.url)
        assert (await chat(http, running.url))[0] == 200
        async with asyncio.timeout(HEALED_S):
            while await kept.ask("SELECT COUNT(*) FROM holds") != [(0,)]:
                pass
    assert await kept.ask("SELECT COUNT(*) FROM ledger") == [(2,)]  # none of a call that was never made


async def test_it_starts_without_its_server_and_heals(own_postgres: PostgresHere, kept: Kept, sandbox: Sandbox) -> None:
    own_postgres.stop()
    async with kept.gateway(sandbox) as (running, http):
        assert await status(http, running.url, "/health/live") == 200
        assert (await chat(http, running.url))[0] == 503
        assert await status(http, running.url, "/health/ready") == 503
        own_postgres.start()
        await until_ready(http, running.url)
        assert (await chat(http, running.url))[0] == 200


async def test_a_known_key_is_not_unknown_because_its_server_is_down(
    own_postgres: PostgresHere, kept: Kept, sandbox: Sandbox
) -> None:
    key = await kept.new_key("--name", "bar")
    async with kept.gateway(sandbox) as (running, http):
        assert await status_with(http, running.url, key) == 200
        own_postgres.stop()
        while await status(http, running.url, "/health/ready") == 200:
            pass
        for bearer in (key, "sk-nobody", None):
            headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
            async with http.post(f"{running.url}/v1/chat/completions", json=CHAT, headers=headers) as answer:
                assert answer.status == (401 if bearer is None else 503)
        own_postgres.start()
        async with asyncio.timeout(HEALED_S):
            while (await status_with(http, running.url, key)) != 200:
                pass


async def status_with(http: aiohttp.ClientSession, url: str, key: str) -> int:
    headers = {"authorization": f"Bearer {key}"}
    async with http.post(f"{url}/v1/chat/completions", json=CHAT, headers=headers) as answer:
        return answer.status


async def test_a_gateway_that_stops_in_its_turn_holds_up_nobody_for_long(kept: Kept, sandbox: Sandbox) -> None:
    async with kept.gateway(sandbox) as (sleeper, _), kept.gateway(sandbox) as (other, http):
        told: list[int] = []

        async def go_on(url: str) -> None:
            while True:
                try:
                    told.append((await chat(http, url))[0])
                except aiohttp.ClientError:
                    return

        callers = [asyncio.ensure_future(go_on(url)) for url in (sleeper.url, other.url) for _ in range(4)]
        for _ in range(4):
            seen = len(told) + 20
            while len(told) < seen:
                assert await status(http, other.url, "/health/live") == 200
            sleeper.process.send_signal(signal.SIGSTOP)
            async with asyncio.timeout(HEALED_S):
                answers = await asyncio.gather(*[chat(http, other.url) for _ in range(10)])
            assert {code for code, _ in answers} == {200}
            sleeper.process.send_signal(signal.SIGCONT)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        async with asyncio.timeout(HEALED_S):
            while await kept.ask("SELECT COUNT(*) FROM holds") != [(0,)]:
                pass
    assert (await kept.ask("SELECT COUNT(*) FROM ledger WHERE outcome = 'ok'"))[0][0] >= told.count(200)
    summed = "SELECT CAST(SUM(cost_nano_usd) AS BIGINT) FROM"
    assert await kept.ask(f"{summed} ledger") == await kept.ask(f"{summed} usage_by_day")
