"""One timer for all the waits of an answer: it is moved by assigning a number, not by starting anew."""

import asyncio
from collections.abc import Callable

_LOOKS_AGAIN_S = 0.5


class Watchdog:
    """Calls ``bite`` once, when the deadline has passed. While ``is_held`` nobody listens: silence is then no fault of
    the other side's, and only ``last_at`` counts. Times are the loop's."""

    __slots__ = ("_bite", "_handle", "_last_at", "_loop", "bitten", "deadline", "is_held")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, deadline: float, last_at: float, bite: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._bite = bite
        self._last_at = last_at
        self.deadline = deadline
        self.bitten = False
        self.is_held = False
        self._handle: asyncio.TimerHandle | None = loop.call_at(deadline, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        if now < self.deadline:
            self._handle = self._loop.call_at(self.deadline, self._look)
            return
        if self.is_held and now < self._last_at:
            self._handle = self._loop.call_at(min(now + _LOOKS_AGAIN_S, self._last_at), self._look)
            return
        self._handle = None
        self.bitten = True
        self._bite()

    def pull_in(self, deadline: float) -> None:
        """An earlier deadline than the one the timer was set to."""
        self.deadline = deadline
        self.stop()
        self._handle = self._loop.call_at(deadline, self._look)

    def stop(self) -> None:
        """No bite any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
