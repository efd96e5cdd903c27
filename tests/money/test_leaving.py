"""Callers who leave, many at once and at every moment: the model is let go, and what was delivered is booked."""

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from clients.processes import until
from llm_gateway.sandbox.log import ABORTED_BY_CLIENT
from llm_gateway.sandbox.server import Sandbox
from money.kept import Kept

EACH = 50
MOMENTS = {
    "in the middle of a stream": ("[[fault:endless:0.05]] go on", True),
    "on a stream that is silent": ("[[fault:stall]] tell me a long story of the sea", True),
    "before the first byte": ("[[fault:hang]]", True),
    "in a whole call": ("[[fault:endless:0.05]] go on and on", False),
}


async def leave(
    http: aiohttp.ClientSession,
    url: str,
    name: str,
    moment: str,
    may_leave: asyncio.Event,
    got: list[bytes],
    headers: dict[str, str],
) -> None:
    """Asks, takes what comes until it is told to go."""
    text, stream = MOMENTS[moment]
    asked = {"model": "nova-lite", "stream": stream, "messages": [{"role": "user", "content": text}]}

    async def take() -> None:
        sent = {"x-request-id": name, **headers}
        async with http.post(f"{url}/v1/chat/completions", json=asked, headers=sent) as answer:
            async for piece in answer.content.iter_any():
                got.append(piece)

    taking = asyncio.ensure_future(take())
    await may_leave.wait()
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)


def words_in(pieces: list[bytes]) -> int:
    """Characters of text that a stream of chunks delivered."""
    stream = b"".join(pieces).decode()
    return sum(len(part.partition('"')[0]) for part in stream.split('"content":"')[1:])


async def test_two_hundred_callers_leave_and_each_is_booked(sandbox: Sandbox, tmp_path: Path) -> None:
    kept, may_leave = Kept(tmp_path), asyncio.Event()
    got: dict[str, list[bytes]] = {}
    names = {f"{number}-{EACH}": moment for number, moment in enumerate([m for m in MOMENTS for _ in range(EACH)])}
    connector = aiohttp.TCPConnector(limit=0)
    async with kept.gateway(sandbox) as (running, _), aiohttp.ClientSession(connector=connector) as http:
        leaving = [
            asyncio.ensure_future(leave(http, running.url, name, moment, may_leave, got.setdefault(name, []), {}))
            for name, moment in names.items()
        ]
        await until(lambda: sandbox.open_now == len(names), 60)
        await until(lambda: sum(words_in(each) > 0 for each in got.values()) == 2 * EACH, 60)
        may_leave.set()
        await asyncio.gather(*leaving)
        left_at = time.monotonic()
        await until(lambda: sandbox.open_now == 0, 20)
        print(f"let go within {time.monotonic() - left_at:.2f} s")  # noqa: T201
        rows = await until_booked(kept, len(names))
    assert {record.outcome for record in sandbox.log} == {ABORTED_BY_CLIENT}
    assert rows.keys() == names.keys()
    for name, (outcome, estimated, cost, output_tokens) in rows.items():
        delivered = words_in(got[name])
        assert (outcome, estimated, cost > 0) == ("client_disconnect", 1, True)
        assert output_tokens * 4 >= delivered - 4, (names[name], output_tokens, delivered)
    assert sum(words_in(each) for each in got.values()) > EACH


async def until_booked(kept: Kept, count: int) -> dict[str, Any]:
    """All rows by request, as soon as there are so many."""
    async with asyncio.timeout(30):
        while True:
            sql = "SELECT request_id, outcome, estimated, cost_nano_usd, output_tokens FROM ledger"
            rows = await kept.ask(sql)
            if len(rows) >= count:
                assert len(rows) == count
                return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize("has_left", [True, False], ids=["left", "there"])
async def test_a_revoked_keys_stream_is_ended_and_never_drained(
    has_left: bool, sandbox: Sandbox, tmp_path: Path
) -> None:
    kept, may_leave = Kept(tmp_path), asyncio.Event()
    key = {"authorization": f"Bearer {await kept.new_key('--name', 'bar')}"}
    moment = "on a stream that is silent"
    async with kept.gateway(sandbox, ON_DISCONNECT="drain") as (running, http):
        leaving = asyncio.ensure_future(leave(http, running.url, "one", moment, may_leave, [], key))
        await until(lambda: sandbox.open_now == 1, 30)
        if has_left:
            may_leave.set()
            await leaving
            assert sandbox.open_now == 1  # it is drained
        await kept.command("keys", "revoke", "bar", "--json")
        await until(lambda: sandbox.open_now == 0, 30)
        may_leave.set()
        await leaving
        rows = await until_booked(kept, 1)
    assert rows["one"][:2] == ("client_disconnect", 1)
    assert [record.outcome for record in sandbox.log] == [ABORTED_BY_CLIENT]
