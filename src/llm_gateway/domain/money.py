"""Purses and limits: how much may be spent, and how fast. Amounts are whole nano-US-dollars."""

from dataclasses import dataclass
from typing import Literal

BudgetScope = Literal["gateway", "team", "key", "run"]
BudgetWindow = Literal["day", "month", "rolling", "lifetime"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """At most ``limit_nano_usd`` within each window. ``scope_id`` is the team, the key's id, or ``key id/run id``;
    empty for the whole gateway. ``window_s`` is the length of a rolling window. ``given_nano_usd`` went to child runs.
    ``alerts`` are the shares in percent at which somebody is told."""

    id: str
    scope: BudgetScope
    scope_id: str
    limit_nano_usd: int
    window: BudgetWindow = "lifetime"
    window_s: int | None = None
    given_nano_usd: int = 0
    alerts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """A budget and what has become of it. ``resets_at`` is ISO 8601 in UTC, ``None`` for a lifetime."""

    budget: Budget
    spent_nano_usd: int
    held_nano_usd: int
    resets_at: str | None

    @property
    def room_nano_usd(self) -> int:
        """What can still be reserved; never below 0."""
        budget = self.budget
        return max(0, budget.limit_nano_usd - budget.given_nano_usd - self.spent_nano_usd - self.held_nano_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How fast: per minute (``rpm`` requests, ``tpm`` all tokens, ``input_tpm``, ``output_tpm``), and how many requests
    at the same time. ``None``: no limit. ``strict`` refuses rather than to estimate while replicas cannot agree."""

    rpm: int | None = None
    tpm: int | None = None
    input_tpm: int | None = None
    output_tpm: int | None = None
    concurrent: int | None = None
    strict: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is limited."""
        return (self.rpm, self.tpm, self.input_tpm, self.output_tpm, self.concurrent) == (None,) * 5
