"""Several workers behind one port: one set of limits, figures and places; one that is killed, and an end for all."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from clients.malformed import envelope
from clients.processes import Running, ended, environment, running_gateway, start
from clients.processes import until as until_so
from llm_gateway.domain.errors import ConfigurationError
from llm_gateway.sandbox.server import Sandbox
from llm_gateway.shared_door import SharedDoor, worker_socket
from money.kept import Kept
from money.test_kills import Load, until

CALLERS = 8
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def alone(tmp_path: Path) -> Kept:
    """A state of its own, in SQLite."""
    return Kept(tmp_path)


class Crew:
    """A gateway of several workers that all serve."""

    def __init__(self, running: Running, health: str, http: aiohttp.ClientSession) -> None:
        self.running = running
        self.url = running.url
        self.health = health
        self.http = http

    async def ready(self) -> tuple[int, dict[str, Any]]:
        async with self.http.get(f"{self.health}/health/ready") as answer:
            return answer.status, await answer.json()

    async def all_serve(self, number: int) -> None:
        async def are_ready() -> bool:
            return (await self.ready())[1]["workers_ready"] == number

        await until(are_ready, 60)

    def pids(self) -> list[int]:
        """Of those that were started, the latest last."""
        return [started["pid"] for started in self.running.log("worker_started")]

    async def chat(self, text: str, **more: Any) -> tuple[int, dict[str, Any]]:
        """Over a connection of its own, so that any worker may have it."""
        body = {"model": "nova-lite", "messages": [{"role": "user", "content": text}]}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.url}/v1/chat/completions", json=body, **more) as answer,
        ):
            return answer.status, await answer.json()

    async def stats(self, key: str) -> dict[str, Any]:
        call, headers = envelope("get_stats", {}, new=True)
        headers |= {"authorization": f"Bearer {key}"}
        async with self.http.post(f"{self.url}/mcp", json=call, headers=headers) as answer:
            told = await answer.text()
        return json.loads(told.partition("data: ")[2] or told)["result"]["structuredContent"]


@asynccontextmanager
async def crew(sandbox: Sandbox, kept: Kept, number: int, **more: str) -> AsyncGenerator[Crew]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = {**kept.variables, "CACHE_ENABLED": "false", "HEALTH_PORT": str(port)} | more
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        running_gateway(sandbox.url, kept.home, "--workers", str(number), **variables) as running,
    ):
        crew = Crew(running, f"http://127.0.0.1:{port}", http)
        await crew.all_serve(number)
        yield crew


def statuses(answers: Sequence[tuple[int, dict[str, Any]]]) -> dict[int, int]:
    told = [status for status, _ in answers]
    return {status: told.count(status) for status in sorted(set(told))}


async def test_limits_places_and_figures_are_those_of_all_together(sandbox: Sandbox, alone: Kept) -> None:
    tight, loose = await alone.new_key("--name", "tight", "--rpm", "10"), await alone.new_key("--name", "loose")
    async with crew(sandbox, alone, 2, MAX_CONCURRENT_REQUESTS="30") as both:
        headers = {"authorization": f"Bearer {tight}"}
        limited = await asyncio.gather(*[both.chat(f"Say: {number}", headers=headers) for number in range(25)])
        assert statuses(limited) == {200: 10, 429: 15}
        headers = {"authorization": f"Bearer {loose}"}
        slow = "[[fault:slow-first-token:2]] Say:"
        crowded = await asyncio.gather(*[both.chat(f"{slow} {number}", headers=headers) for number in range(45)])
        let_in = statuses(crowded)
        assert let_in[200] + let_in[503] == 45
        assert 30 <= let_in[200] <= 31, let_in
        figures = await both.stats(loose)
        assert figures["workers"] == 2
        assert figures["metrics"]["total_requests"] == 25 + 45
        assert figures["metrics"]["errors_by_code"] == {"rate_limit_exceeded": 15, "overloaded": let_in[503]}
        assert figures["metrics"]["latency_ms"]["p99"] > 1000
        async with both.http.get(f"{both.url}/sse", headers=headers) as refused:
            assert (refused.status, "--workers 1" in (await refused.json())["error"]["message"]) == (404, True)


async def test_a_killed_worker_loses_nothing_and_comes_back_and_all_end_well(sandbox: Sandbox, alone: Kept) -> None:
    async with crew(sandbox, alone, 4) as four:
        load = Load(four.url)
        callers = [asyncio.ensure_future(load.run(seed)) for seed in range(CALLERS)]
        for _ in range(2):
            await load.more_are_told(20)
            os.kill(four.pids()[-1], signal.SIGKILL)
            died = len(four.pids())
            await load.more_are_told(20)
            await until_so(lambda died=died: len(four.pids()) > died, 60)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        await four.all_serve(4)

        async def none_is_held() -> bool:
            return await alone.ask("SELECT COUNT(*) FROM holds") == [(0,)]

        await until(none_is_held, 30)
        rows = await alone.ask("SELECT request_id, input_tokens, output_tokens, outcome FROM ledger")
        names = [row[0] for row in rows]
        assert len(set(names)) == len(names)
        booked = {name: tuple(rest) for name, *rest in rows}
        assert [name for name, tokens in load.told.items() if booked.get(name) != (*tokens, "ok")] == []

        seen = len(await requests_seen(four.http, sandbox))
        words = [f"[[fault:slow-first-token:4]] Say: {number}" for number in range(200)]
        under_way = [asyncio.ensure_future(four.chat(each)) for each in words]

        async def are_seen() -> bool:
            return len(await requests_seen(four.http, sandbox)) >= seen + 200

        await until(are_seen, 60)
        four.running.process.send_signal(signal.SIGTERM)

        async def is_closing() -> bool:
            return await four.ready() == (503, {"status": "closing", "workers": 4, "workers_ready": 0})

        await until(is_closing, 20)
        assert statuses(await asyncio.gather(*under_way)) == {200: 200}


async def requests_seen(http: aiohttp.ClientSession, sandbox: Sandbox) -> list[Any]:
    async with http.get(f"{sandbox.url}/_sandbox/log") as log:
        return (await log.json())["requests"]


async def test_workers_that_cannot_start_are_given_up_with_one_line(tmp_path: Path) -> None:
    env = environment(NOBODY, MODELS_FILE="missing.toml", LOG_LEVEL="ERROR")
    words = ("--transport", "http", "--port", "0", "--workers", "3")
    code, _, err = await ended(await start(*words, env=env, cwd=tmp_path))
    assert (code, err.count("\n")) == (2, 1)
    assert "missing.toml" in err


async def test_a_foreman_that_is_killed_leaves_no_workers(sandbox: Sandbox, alone: Kept) -> None:
    with pytest.raises(AssertionError):  # it does not end well
        async with crew(sandbox, alone, 2) as both:
            pids = both.pids()
            both.running.process.kill()
    for pid in pids:
        await until_so(lambda pid=pid: not Path(f"/proc/{pid}").exists(), 30)


def test_a_port_is_not_shared_with_another_gateway() -> None:
    door = SharedDoor("127.0.0.1", 0)
    with worker_socket("127.0.0.1", door.port, None) as ours, worker_socket("127.0.0.1", door.port, None) as beside:
        ours.listen()
        beside.listen()
        with pytest.raises(ConfigurationError, match=f"--port {door.port}"):
            SharedDoor("127.0.0.1", door.port)
    door.close()
