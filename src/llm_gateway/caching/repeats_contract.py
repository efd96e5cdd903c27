"""What the gateway asks of whoever keeps answers under their callers' own names."""

from dataclasses import dataclass
from typing import Any, Protocol

from llm_gateway.domain.completions import Completion
from llm_gateway.domain.errors import IdempotencyConflict
from llm_gateway.storage.contract import Work


@dataclass(frozen=True, slots=True)
class Named:
    """A request under a caller's name for it. ``body`` is the fingerprint of what is asked, in hexadecimal."""

    scope: str
    name: str
    body: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered under that name before."""

    completion: Completion
    cost_nano_usd: int | None


class Repeats(Protocol):
    """Who keeps named answers."""

    async def claim(self, named: Named) -> KeptAnswer | None:
        """The answer kept under this name, or ``None``: then the name is the caller's to answer under.

        Raises:
            IdempotencyConflict: it belongs to another request, or to one that still runs elsewhere.
            Overloaded: ``ledger_unavailable``.
        """
        ...

    def keeping(self, named: Named, kept: KeptAnswer) -> Work[Any] | None:
        """The transaction that keeps the answer, for whoever books its cost; ``None`` where it is kept at once."""
        ...

    async def let_go(self, named: Named) -> None:
        """There is no answer: the name may be claimed anew."""
        ...


def other_body(name: str) -> IdempotencyConflict:
    """The name stands for another request."""
    return IdempotencyConflict(
        f"the idempotency key {name!r} was used for another request; use a new key for each request", running=False
    )


def still_running(name: str) -> IdempotencyConflict:
    """Another process answers it now."""
    return IdempotencyConflict(
        f"the request of the idempotency key {name!r} is still running; ask again in a moment", running=True
    )


class NoRepeats:
    """Keeps nothing: a name holds only as long as its request runs."""

    async def claim(self, named: Named) -> KeptAnswer | None:
        """Every name is free."""
        return None

    def keeping(self, named: Named, kept: KeptAnswer) -> None:
        """Forgets at once."""

    async def let_go(self, named: Named) -> None:
        """Nothing was claimed."""
