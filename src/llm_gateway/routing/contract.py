"""What the gateway asks of whoever knows the ways, what strategies are shown, and what is told of it all."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from llm_gateway.domain.completions import Usage
from llm_gateway.domain.errors import GatewayError
from llm_gateway.domain.requests import GenerateRequest, ResolvedModel
from llm_gateway.domain.routes import Policy, RouteTable, Target


class Candidate(NamedTuple):
    """A target as one request may ask it. ``key`` names it for quota, breaker and figures. ``stands_in_for`` is
    ``error``, ``context`` or ``either`` where it is no target of the route itself."""

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

    @property
    def has_one(self) -> bool:
        """Whether there is but one candidate."""
        return len(self.groups) == 1 and len(self.groups[0][1]) == 1

    @property
    def of_one_model(self) -> "Plan":
        """Only the targets with the first one's model: vectors of two models cannot be compared."""
        strategy, candidates = self.groups[0]
        same = [each for each in candidates if each.model.name == self.first.model.name]
        return self._replace(groups=((strategy, tuple(same)),))


class Size(NamedTuple):
    """What a call takes of a quota: its input as estimated from its length, and the longest answer it asks for, in
    tokens."""

    input_tokens: int
    answer_tokens: int


class Trip(NamedTuple):
    """A request that sets out, ``None`` where it is for vectors: then nothing is asked of the models' cards.
    ``scope`` is whose conversations it may be taken for; ``queue`` whose turn it takes.

    ``permits`` says whether the caller may ask a model, ``size`` what the request takes there, ``quote`` what so many
    tokens cost there in nano-dollars. ``input_tokens`` is its length where somebody has counted.
    """

    plan: Plan
    request: GenerateRequest | None
    scope: str
    queue: str
    permits: Callable[[ResolvedModel], bool]
    size: Callable[[Candidate], Size]
    quote: Callable[[Candidate, Usage], int | None]
    input_tokens: int | None = None


class Seat(NamedTuple):
    """A candidate that is asked now; it has ``time_left_s`` for all that it does."""

    candidate: Candidate
    time_left_s: float


class Way(Protocol):
    """One request on its way from candidate to candidate. Each seat ends in one of ``arrived``, ``broke``, ``left`` and
    ``cannot_pay``."""

    async def next(self) -> Seat:
        """Who is asked now; waits where a pause or room in a quota has to be waited for.

        Raises:
            GatewayError: nobody is, any more; it is what the caller hears.
        """
        ...

    def began(self, seat: Seat) -> None:
        """The answer begins."""
        ...

    def arrived(self, seat: Seat, usage: Usage, first_token_ms: float | None = None) -> None:
        """The answer is whole."""
        ...

    def broke(self, seat: Seat, error: BaseException) -> bool:
        """The attempt failed; whether another may help, as far as the fault says."""
        ...

    def left(self, seat: Seat) -> None:
        """Nothing was sent, and nothing is known of the candidate."""
        ...

    def cannot_pay(self, seat: Seat, error: GatewayError) -> bool:
        """Nothing was sent, since a purse cannot pay for this candidate; whether another may stand in."""
        ...

    @property
    def is_straight(self) -> bool:
        """Whether there was but one candidate, asked by its own name, once."""
        ...

    def as_told(self, answered: Candidate | None) -> dict[str, object]:
        """The way as JSON values: candidates, why the first of them, attempts, and who answered."""
        ...


class Ways(Protocol):
    """Knows which candidates stand behind a word."""

    def plan(self, asked: str) -> Plan:
        """The candidates for a caller's word: a route by its name, else the model.

        Raises:
            UnknownModel: it is neither.
        """
        ...

    def set_out(self, trip: Trip) -> Way:
        """The way of a request, its candidates in order."""
        ...

    def arrived(self, trip: Trip, candidate: Candidate, usage: Usage) -> None:
        """This candidate answered: a conversation may be sent there again."""
        ...


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
