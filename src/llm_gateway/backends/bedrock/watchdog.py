"""One timer for all the waits of an answer: it is moved by assigning a number, not by starting anew."""

import asyncio
from collections.abc import Callable


class Watchdog:
    """Calls ``bite`` once, when the deadline has passed. Times are the loop's."""

    __slots__ = ("_bite", "_handle", "_loop", "bitten", "deadline")

    def __init__(self, loop: asyncio.AbstractEventLoop, deadline: float, bite: Callable[[], None]) -> None:
        self._loop = loop
        self._bite = bite
        self.deadline = deadline
        self.bitten = False
        self._handle: asyncio.TimerHandle | None = loop.call_at(deadline, self._look)

    def _look(self) -> None:
        if self._loop.time() < self.deadline:
            self._handle = self._loop.call_at(self.deadline, self._look)
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
