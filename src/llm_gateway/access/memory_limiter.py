"""Rate limits of one process: requests and tokens a minute, requests at the same time; by key, team and model.

A request takes its place in all of its limits or in none. Tokens are taken at their worst case, as AWS's own quota
does, and given back when the answer has come. With ``max_wait_s`` a request waits for its turn, keys by turns and the
oldest of each first, instead of being refused.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from llm_gateway.access.bounds import Bound, LimitsOf, bounds_of, by_name, refusal, stand
from llm_gateway.access.contract import Demand, Ticket
from llm_gateway.access.windows import Window
from llm_gateway.turns import Turns

_PRUNE_AT = 20_000


@dataclass(slots=True)
class _Place:
    """What a request has taken."""

    bounds: tuple[Bound, ...] = ()
    second: int = 0
    standing: dict[str, str] = field(default_factory=dict[str, str])


class MemoryLimiter:
    """``limits_of`` gives the limits of a ``team`` or a ``model``; those of a key come with its caller."""

    def __init__(
        self, limits_of: LimitsOf, *, max_wait_s: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits_of = limits_of
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._windows: dict[tuple[str, str, str], Window] = {}
        self._busy: dict[tuple[str, str], int] = {}
        self._turns: Turns[tuple[Bound, ...], _Place] = Turns(self._call_up, self._unwanted)

    async def admit(self, demand: Demand) -> Ticket:
        """See :class:`~llm_gateway.access.contract.Limiter`."""
        bounds = bounds_of(demand, self._limits_of)
        return await self.admit_within(bounds, demand.caller.key_id or "", self._max_wait_s)

    async def admit_within(self, bounds: tuple[Bound, ...], queue: str, max_wait_s: float) -> Ticket:
        """The same for limits that are known already."""
        if not bounds:
            return _Place()
        if queue not in self._turns:
            tight = self._tightest(bounds)
            if tight is None:
                return self.take(bounds)
            if max_wait_s <= 0:
                raise refusal(*tight)
        place = await self._turns.wait(queue, bounds, max_wait_s)
        if place is None:
            raise refusal(*(self._tightest(bounds) or (bounds[0], 1.0)))
        return place

    async def settle(self, ticket: Ticket, used: tuple[int, int] | None) -> None:
        """See :class:`~llm_gateway.access.contract.Limiter`."""
        if not isinstance(ticket, _Place) or not ticket.bounds:
            return
        spent = by_name(used or (0, 0))
        for bound in ticket.bounds:
            where = (bound.scope, bound.scope_id)
            if bound.name == "concurrent":
                self._busy[where] -= 1
                if not self._busy[where]:
                    del self._busy[where]
            elif bound.name != "rpm":
                self._window(bound).correct(ticket.second, spent[bound.name] - bound.amount)
        self._call_up()

    async def aclose(self) -> None:
        """See :class:`~llm_gateway.access.contract.Limiter`."""
        self._turns.stop()

    def _tightest(self, bounds: tuple[Bound, ...]) -> tuple[Bound, float] | None:
        """The limit that a request does not fit into for the longest time, and that time in seconds."""
        now = self._clock()
        waits = [(bound, self._wait_for(bound, now)) for bound in bounds]
        tight = max(waits, key=lambda wait: wait[1])
        return tight if tight[1] > 0 else None

    def _wait_for(self, bound: Bound, now: float) -> float:
        where = (bound.scope, bound.scope_id)
        if bound.name == "concurrent":
            return 0.0 if self._busy.get(where, 0) < bound.limit else 1.0
        return self._window(bound).room_after_s(now, bound.limit, bound.amount)

    def _window(self, bound: Bound) -> Window:
        name = (bound.scope, bound.scope_id, bound.name)
        window = self._windows.get(name)
        if window is None:
            if len(self._windows) >= _PRUNE_AT:
                now = self._clock()
                self._windows = {each: kept for each, kept in self._windows.items() if kept.total(now)}
            window = self._windows[name] = Window()
        return window

    def take(self, bounds: tuple[Bound, ...]) -> _Place:
        """Counts a request in, whether it fits or not."""
        now = self._clock()
        place = _Place(bounds, int(now))
        for bound in bounds:
            where = (bound.scope, bound.scope_id)
            if bound.name == "concurrent":
                self._busy[where] = self._busy.get(where, 0) + 1
            else:
                window = self._window(bound)
                window.add(now, bound.amount)
                stand(place.standing, bound, max(0, bound.limit - window.total(now)))
        return place

    async def _unwanted(self, place: _Place) -> None:
        await self.settle(place, None)

    def _call_up(self) -> None:
        """Lets in who fits, queue by queue in turn; then sets an alarm for whoever fits next."""
        soonest = 60.0
        for queue, waiter in self._turns.heads():
            tight = self._tightest(waiter.asked)
            if tight is None:
                self._turns.let_in(queue, waiter, self.take(waiter.asked))
                soonest = 0.0
            else:
                soonest = min(soonest, tight[1])
        self._turns.look_again_in(soonest)
