"""Three gateways that share one state, under faults and callers who leave: no purse is overdrawn."""

import asyncio
import random
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from llm_gateway.sandbox.server import Sandbox
from money.kept import Kept

CALLS = 500
BUDGET_NANO_USD = 2_000_000
HELD = "SELECT (SELECT COUNT(*) FROM holds) + (SELECT SUM(held_nano_usd) FROM budget_use)"
FAULTS = ("throttle", "reset", "reset-mid", "error-frame-mid", "no-usage", "cut-frame", "slow-first-token:0.3")


class Crowd:
    """Callers of any of the gateways; three in ten meet a fault, two in ten leave before their answer has ended."""

    def __init__(self, http: aiohttp.ClientSession, urls: list[str], key: str) -> None:
        self._http = http
        self._urls = urls
        self._headers = {"authorization": f"Bearer {key}"}
        self.refused = 0
        self.answered = 0

    async def ask(self, number: int) -> None:
        chance = random.Random(number)
        fault = f"[[fault:{chance.choice(FAULTS)}]] " if chance.random() < 0.3 else ""
        body: dict[str, Any] = {
            "model": "nova-lite",
            "max_tokens": 200,
            "stream": chance.random() < 0.5,
            "messages": [{"role": "user", "content": f"{fault}Say: call {number}"}],
        }
        url = f"{self._urls[number % len(self._urls)]}/v1/chat/completions"
        leaves_after_s = chance.random() * 0.5 if chance.random() < 0.2 else 60
        try:
            async with (
                asyncio.timeout(leaves_after_s),
                self._http.post(url, json=body, headers=self._headers) as answer,
            ):
                await answer.read()
                self.refused += answer.status == 429
                self.answered += answer.status == 200
        except (TimeoutError, aiohttp.ClientError):
            return


@pytest.mark.parametrize("gateways", [1, 3])
async def test_the_crowd_spends_what_the_purse_holds_and_no_more(gateways: int, kept: Kept, sandbox: Sandbox) -> None:
    key = await kept.new_key("--name", "bar", "--budget", "0.002", "--window", "lifetime")
    async with AsyncExitStack() as stack:
        urls: list[str] = []
        for _ in range(gateways):
            running, _http = await stack.enter_async_context(kept.gateway(sandbox, BUDGET_CLAMP="false"))
            urls.append(running.url)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=120))
        )
        crowd = Crowd(http, urls, key)
        await asyncio.gather(*[crowd.ask(number) for number in range(CALLS)])
        async with asyncio.timeout(10):
            while await kept.ask(HELD) != [(0,)]:
                pass
    ((spent, rows),) = await kept.ask("SELECT CAST(SUM(cost_nano_usd) AS BIGINT), COUNT(*) FROM ledger")
    assert await kept.ask("SELECT spent_nano_usd FROM budget_use") == [(spent,)]
    assert spent <= BUDGET_NANO_USD
    assert crowd.answered >= 20
    assert crowd.refused > 0
    assert rows >= crowd.answered
