"""HTTP requests under way: a server that stops lets them come to their end first.

Streams without an end (``GET`` of an event stream) and questions for the health do not count.
"""

import time
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

_ENDLESS = frozenset({"/sse", "/mcp"})


def _nobody_waits_for(method: str, path: str) -> bool:
    return method == "GET" and (path.rstrip("/") in _ENDLESS or path.startswith("/health"))


class UnderWay:
    """Counts what passes through it to ``site``. ``clock`` is monotonic seconds."""

    def __init__(self, site: ASGIApp, clock: Callable[[], float] = time.monotonic) -> None:
        self._site = site
        self._clock = clock
        self._now = 0
        self._last_ended_at = clock()

    @property
    def quiet_s(self) -> float:
        """Since when no request is under way; 0 while one is."""
        return 0.0 if self._now else self._clock() - self._last_ended_at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or _nobody_waits_for(scope["method"], scope["path"]):
            await self._site(scope, receive, send)
            return
        self._now += 1
        try:
            await self._site(scope, receive, send)
        finally:
            self._now -= 1
            self._last_ended_at = self._clock()
