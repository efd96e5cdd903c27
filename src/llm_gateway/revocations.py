"""Cuts the requests of a key that is revoked while they run."""

import asyncio
from types import TracebackType
from typing import Any

from llm_gateway.domain.errors import Unauthenticated


class Revocations:
    """The tasks at work for each key."""

    def __init__(self) -> None:
        self._at_work: dict[str, set[asyncio.Task[Any]]] = {}
        self._cut: set[asyncio.Task[Any]] = set()

    def cutting(self, key_id: str | None) -> "Cutting":
        """Within, :meth:`cut` raises :class:`~llm_gateway.domain.errors.Unauthenticated`."""
        return Cutting(self, key_id)

    def cut(self, key_id: str) -> None:
        """Ends what this key has under way."""
        for task in list(self._at_work.get(key_id, ())):
            self._cut.add(task)
            task.cancel()

    def begin(self, key_id: str, task: asyncio.Task[Any]) -> None:
        """This task works for the key from now on."""
        self._at_work.setdefault(key_id, set()).add(task)

    def end(self, key_id: str, task: asyncio.Task[Any]) -> bool:
        """It does no more; says whether it was cut."""
        tasks = self._at_work[key_id]
        tasks.discard(task)
        if not tasks:
            del self._at_work[key_id]
        was_cut = task in self._cut
        self._cut.discard(task)
        return was_cut


class Cutting:
    """One request of one key."""

    __slots__ = ("_key_id", "_revocations", "_task")

    def __init__(self, revocations: Revocations, key_id: str | None) -> None:
        self._revocations = revocations
        self._key_id = key_id
        self._task: asyncio.Task[Any] | None = None

    def __enter__(self) -> None:
        if self._key_id is not None:
            self._task = asyncio.current_task()
            if self._task is not None:
                self._revocations.begin(self._key_id, self._task)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._key_id is None or self._task is None or not self._revocations.end(self._key_id, self._task):
            return
        if isinstance(error, asyncio.CancelledError) and self._task.uncancel() == 0:
            raise Unauthenticated("this key was revoked while it was in use") from error
