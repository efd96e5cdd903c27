"""Health on a port of its own: told while the event loop is busy, while it stops, and where the port is taken."""

import asyncio
import json
import signal
import socket
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE
from typing import Any

import aiohttp
import pytest
from test_drain import asked, seen_by

from llm_gateway.board import Board, Standing
from llm_gateway.health_port import HealthPort
from llm_gateway.sandbox.server import Sandbox
from processes import ended, environment, running_gateway, start, until

HEALTHY = Standing("healthy")


def told(url: str, path: str) -> tuple[int, Any]:
    """Asked without any event loop: this one is as busy as can be meanwhile."""
    try:
        with urllib.request.urlopen(url + path, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def at(bound: socket.socket) -> str:
    return f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_a_busy_loop_is_told_after_some_seconds_and_lives() -> None:
    now = [1]
    board = Board.of_one(clock=lambda: now[0])
    bound = socket.create_server(("127.0.0.1", 0))
    with HealthPort(bound, board.standings):
        assert told(at(bound), "/health/ready") == (503, {"status": "starting"})
        board.show(0, Standing("healthy", ("redis",)))
        assert told(at(bound), "/health/ready") == (200, {"status": "degraded", "degraded": ["redis"]})
        board.show(0, Standing("ledger_unavailable"))
        assert told(at(bound), "/health/ready")[0] == 503
        assert told(at(bound), "/health") == (200, {"status": "ledger_unavailable"})
        board.show(0, HEALTHY)
        now[0] += 6_000_000_000
        assert told(at(bound), "/health/ready") == (503, {"status": "unresponsive"})
        assert told(at(bound), "/health")[0] == 503
        assert told(at(bound), "/health/live") == (200, {"status": "alive"})
        assert told(at(bound), "/v1/models")[0] == 404


def test_of_several_processes_one_that_is_ready_is_enough() -> None:
    board = Board.for_several(3)
    other = Board.inherited(board.fd or 0)
    other.show(2, HEALTHY)
    board.show(0, Standing("closing"))
    bound = socket.create_server(("127.0.0.1", 0))
    with HealthPort(bound, board.standings):
        ready = {"status": "healthy", "workers": 3, "workers_ready": 1}
        assert told(at(bound), "/health/ready") == (200, ready)
        board.clear(2)
        assert told(at(bound), "/health/ready")[0] == 503


def test_what_is_no_request_ends(
    noise: tuple[bytes, ...] = (b"", b"\x00\xff\r\n\r\n", b"GET " + b"x" * 70_000, b"POST / HTTP/1.1\r\n\r\n"),
) -> None:
    bound = socket.create_server(("127.0.0.1", 0))
    board = Board.of_one()
    board.show(0, HEALTHY)
    with HealthPort(bound, board.standings):
        for sent in noise:
            with socket.create_connection(bound.getsockname(), timeout=20) as caller, suppress(ConnectionError):
                caller.sendall(sent)
                caller.shutdown(socket.SHUT_WR)
                while caller.recv(4096):
                    pass
        assert told(at(bound), "/health/ready") == (200, {"status": "healthy"})


async def test_it_is_not_ready_as_soon_as_it_is_told_to_stop(sandbox: Sandbox, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    async with (
        aiohttp.ClientSession() as http,
        running_gateway(sandbox.url, tmp_path, HEALTH_PORT=str(port)) as gateway,
    ):
        await until(lambda: told(url, "/health/ready")[0] == 200, 20)
        hung = asyncio.ensure_future(asked(http, gateway.url, "[[fault:hang]]"))
        await seen_by(http, sandbox, 1)
        gateway.process.send_signal(signal.SIGTERM)
        await until(lambda: told(url, "/health/ready") == (503, {"status": "closing"}), 20)
        assert not hung.done()
        gateway.process.send_signal(signal.SIGTERM)
        assert (await hung)["error"]["code"] == "draining"


@pytest.mark.parametrize("name", ["HEALTH_PORT", "default"])
async def test_a_taken_port_is_an_error_only_where_it_was_asked_for(name: str, tmp_path: Path) -> None:
    with suppress(OSError), socket.create_server(("127.0.0.1", 0 if name == "HEALTH_PORT" else 8001)) as other:
        env = environment("http://127.0.0.1:9", HEALTH_PORT=str(other.getsockname()[1]))
        if name == "HEALTH_PORT":
            words = ("--transport", "http", "--port", "0")
            code, _, err = await ended(await start(*words, env=env, cwd=tmp_path, stdout=PIPE))
            assert (code, err.count("\n")) == (2, 1)
            assert err.startswith(f"llm-gateway: HEALTH_PORT={env['HEALTH_PORT']}: ")
            return
        async with running_gateway("http://127.0.0.1:9", tmp_path, HEALTH_PORT="") as gateway:
            assert gateway.log("health_port_taken")[0]["port"] == 8001
