"""A limit for what is awaited, on the way of every request."""

import asyncio
from types import TracebackType
from typing import Any


class Patience:
    """What ``asyncio.timeout`` does, at a third of its cost: entered and left without awaiting, and no more than one
    timer. ``with Patience(s):`` raises TimeoutError where the block takes longer."""

    __slots__ = ("_is_over", "_seconds", "_task", "_timer", "_were_asked")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = False
        self._task: asyncio.Task[Any]
        self._timer: asyncio.TimerHandle

    def __enter__(self) -> "Patience":
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be patient")
        self._task = task
        self._were_asked = task.cancelling()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._lose)
        return self

    def renew(self, seconds: float) -> None:
        """So many seconds more, from now on."""
        self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._lose)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._is_over and self._task.uncancel() <= self._were_asked and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _lose(self) -> None:
        self._is_over = True
        self._task.cancel()
