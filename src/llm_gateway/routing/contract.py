"""What the gateway asks of whoever knows the ways, what strategies are shown, and what is told of it all."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from llm_gateway.domain.requests import ResolvedModel
from llm_gateway.domain.routes import Policy, RouteTable, Target


class Candidate(NamedTuple):
    """A target as one request may ask it. ``key`` names it for quota, breaker and figures. ``stands_in_for`` is
    ``error`` or ``context`` where it is no target of the route itself."""

    key: str
    target: Target
    model: ResolvedModel
    stands_in_for: str | None = None


class Plan(NamedTuple):
    """The candidates for one word, in the order of the file. ``route`` is ``None`` for a model asked by its own name.
    The first gives the request its name: what is asked, limited and kept is asked of that model."""

    route: str | None
    groups: tuple[tuple[str, tuple[Candidate, ...]], ...]
    """Each with the name of its strategy: the route's own targets, then those that stand in for them."""
    policy: Policy

    @property
    def first(self) -> Candidate:
        """The first target of the route."""
        return self.groups[0][1][0]


class TargetView(NamedTuple):
    """One target as a strategy sees it. ``quota_left`` from 0 to 1 (1 where no limit is known); ``first_token_ms`` is a
    moving average, ``None`` where it was not asked lately. ``expected_nano_usd`` is what this request would cost there,
    ``None`` where no price is known; ``warm_tokens`` of it are in a prompt cache there. ``was_last``: it gave the last
    answer of this conversation."""

    key: str
    weight: float
    in_flight: int
    quota_left: float
    first_token_ms: float | None
    expected_nano_usd: int | None = None
    warm_tokens: int = 0
    was_last: bool = False


class Snapshot(NamedTuple):
    """A route at one moment. ``draws``: a random number from 0 to 1 for each target, so that a strategy stays pure."""

    targets: tuple[TargetView, ...]
    draws: tuple[float, ...]


Order = Callable[[Snapshot], Sequence[int]]
"""The places of the targets, best first. Pure. What is left out is not asked."""


class Strategy(NamedTuple):
    """``why`` says in a few words why the target at this place is first."""

    name: str
    order: Order
    why: Callable[[Snapshot, int], str]
    wants_costs: bool = False
    wants_memory: bool = False


class RouteBook(Protocol):
    """The routes in force, and how their targets are. A request goes by the routes that were in force when it came."""

    def replace(self, table: RouteTable) -> None:
        """Other routes from now on, all at once; what is known of targets that stay is kept."""
        ...

    def told(self) -> Mapping[str, object]:
        """Routes and targets as JSON values, for people: ``routes`` with their targets in order, ``targets`` with
        breaker, calls under way, what is left of their quota and the usual wait for the first token."""
        ...
