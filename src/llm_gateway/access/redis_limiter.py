"""Rate limits that replicas share through Redis: the same limits as in one process, counted by Redis's clock.

While Redis does not answer, each replica lets through its own part of every limit (``1 / replicas``), knowing what it
let through before; limits marked ``strict`` refuse instead. What Redis gets to see: ids of keys, teams and models.
"""

import asyncio
import secrets
from collections import OrderedDict, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from llm_gateway.access.bounds import Bound, LimitsOf, bounds_of, by_name, refusal, shared_out, stand
from llm_gateway.access.contract import Demand, Ticket
from llm_gateway.access.memory_limiter import MemoryLimiter
from llm_gateway.access.redis_scripts import ADMIT, RENEW, SETTLE
from llm_gateway.domain.errors import Overloaded
from llm_gateway.storage.redis_server import RedisServer, RedisUnavailable

_LEASE_MS = 30_000
_RENEW_S = 10.0
_LOOK_S = 0.2  # whether another replica made room, while somebody waits
_GRACE_MS = 2_000  # a replica that has not looked for so long does not wait any more
_RENEWED_AT_ONCE = 500
_Refused = tuple[Bound, float]


@dataclass(slots=True, eq=False)
class _Place:
    """What a request has taken: of what all share, and (``own``) of this replica's part."""

    own: Ticket
    bounds: tuple[Bound, ...] = ()
    ticket: str = ""
    second: int = 0
    standing: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True, eq=False)
class _Waiter:
    bounds: tuple[Bound, ...]
    turn: asyncio.Future[_Place]
    refused: _Refused


class RedisLimiter:
    """``replicas``: how many gateways share this Redis."""

    def __init__(
        self,
        server: RedisServer,
        limits_of: LimitsOf,
        *,
        replicas: int = 1,
        max_wait_s: float = 0.0,
        renew_s: float = _RENEW_S,
    ) -> None:
        self._server = server
        self._limits_of = limits_of
        self._replicas = replicas
        self._max_wait_s = max_wait_s
        self._renew_s = renew_s
        self._own = MemoryLimiter(limits_of)
        self._replica = secrets.token_hex(8)
        self._tickets = 0
        self._held: set[_Place] = set()
        self._renewing: asyncio.Task[None] | None = None
        self._queues: OrderedDict[str, deque[_Waiter]] = OrderedDict()
        self._serving: asyncio.Task[None] | None = None
        self._room = asyncio.Event()

    async def admit(self, demand: Demand) -> Ticket:
        """See :class:`~llm_gateway.access.contract.Limiter`."""
        bounds = bounds_of(demand, self._limits_of)
        if not bounds:
            return _Place(self._own.take(()))
        loop = asyncio.get_running_loop()
        until, queue = loop.time() + self._max_wait_s, demand.caller.key_id or ""
        try:
            return await self._admit(bounds, queue)
        except RedisUnavailable as gone:
            if any([bound.is_strict for bound in bounds]):
                raise Overloaded(
                    "the replicas cannot count together now, and this limit is strict; try again in a moment",
                    code="limits_unavailable",
                    retry_after_s=2,
                ) from gone
            left_s = max(0.0, until - loop.time()) if self._max_wait_s else 0.0
            return await self._own.admit_within(shared_out(bounds, self._replicas), queue, left_s)

    async def settle(self, ticket: Ticket, used: tuple[int, int] | None) -> None:
        """See :class:`~llm_gateway.access.contract.Limiter`. What cannot be given back counts for its minute."""
        if not isinstance(ticket, _Place):
            return await self._own.settle(ticket, used)
        await self._own.settle(ticket.own, used)
        if not ticket.bounds:
            return None
        self._held.discard(ticket)
        spent = by_name(used or (0, 0))
        corrections: dict[str, str | int] = {}
        for bound in ticket.bounds:
            if bound.name == "concurrent":
                corrections[_key(bound)] = "beside"
            elif bound.name != "rpm" and spent[bound.name] != bound.amount:
                corrections[_key(bound)] = spent[bound.name] - bound.amount
        if corrections:
            with suppress(RedisUnavailable):
                await self._server.run(SETTLE, [*corrections], ticket.ticket, ticket.second, *corrections.values())
        self._room.set()
        return None

    async def aclose(self) -> None:
        """Renews no more leases; lets nobody in any more."""
        for task in (self._renewing, self._serving):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])

    async def _admit(self, bounds: tuple[Bound, ...], queue: str) -> _Place:
        refused = self._ahead(bounds, queue)
        if refused is None:
            outcome = await self._take(bounds, "come" if self._max_wait_s else "refuse")
            if isinstance(outcome, _Place):
                return outcome
            refused = outcome
        if self._max_wait_s <= 0:
            raise refusal(*refused)
        return await self._wait(queue, bounds, refused)

    def _ahead(self, bounds: tuple[Bound, ...], queue: str) -> _Refused | None:
        """Whoever is waited for: the same key's own, and those at a limit that this one needs too."""
        if self._queues.get(queue):
            return self._queues[queue][0].refused
        needed = {_key(bound) for bound in bounds}
        heads = [waiting[0].refused for waiting in self._queues.values() if waiting]
        return next((refused for refused in heads if _key(refused[0]) in needed), None)

    async def _take(self, bounds: tuple[Bound, ...], manner: str) -> _Place | _Refused:
        self._tickets += 1
        ticket = f"{self._replica}:{self._tickets}"
        told: list[str | int] = []
        for bound in bounds:
            told += ["beside" if bound.name == "concurrent" else "window", bound.limit, bound.amount]
        keys = [_key(bound) for bound in bounds]
        head = (ticket, _LEASE_MS, self._replica, manner, _GRACE_MS)
        try:
            answer = await self._server.run(ADMIT, keys, *head, *told)
        except asyncio.CancelledError:
            self._give_up(bounds, ticket)
            raise
        if answer[0]:
            return bounds[int(answer[0]) - 1], int(answer[1]) / 1000
        place = _Place(self._own.take(bounds), bounds, ticket, answer[1])
        for bound, total in zip(bounds, answer[2:], strict=True):
            if bound.name == "concurrent":
                self._hold(place)
            else:
                stand(place.standing, bound, max(0, bound.limit - total))
        return place

    def _give_up(self, bounds: tuple[Bound, ...], ticket: str) -> None:
        """Whoever asked has left; a place that was taken for it all the same is given back, but for its minute."""
        leases = [_key(bound) for bound in bounds if bound.name == "concurrent"]
        if leases:
            task = asyncio.ensure_future(self._server.run(SETTLE, leases, ticket, 0, *["beside"] * len(leases)))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _wait(self, queue: str, bounds: tuple[Bound, ...], refused: _Refused) -> _Place:
        waiter = _Waiter(bounds, asyncio.get_running_loop().create_future(), refused)
        self._queues.setdefault(queue, deque()).append(waiter)
        self._room.set()
        if self._serving is None or self._serving.done():
            self._serving = asyncio.get_running_loop().create_task(self._serve())
        try:
            async with asyncio.timeout(self._max_wait_s):
                return await asyncio.shield(waiter.turn)
        except TimeoutError:
            if waiter.turn.done():  # let in at the last moment
                return waiter.turn.result()
            raise refusal(*waiter.refused) from None
        except asyncio.CancelledError:
            if waiter.turn.done() and waiter.turn.exception() is None:
                await self.settle(waiter.turn.result(), None)
            raise
        finally:
            waiter.turn.cancel()
            self._forget(queue, waiter)

    def _forget(self, queue: str, waiter: _Waiter) -> None:
        waiting = self._queues.get(queue)
        if waiting is not None and waiter in waiting:
            waiting.remove(waiter)
        if not waiting:
            self._queues.pop(queue, None)

    async def _serve(self) -> None:
        """Lets in who fits, queue by queue in turn, the oldest of each first."""
        while self._queues:
            self._room.clear()
            soonest = _LOOK_S
            for queue in list(self._queues):
                waiting = self._queues.get(queue)
                if waiting:
                    soonest = min(soonest, await self._call_up(queue, waiting[0]))
            if soonest > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(soonest):
                        await self._room.wait()

    async def _call_up(self, queue: str, waiter: _Waiter) -> float:
        """Lets one in if it fits; in how many seconds to look again."""
        try:
            outcome = await self._take(waiter.bounds, "turn")
        except RedisUnavailable as gone:
            self._forget(queue, waiter)
            if not waiter.turn.done():
                waiter.turn.set_exception(gone)
            return 0.0
        if not isinstance(outcome, _Place):
            waiter.refused = outcome
            return outcome[1]
        self._forget(queue, waiter)
        if queue in self._queues:
            self._queues.move_to_end(queue)
        if waiter.turn.done():
            await self.settle(outcome, None)
        else:
            waiter.turn.set_result(outcome)
        return 0.0

    def _hold(self, place: _Place) -> None:
        self._held.add(place)
        if self._renewing is None:
            self._renewing = asyncio.get_running_loop().create_task(self._renew())

    async def _renew(self) -> None:
        """Keeps the leases of what is under way; those lost while Redis was away are taken anew."""
        while True:
            await asyncio.sleep(self._renew_s)
            with suppress(RedisUnavailable):
                held = list(self._held)
                for start in range(0, len(held), _RENEWED_AT_ONCE):
                    await self._renew_some(held[start : start + _RENEWED_AT_ONCE])

    async def _renew_some(self, places: Sequence[_Place]) -> None:
        """What is settled from here on leaves after it, over the same connection."""
        still = [place for place in places if place in self._held]
        leases = [
            (_key(bound), place.ticket) for place in still for bound in place.bounds if bound.name == "concurrent"
        ]
        if leases:
            keys = [key for key, _ in leases]
            await self._server.run(RENEW, keys, _LEASE_MS, *[ticket for _, ticket in leases])


def _key(bound: Bound) -> str:
    return f"llm-gateway:{{limits}}:{bound.name}:{bound.scope}:{bound.scope_id}"
