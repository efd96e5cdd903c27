"""What the gateway asks of whoever writes down what is spent.

Each call of a model is opened before it is sent (its worst case is reserved, and what a crash would have cost is
known), and settled or released after it, once. What ``settle`` was told is durable when it returns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from llm_gateway.domain.callers import Caller
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.money import BudgetState
from llm_gateway.storage.contract import Work


class LedgerRow(NamedTuple):
    """One paid attempt. Content is never in it. ``cost_nano_usd`` is ``None`` where no price is known.

    ``price_id`` is what a price was looked up by: invoked id, region and tier; with the tokens by class the cost can be
    worked out anew. ``outcome`` is ``ok``, an error's code, ``client_disconnect`` or ``crashed``.
    """

    id: str
    request_id: str
    caller: Caller
    model_asked: str
    model: str
    model_id: str
    region: str
    usage: Usage
    service_tier: str | None
    price_source: str | None
    price_checked_on: str | None
    cost_nano_usd: int | None
    latency_ms: float
    first_token_ms: float | None
    outcome: str
    route: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstCost:
    """What a call costs at the most: its input alone, and with its longest answer; ``None``: no price is known.

    A shorter answer than ``least_answer_tokens`` is of no use to the caller, or not taken by the model.
    """

    input_nano_usd: int | None
    most_nano_usd: int | None
    longest_answer_tokens: int
    least_answer_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A call that is about to be paid. ``if_crashed`` is its row should this process die before it settles.

    ``worst`` is worked out only where a purse wants to know, in any thread; it may raise what is wrong with the call.
    """

    if_crashed: LedgerRow
    worst: Callable[[], WorstCost]


class Hold(NamedTuple):
    """What an open call has reserved. ``answer_tokens`` is the longest answer that the purses can pay where that is
    less than what was asked for; then ``clamped_by`` says whose purse it was."""

    id: str
    answer_tokens: int | None = None
    clamped_by: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """A purse has passed one of its marks."""

    state: BudgetState
    percent: int


class Books(Protocol):
    """Ledger, purses and what is reserved of them. Without ``keeps`` nothing is written down: nobody need ask."""

    keeps: bool

    @property
    def available(self) -> bool:
        """Whether they could be written, or read, when that was last tried: a second ago at the most."""
        ...

    async def open(self, intent: Intent) -> Hold:
        """Reserves the worst case in every purse that the call draws on, or in none.

        Raises:
            BudgetExceeded: a purse cannot pay for it (``price_unknown``: nobody can tell).
            Overloaded: ``ledger_unavailable``; do not ask the model.
        """
        ...

    async def settle(self, hold: Hold, rows: Sequence[LedgerRow], also: Work[Any] | None = None) -> None:
        """Books what was paid, gives back the rest, and does ``also`` in the same transaction. Never raises for a
        database that is down: the rows are kept aside and booked when it is back."""
        ...

    async def aclose(self) -> None:
        """Writes what waits."""
        ...


NOTHING_HELD = Hold("")


class NoBooks:
    """Writes nothing down: no ledger, no purses."""

    keeps = False
    available = True

    async def open(self, intent: Intent) -> Hold:
        """Reserves nothing."""
        return NOTHING_HELD

    async def settle(self, hold: Hold, rows: Sequence[LedgerRow], also: Work[Any] | None = None) -> None:
        """Forgets at once."""

    async def aclose(self) -> None:
        """Nothing waits."""
