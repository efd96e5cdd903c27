"""The limits of several processes of one machine, counted by one of them: the side that asks."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import astuple, dataclass, field
from typing import Any, Protocol

from llm_gateway.access.bounds import LimitsOf, bounds_of
from llm_gateway.access.contract import Demand, Ticket
from llm_gateway.domain.errors import Overloaded, RateLimited


class Host(Protocol):
    """The way to whoever counts."""

    @property
    def ask(self) -> Callable[..., Awaitable[dict[str, Any]]]:
        """Asks ``admit``."""
        ...

    @property
    def tell(self) -> Callable[..., None]:
        """Tells ``settle``."""
        ...


@dataclass(slots=True)
class _Place:
    name: int = 0
    standing: dict[str, str] = field(default_factory=dict[str, str])


class LimitsGuest:
    """``gone`` is what the host raises when it is no more."""

    def __init__(self, host: Host, limits_of: LimitsOf, *, gone: type[Exception], max_wait_s: float = 0.0) -> None:
        self._host = host
        self._limits_of = limits_of
        self._gone = gone
        self._max_wait_s = max_wait_s
        self._tickets = 0

    async def admit(self, demand: Demand) -> Ticket:
        """See :class:`~llm_gateway.access.contract.Limiter`. What nothing limits asks nobody."""
        bounds = bounds_of(demand, self._limits_of)
        if not bounds:
            return _Place()
        self._tickets += 1
        name = self._tickets
        queue = demand.caller.key_id or ""
        told = [astuple(bound) for bound in bounds]
        try:
            answer = await self._host.ask("admit", ticket=name, bounds=told, queue=queue, max_wait_s=self._max_wait_s)
        except asyncio.CancelledError:
            self._host.tell("settle", ticket=name, used=None)
            raise
        except self._gone:
            raise Overloaded(
                "whoever counts for all workers has gone; ask again in a moment",
                code="limits_unavailable",
                retry_after_s=2,
            ) from None
        if "refused" in answer:
            facts = answer["refused"]
            raise RateLimited(facts.pop("message"), **facts)
        return _Place(name, answer["standing"])

    async def settle(self, ticket: Ticket, used: tuple[int, int] | None) -> None:
        """See :class:`~llm_gateway.access.contract.Limiter`."""
        if isinstance(ticket, _Place) and ticket.name:
            self._host.tell("settle", ticket=ticket.name, used=used)

    async def aclose(self) -> None:
        """The host goes on."""
