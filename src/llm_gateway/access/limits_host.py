"""The limits of several processes of one machine, counted by one of them: the side that counts.

A guest that goes, however it goes, gives its places back: its waiting requests leave their queue, its calls under way
end; what they took of a minute counts for that minute.
"""

import asyncio
from typing import Any

from llm_gateway.access.bounds import Bound
from llm_gateway.access.contract import Ticket
from llm_gateway.access.memory_limiter import MemoryLimiter
from llm_gateway.domain.errors import RateLimited


def _nobody(scope: str, scope_id: str) -> None:
    """The limits of whoever asks come with the question."""


class LimitsHost:
    """Counts for all guests; each is attended by a :meth:`guest` of its own."""

    def __init__(self) -> None:
        self._limiter = MemoryLimiter(_nobody)

    def guest(self) -> "Guest":
        """Another one."""
        return Guest(self._limiter)


class Guest:
    """One process that asks. The names of its tickets are its own."""

    def __init__(self, limiter: MemoryLimiter) -> None:
        self._limiter = limiter
        self._held: dict[int, Ticket] = {}
        self._waiting: dict[int, asyncio.Task[Any]] = {}

    async def admit(self, said: dict[str, Any]) -> dict[str, Any]:
        """``standing`` with a place, else ``refused`` with the facts of the refusal."""
        name: int = said["ticket"]
        bounds = tuple([Bound(*told) for told in said["bounds"]])
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs is in a task
        self._waiting[name] = task
        try:
            ticket = await self._limiter.admit_within(bounds, said["queue"], said["max_wait_s"])
        except RateLimited as refused:
            facts = {"message": refused.message, "retry_after_s": refused.retry_after_s, **refused.facts()}
            return {"refused": facts}
        finally:
            del self._waiting[name]
        self._held[name] = ticket
        return {"standing": ticket.standing}

    async def settle(self, said: dict[str, Any]) -> dict[str, Any]:
        """Its request ended, or was given up while it waited."""
        name: int = said["ticket"]
        waiting = self._waiting.get(name)
        if waiting is not None:
            waiting.cancel()
        ticket = self._held.pop(name, None)
        if ticket is not None:
            used = said["used"]
            await self._limiter.settle(ticket, None if used is None else (used[0], used[1]))
        return {}

    async def leave(self) -> None:
        """It has gone."""
        for task in list(self._waiting.values()):
            task.cancel()
        for name in list(self._held):
            await self.settle({"ticket": name, "used": None})
