"""Rate limits of one process: requests and tokens a minute, requests at the same time; by key, team and model.

A request takes its place in all of its limits or in none. Tokens are taken at their worst case, as AWS's own quota
does, and given back when the answer has come. With ``max_wait_s`` a request waits for its turn, keys by turns and the
oldest of each first, instead of being refused.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from llm_gateway.access.contract import Demand, Ticket
from llm_gateway.access.windows import Window
from llm_gateway.domain.errors import RateLimited
from llm_gateway.domain.money import Limits

LimitsOf = Callable[[str, str], Limits | None]
_PRUNE_AT = 20_000
_MEANINGS = {
    "rpm": "requests a minute",
    "tpm": "tokens a minute",
    "input_tpm": "input tokens a minute",
    "output_tpm": "output tokens a minute",
    "concurrent": "requests at the same time",
}


@dataclass(frozen=True, slots=True)
class _Bound:
    """One limit that a request has to fit into. ``amount`` is what it takes of it."""

    scope: str
    scope_id: str
    name: str
    limit: int
    amount: int


@dataclass(slots=True)
class _Place:
    """What a request has taken."""

    bounds: tuple[_Bound, ...] = ()
    second: int = 0
    standing: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class _Waiter:
    bounds: tuple[_Bound, ...]
    turn: asyncio.Future[_Place]


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
        self._queues: OrderedDict[str, deque[_Waiter]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    async def admit(self, demand: Demand) -> Ticket:
        """See :class:`~llm_gateway.access.contract.Limiter`."""
        bounds = self._bounds(demand)
        if not bounds:
            return _Place()
        queue = demand.caller.key_id or ""
        if not self._queues.get(queue):
            tight = self._tightest(bounds)
            if tight is None:
                return self._take(bounds)
            if self._max_wait_s <= 0:
                raise self._refusal(*tight)
        return await self._wait(queue, bounds)

    async def settle(self, ticket: Ticket, used: tuple[int, int] | None) -> None:
        """See :class:`~llm_gateway.access.contract.Limiter`."""
        if not isinstance(ticket, _Place) or not ticket.bounds:
            return
        spent = _by_name(used or (0, 0))
        for bound in ticket.bounds:
            where = (bound.scope, bound.scope_id)
            if bound.name == "concurrent":
                self._busy[where] -= 1
                if not self._busy[where]:
                    del self._busy[where]
            elif bound.name != "rpm":
                self._windows[(*where, bound.name)].correct(ticket.second, spent[bound.name] - bound.amount)
        self._call_up()

    def _bounds(self, demand: Demand) -> tuple[_Bound, ...]:
        caller = demand.caller
        scopes = [("key", caller.key_id or "", caller.limits), ("model", demand.model, None)]
        if caller.team is not None:
            scopes.append(("team", caller.team, None))
        bounds: list[_Bound] = []
        amounts: dict[str, int] | None = None
        for scope, scope_id, own in scopes:
            limits = own if scope == "key" else self._limits_of(scope, scope_id)
            if limits is None or limits.is_empty:
                continue
            if amounts is None:
                needs_tokens = limits.tpm or limits.input_tpm or limits.output_tpm
                amounts = {"rpm": 1, "concurrent": 1, **(_by_name(demand.tokens()) if needs_tokens else {})}
            for name in _MEANINGS:
                limit = getattr(limits, name)
                if limit is not None:
                    if name not in amounts:
                        amounts |= _by_name(demand.tokens())
                    bounds.append(_Bound(scope, scope_id, name, limit, amounts[name]))
        return tuple(bounds)

    def _tightest(self, bounds: tuple[_Bound, ...]) -> tuple[_Bound, float] | None:
        """The limit that a request does not fit into for the longest time, and that time in seconds."""
        now = self._clock()
        waits = [(bound, self._wait_for(bound, now)) for bound in bounds]
        tight = max(waits, key=lambda wait: wait[1])
        return tight if tight[1] > 0 else None

    def _wait_for(self, bound: _Bound, now: float) -> float:
        where = (bound.scope, bound.scope_id)
        if bound.name == "concurrent":
            return 0.0 if self._busy.get(where, 0) < bound.limit else 1.0
        return self._window(bound).room_after_s(now, bound.limit, bound.amount)

    def _window(self, bound: _Bound) -> Window:
        name = (bound.scope, bound.scope_id, bound.name)
        window = self._windows.get(name)
        if window is None:
            if len(self._windows) >= _PRUNE_AT:
                now = self._clock()
                self._windows = {each: kept for each, kept in self._windows.items() if kept.total(now)}
            window = self._windows[name] = Window()
        return window

    def _take(self, bounds: tuple[_Bound, ...]) -> _Place:
        now = self._clock()
        place = _Place(bounds, int(now))
        for bound in bounds:
            where = (bound.scope, bound.scope_id)
            if bound.name == "concurrent":
                self._busy[where] = self._busy.get(where, 0) + 1
            else:
                window = self._window(bound)
                window.add(now, bound.amount)
                _stand(place.standing, bound, max(0, bound.limit - window.total(now)))
        return place

    def _refusal(self, bound: _Bound, after_s: float) -> RateLimited:
        whose = {"key": "this key", "team": f"team {bound.scope_id!r}", "model": f"model {bound.scope_id!r}"}
        taken = "" if bound.amount <= bound.limit else f", and this call alone may take {bound.amount}"
        return RateLimited(
            f"{whose[bound.scope]} may take {bound.limit} {_MEANINGS[bound.name]}{taken}; ask again in "
            f"{after_s:.0f} s" + ("" if bound.amount <= bound.limit else ", with a smaller max_tokens"),
            limit=bound.name,
            scope=bound.scope,
            allowed=bound.limit,
            retry_after_s=max(1.0, after_s),
        )

    async def _wait(self, queue: str, bounds: tuple[_Bound, ...]) -> _Place:
        waiter = _Waiter(bounds, asyncio.get_running_loop().create_future())
        self._queues.setdefault(queue, deque()).append(waiter)
        self._call_up()
        try:
            async with asyncio.timeout(self._max_wait_s):
                return await asyncio.shield(waiter.turn)
        except TimeoutError:
            if waiter.turn.done():  # called up at the last moment
                return waiter.turn.result()
            raise self._refusal(*(self._tightest(bounds) or (bounds[0], 1.0))) from None
        except asyncio.CancelledError:
            if waiter.turn.done():
                await self.settle(waiter.turn.result(), None)
            raise
        finally:
            self._forget(queue, waiter)

    def _forget(self, queue: str, waiter: _Waiter) -> None:
        waiting = self._queues.get(queue)
        if waiting is not None and waiter in waiting:
            waiting.remove(waiter)
        if not waiting:
            self._queues.pop(queue, None)

    def _call_up(self) -> None:
        """Lets in who fits, queue by queue in turn; then sets an alarm for whoever fits next."""
        if not self._queues:
            return
        soonest = 60.0
        for queue in list(self._queues):
            waiting = self._queues[queue]
            while waiting and waiting[0].turn.done():
                waiting.popleft()
            if waiting:
                tight = self._tightest(waiting[0].bounds)
                if tight is None:
                    waiter = waiting.popleft()
                    waiter.turn.set_result(self._take(waiter.bounds))
                    self._queues.move_to_end(queue)
                    soonest = 0.0
                else:
                    soonest = min(soonest, tight[1])
            if not waiting:
                del self._queues[queue]
        self._set_alarm(soonest)

    def _set_alarm(self, after_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._queues:
            self._timer = asyncio.get_running_loop().call_later(after_s, self._call_up)


def _by_name(tokens: tuple[int, int]) -> dict[str, int]:
    return {"tpm": sum(tokens), "input_tpm": tokens[0], "output_tpm": tokens[1]}


def _stand(standing: dict[str, str], bound: _Bound, left: int) -> None:
    """The tightest of each kind, in OpenAI's words."""
    word = "requests" if bound.name == "rpm" else "tokens" if bound.name == "tpm" else None
    if word is None or int(standing.get(f"x-ratelimit-remaining-{word}", left + 1)) <= left:
        return
    standing[f"x-ratelimit-limit-{word}"] = str(bound.limit)
    standing[f"x-ratelimit-remaining-{word}"] = str(left)
    standing[f"x-ratelimit-reset-{word}"] = "60s"
