"""The HTTP server around the site: drains before it stops, for a signal or by the word of whoever started it.

Loaded with uvicorn, for HTTP only.
"""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn

from llm_gateway.app import App
from llm_gateway.surfaces.bounded_connection import BoundedConnection, ConnectionLimits, connections_within
from llm_gateway.surfaces.under_way import UnderWay

_BACKLOG = 2048
_LEAVE_S = 2  # for the connections that are left when it stops
_LAST_BYTES_S = 0.05
_QUIET_S = 0.3


class Site(uvicorn.Server):
    """Calls ``tell_where`` once it listens, and drains before it stops: event streams end as soon as it stops.

    The first signal lets requests under way come to their end and refuses new ones; a second ends them at once: whoever
    waits is told ``draining``. One of several workers ends by the word of its foreman only: a terminal and a process
    group send their signals to both.
    """

    def __init__(self, app: App, host: str, tell_where: Callable[[], None]) -> None:
        self._app = app
        self._site = UnderWay(app.http_site(host))
        self._tell_where = tell_where
        self._loop = asyncio.get_running_loop()
        self._ending: list[asyncio.Task[None]] = []
        super().__init__(
            uvicorn.Config(
                self._site,
                http=_connections(app),
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_LEAVE_S,
                backlog=_BACKLOG,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal has come."""
        if self._app.crew is None:
            (self.stop_at_once if self._app.gateway.closing else self.drain)(sig)
        elif sig != signal.SIGINT:
            self.drain(sig)

    def drain(self, sig: int = signal.SIGTERM) -> None:
        """Takes no new requests, and stops when those under way have ended."""
        if not self.started:
            self.stop_at_once(sig)
        elif not self._app.gateway.closing:
            self._app.gateway.drain()
            self._app.show()
            self._begin(lambda: self._stop_when_idle(sig))

    def stop_at_once(self, sig: int = signal.SIGTERM) -> None:
        """Ends what is under way."""
        super().handle_exit(sig, None)
        self._begin(self._app.gateway.end_calls)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens."""
        await super().startup(sockets)
        self._tell_where()

    async def obey(self) -> None:
        """Does what the foreman says; without one it stops."""
        crew = self._app.crew
        assert crew is not None  # noqa: S101 - only workers have somebody to obey

        async def figures() -> dict[str, Any]:
            return {"figures": self._app.metrics.figures()}

        def hear(word: str, _: dict[str, Any]) -> Awaitable[dict[str, Any]] | None:
            if word == "figures":
                return figures()
            (self.drain if word == "drain" else self.stop_at_once)()
            return None

        crew.line.hear = hear
        await crew.line.listen()
        self.drain()

    def _begin(self, ending: Callable[[], Any]) -> None:
        self._loop.call_soon_threadsafe(lambda: self._ending.append(self._loop.create_task(ending())))

    async def _stop_when_idle(self, sig: int) -> None:
        """Waits until nothing is under way and nothing more has come for a moment: clients follow up on an answer. What
        still runs at the end of that time is ended with an error of its own."""
        if not await self._became_quiet(self._app.settings.drain_timeout):
            await self._app.gateway.end_calls()
            await self._became_quiet(_LEAVE_S)
        if not self.should_exit:
            super().handle_exit(sig, None)

    async def _became_quiet(self, within_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not self._app.gateway.is_idle or self._site.quiet_s < _QUIET_S:  # noqa: ASYNC110 - once in a life
                    await asyncio.sleep(_LAST_BYTES_S)
                return True
        return False


def _connections(app: App) -> type[BoundedConnection]:
    settings = app.settings
    limits = ConnectionLimits(
        max_head_bytes=settings.max_header_bytes,
        read_s=settings.body_read_timeout,
        write_s=settings.slow_reader_timeout,
    )
    return connections_within(limits)
