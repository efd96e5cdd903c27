"""kill -9 at random moments under load: nothing that a caller was told is lost, nothing is booked twice.

``LLM_GATEWAY_KILLS`` says how many kills; a few by default.
"""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from clients.processes import environment, start
from llm_gateway.sandbox.server import Sandbox
from money.kept import Kept

KILLS = int(os.environ.get("LLM_GATEWAY_KILLS", "5"))
CALLERS = 8
_START_S = 60


class Load:
    """Callers who ask without end and remember what they were told: request id and the tokens they saw."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.told: dict[str, tuple[int, int]] = {}
        self.asked = 0

    async def run(self, seed: int) -> None:
        choose = random.Random(seed)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
            while True:
                try:
                    await self._ask(http, choose)
                except (aiohttp.ClientError, OSError):
                    await asyncio.sleep(0.05)  # the server is being killed or started

    async def more_are_told(self, number: int) -> None:
        """Waits until so many more answers have come."""
        wanted = len(self.told) + number

        async def are_told() -> bool:
            return len(self.told) >= wanted

        await until(are_told, 60)

    async def _ask(self, http: aiohttp.ClientSession, choose: random.Random) -> None:
        self.asked += 1
        name = f"r-{os.getpid()}-{self.asked}-{choose.getrandbits(32):x}"
        body: dict[str, Any] = {
            "model": choose.choice(("nova-lite", "nova-pro", "claude-3-haiku")),
            "messages": [{"role": "user", "content": f"Say: {name} " + "word " * choose.randrange(40)}],
        }
        if choose.random() < 0.3:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        headers = {"x-request-id": name}
        async with http.post(f"{self._url}/v1/chat/completions", json=body, headers=headers) as answer:
            if answer.status != 200:
                return
            usage = _usage(await answer.text()) if body.get("stream") else (await answer.json())["usage"]
        if usage is not None:
            self.told[name] = (usage["prompt_tokens"], usage["completion_tokens"])


def _usage(events: str) -> dict[str, int] | None:
    """The usage of a stream that came to its end."""
    import orjson

    lines = [line.removeprefix("data: ") for line in events.splitlines() if line.startswith("data: ")]
    if not lines or lines[-1] != "[DONE]":
        return None
    return orjson.loads(lines[-2])["usage"]


class Killed:
    """A gateway on one port and one ledger, started as often as it is killed."""

    def __init__(self, sandbox_url: str, kept: Kept, port: int) -> None:
        self._env = environment(sandbox_url, **kept.variables, CACHE_ENABLED="false", LOG_LEVEL="ERROR", LEDGER="on")
        self._home = kept.home
        self._port = port
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await start(
            *("--transport", "http", "--port", str(self._port)),
            env=self._env,
            cwd=self._home,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        async with asyncio.timeout(_START_S), aiohttp.ClientSession() as http:
            while True:
                try:
                    async with http.get(f"http://127.0.0.1:{self._port}/health") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)

    async def end(self, by: signal.Signals) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, by)
        await self.process.wait()


async def until(done: Callable[[], Awaitable[bool]], within_s: float) -> None:
    async with asyncio.timeout(within_s):
        for _ in range(100_000):
            if await done():
                return
            await asyncio.sleep(0.02)


async def test_no_kill_loses_or_doubles_what_a_caller_was_told(
    sandbox: Sandbox, kept: Kept, unused_tcp_port: int
) -> None:
    gateway = Killed(sandbox.url, kept, unused_tcp_port)
    load = Load(f"http://127.0.0.1:{unused_tcp_port}")
    chance = random.Random(7)
    await gateway.start()
    callers = [asyncio.ensure_future(load.run(seed)) for seed in range(CALLERS)]
    for _ in range(KILLS):
        await load.more_are_told(5)
        await asyncio.sleep(chance.random() * 0.5)
        await gateway.end(signal.SIGKILL)
        await gateway.start()
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)

    async def none_is_held() -> bool:
        return await kept.ask("SELECT COUNT(*) FROM holds") == [(0,)]

    await until(none_is_held, 30)
    await gateway.end(signal.SIGTERM)

    rows = await kept.ask("SELECT request_id, input_tokens, output_tokens, outcome FROM ledger")
    booked: dict[str, list[tuple[Any, ...]]] = {}
    for request_id, *rest in rows:
        booked.setdefault(request_id, []).append(tuple(rest))
    assert load.told
    assert [name for name in load.told if name not in booked] == []
    assert [name for name, each in booked.items() if len(each) > 1] == []
    assert [name for name, tokens in load.told.items() if booked[name] != [(*tokens, "ok")]] == []
    assert len(rows) >= len(load.told)
    if kept.url is None:
        assert await kept.ask("PRAGMA integrity_check") == [("ok",)]
    summed = "SELECT CAST(SUM(cost_nano_usd) AS BIGINT) FROM "
    assert await kept.ask(f"{summed} ledger") == await kept.ask(f"{summed} usage_by_day")
