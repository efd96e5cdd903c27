"""Health on a port of its own, from a thread with an event loop of its own: answered while the other loop is busy.

Law: a request is a head of bounded size and time, and of them a bounded number is looked at; each gets one answer.
"""

import asyncio
import json
import socket
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from threading import Thread
from types import TracebackType

from llm_gateway.board import Standing
from llm_gateway.surfaces.health import PATHS, told_at

_MOST_HEAD = 16 * 1024
_MOST_AT_ONCE = 64
_WAIT_S = 5.0


class HealthPort:
    """Serves on ``bound`` while its context lasts; ``standings`` are those of all serving processes, the best first."""

    def __init__(self, bound: socket.socket, standings: Callable[[], list[Standing]]) -> None:
        self._bound = bound
        self._standings = standings
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._thread = Thread(target=self._run, name="health", daemon=True)

    def __enter__(self) -> "HealthPort":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(_WAIT_S)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._attend, sock=self._bound, limit=_MOST_HEAD)
        await self._over.wait()
        server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= _MOST_AT_ONCE:
            writer.transport.abort()
            return
        self._open.add(writer)
        try:
            with suppress(TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                async with asyncio.timeout(_WAIT_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._answer(head))
                    await writer.drain()
        finally:
            self._open.discard(writer)
            writer.close()

    def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.decode("latin-1").partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if method not in ("GET", "HEAD"):
            return _written(405, {"error": "this port takes GET only"})
        if path not in PATHS:
            return _written(404, {"error": f"this port has {', '.join(PATHS)} only"})
        standings = self._standings()
        status, told = told_at(path, standings[0])
        if len(standings) > 1 and path != "/health/live":
            told["workers"] = len(standings)
            told["workers_ready"] = len([one for one in standings if one.status == "healthy"])
        written = _written(status, told)
        return written.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == "HEAD" else written


def _written(status: int, told: dict[str, object]) -> bytes:
    body = json.dumps(told).encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
