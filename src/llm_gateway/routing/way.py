"""The way of one request from candidate to candidate: who is asked next, when, and when it is over.

Laws: at most ``attempts`` calls over all targets, inside one deadline and the budget of retries. A fault of the target
is repeated there while it may help, but the last attempt is kept for another target; a throttle, or a lost connection,
goes to another at once. What may have been paid for is not repeated on its target.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from llm_gateway.domain.completions import Usage
from llm_gateway.domain.errors import BackendError, ConnectionLost, ContextTooLong, GatewayError
from llm_gateway.domain.remedies import Remedy
from llm_gateway.routing.contract import Candidate, Plan, Seat, Size
from llm_gateway.routing.last_words import Lacking, crowded, last_words, no_room
from llm_gateway.routing.quota import NOTHING_COUNTED, Quota
from llm_gateway.routing.retry_budget import RetryBudget
from llm_gateway.routing.roads import Diary, Road
from llm_gateway.routing.targets import TargetState

_LONGEST_PAUSE_S = 20.0
_ASKS_FOR_BUDGET = 3
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Chances:
    """What a way needs besides its candidates: the clock, what it may repeat, and luck."""

    budget: RetryBudget
    clock: Callable[[], float] = time.monotonic
    sleep: Sleep = asyncio.sleep
    draw: Callable[[], float] = random.random


class Journey:
    """A :class:`~llm_gateway.routing.contract.Way`. ``size`` gives what it takes of a quota at a candidate; ``queue``
    is whose turn it takes where it has to wait; ``lacking`` says why candidates were left out from the start;
    ``overflows``: among them all that are no stand-ins, for the conversation is longer than they take."""

    __slots__ = (
        "_chances",
        "_context_only",
        "_deadline",
        "_diary",
        "_is_granted",
        "_lacking",
        "_last",
        "_made",
        "_once",
        "_plan",
        "_policy",
        "_queue",
        "_roads",
        "_set_out_at",
        "_size",
    )

    def __init__(
        self,
        plan: Plan,
        roads: list[tuple[Candidate, TargetState]],
        *,
        chances: Chances,
        timeout_s: float,
        queue: str,
        size: Callable[[Candidate], Size],
        why: str,
        lacking: Lacking = (),
        overflows: bool = False,
    ) -> None:
        self._plan = plan
        self._policy = plan.policy
        self._chances = chances
        self._set_out_at = chances.clock()
        self._deadline = self._set_out_at + timeout_s
        self._roads = [Road(candidate, state) for candidate, state in roads]
        self._queue = queue
        self._size = size
        self._lacking = lacking
        self._made = 0
        self._once = False
        self._context_only = overflows
        self._is_granted = False
        self._last: Road | None = None
        self._diary = Diary(plan, self._roads, why)
        for candidate, lacks in lacking:
            self._diary.passed_over(candidate, f"lacks {', '.join(lacks)}")

    async def next(self) -> Seat:
        """See :class:`~llm_gateway.routing.contract.Way`."""
        if not self._made and (only := self._only()) is not None:
            self._made, self._last = 1, only
            only.enter(self._set_out_at, None)
            return Seat(only.candidate, self._deadline - self._set_out_at)
        while True:
            road = self._choose()
            if road is None:
                raise self._last_words()
            if self._made and not self._is_granted and not await self._granted():
                raise self._last_words()
            if await self._enter(road):
                self._is_granted = False
                return Seat(road.candidate, self._deadline - self._chances.clock())

    def began(self, seat: Seat) -> None:
        """See :class:`~llm_gateway.routing.contract.Way`."""
        self._chances.budget.answered(seat.candidate.key)
        road = self._road_of(seat)
        if road.probes:
            road.state.went_well(probes=True)
            road.probes = False  # it has found out; what comes now counts as from any call

    def arrived(self, seat: Seat, usage: Usage, first_token_ms: float | None = None) -> None:
        """See :class:`~llm_gateway.routing.contract.Way`."""
        road, now = self._road_of(seat), self._chances.clock()
        road.leave(usage)
        road.state.went_well(probes=road.probes)
        if first_token_ms is not None:
            road.state.spoke(first_token_ms, now)
        self._diary.attempt(seat.candidate, "ok", now - road.began_at)

    def broke(self, seat: Seat, error: BaseException) -> bool:
        """See :class:`~llm_gateway.routing.contract.Way`."""
        road, now = self._road_of(seat), self._chances.clock()
        if not isinstance(error, GatewayError):
            road.leave(None)
            road.state.breaker.left(road.probes)
            return False
        road.leave(error.spent, refused=error.remedy.says == "throttles")
        remedy, pause_s = error.remedy, self._pause_s(error, road.asked)
        road.state.went_wrong(error.code, remedy, self._policy, pause_s, probes=road.probes)
        if not isinstance(error, BackendError):
            road.state.went_well(probes=road.probes)  # it answered; the caller is to blame
        self._made += error.sends - 1
        self._diary.attempt(seat.candidate, error.code, now - road.began_at, error.message)
        road.error, road.not_before = error, now + pause_s
        road.closed = road.asked > remedy.same
        if isinstance(error, ContextTooLong):
            self._context_only = True
            return self._has_larger(road)
        if remedy.once and self._once:
            return False
        self._once = self._once or remedy.once
        return remedy.falls or remedy.same > 0

    def left(self, seat: Seat) -> None:
        """See :class:`~llm_gateway.routing.contract.Way`."""
        road = self._road_of(seat)
        road.leave(None)
        road.state.breaker.left(road.probes)
        self._made -= 1

    def cannot_pay(self, seat: Seat, error: GatewayError) -> bool:
        """See :class:`~llm_gateway.routing.contract.Way`."""
        self.left(seat)
        self._road_of(seat).closed = True
        self._diary.passed_over(seat.candidate, error.code)
        return self._made > 0

    @property
    def is_straight(self) -> bool:
        """See :class:`~llm_gateway.routing.contract.Way`."""
        return self._diary.is_straight

    def as_told(self, answered: Candidate | None) -> dict[str, object]:
        """See :class:`~llm_gateway.routing.contract.Way`."""
        return self._diary.as_told(answered)

    def _only(self) -> Road | None:
        """The only candidate, where nothing keeps it from being asked at once: the way of most requests."""
        road = self._roads[0] if len(self._roads) == 1 else None
        if road is None or road.closed or road.state.quota is not None or not road.state.breaker.is_closed:
            return None
        return road

    # --- who is next --------------------------------------------------------------------------------------------------

    def _choose(self) -> Road | None:
        if self._made >= self._policy.attempts or self._chances.clock() >= self._deadline:
            return None
        last, now = self._last, self._chances.clock()
        roads = [road for road in self._roads if self._is_open(road, now)]
        if last is None or last.error is None:
            best = self._best(roads, now)
            if not self._made:
                self._note_resting(best, now)
            return best
        others = [road for road in roads if road is not last]
        is_last_attempt = self._made + 1 >= self._policy.attempts
        can_repeat = last in roads and not last.closed
        if others and last.error.remedy.falls:
            falls_at_once = last.error.remedy.says == "throttles" or isinstance(last.error, ConnectionLost)
            if can_repeat and not falls_at_once and not is_last_attempt:
                return last
            return self._best([*others, last] if can_repeat else others, now)
        if self._context_only:
            return self._best(others, now) if others else None
        return last if can_repeat else None

    def _is_open(self, road: Road, now: float) -> bool:
        if road.closed or (road.candidate.stands_in_for == "context" and not self._context_only):
            return False
        if self._context_only and not self._is_larger(road):
            return False
        return road.state.breaker.is_closed or road.state.breaker.opens_in_s(now) == 0

    def _best(self, roads: list[Road], now: float) -> Road | None:
        """The first that can be asked at once; else the one that can be soonest."""
        if len(roads) < 2:
            return roads[0] if roads else None
        soonest, shortest = None, 0.0
        for road in roads:
            wait_s = max(road.not_before - now, road.state.cooling_until - now, self._quota_wait_s(road))
            if wait_s <= 0:
                return road
            if soonest is None or wait_s < shortest:
                soonest, shortest = road, wait_s
        return soonest

    def _note_resting(self, best: Road | None, now: float) -> None:
        """Why those before the best were not asked."""
        for road in self._roads:
            if road is best:
                return
            if road.closed or road.candidate.stands_in_for == "context":
                continue
            rests_s, opens_in_s = road.state.cooling_until - now, road.state.breaker.opens_in_s(now)
            if opens_in_s > 0:
                reason = f"its breaker is open for {opens_in_s:.1f} s more"
            else:
                reason = f"rests for {rests_s:.1f} s after a throttle" if rests_s > 0 else "no room in its quota"
            self._diary.passed_over(road.candidate, reason)

    def _quota_wait_s(self, road: Road) -> float:
        quota = road.state.quota
        if quota is None:
            return 0.0
        wait_s = quota.wait_s(self._sized(road, quota))
        return max(wait_s, 0.001) if quota.is_waited_for else wait_s

    # --- waiting ------------------------------------------------------------------------------------------------------

    async def _granted(self) -> bool:
        """One more attempt within the budget of retries. For a throttled target it is asked for again after a pause:
        answers on their way may pay for it."""
        last = self._last
        if last is None or isinstance(last.error, ContextTooLong):
            return True  # nothing of it is repeated
        for number in range(1, _ASKS_FOR_BUDGET + 1):
            if self._chances.budget.grant(last.candidate.key, self._policy.retry_share):
                self._is_granted = True
                return True
            if last.error is None or last.error.remedy.says != "throttles" or number == _ASKS_FOR_BUDGET:
                return False
            if not await self._pause(_jittered(last.error.remedy, number, self._chances.draw())):
                return False
        return False

    async def _enter(self, road: Road) -> bool:
        """Whether a call of it may begin. Where not, it is over with this target, or its breaker opened meanwhile."""
        clock, state = self._chances.clock, road.state
        if not await self._pause(road.not_before - clock()):
            road.closed = True
            return False
        now = clock()
        if not state.breaker.is_closed and state.breaker.opens_in_s(now) > 0:
            return False
        taken = None
        if state.quota is not None:
            size = self._sized(road, state.quota)
            taken = await state.quota.admit(self._queue, size, min(self._policy.max_wait_s, self._deadline - now))
            self._diary.waited_s += clock() - now
            if taken is None:
                road.closed = True
                road.error = road.error or _no_place(road.candidate, state.quota, size)
                self._diary.passed_over(road.candidate, "no room in its quota")
                return False
            if not state.breaker.is_closed and state.breaker.opens_in_s(clock()) > 0:  # while this waited for room
                state.quota.settle(taken, None)
                return False
        self._made += 1
        self._last = road
        road.enter(clock(), taken)
        return True

    def _sized(self, road: Road, quota: Quota) -> Size:
        return self._size(road.candidate) if quota.counts_tokens else NOTHING_COUNTED

    async def _pause(self, pause_s: float) -> bool:
        """Whether there was time for it."""
        if pause_s <= 0:
            return True
        if self._chances.clock() + pause_s >= self._deadline:
            return False
        self._diary.waited_s += pause_s
        await self._chances.sleep(pause_s)
        return True

    def _pause_s(self, error: GatewayError, asked: int) -> float:
        """Full jitter, twice as long each time; never shorter than AWS asked for. Too long a wait is none."""
        pause_s = _jittered(error.remedy, asked, self._chances.draw())
        wished_s = error.asks_wait_s if isinstance(error, BackendError) else None
        return pause_s if wished_s is None else wished_s + pause_s * min(1.0, wished_s)

    def _last_words(self) -> GatewayError:
        error = last_words(self._plan, self._roads, self._last, self._lacking, self._chances.clock())
        error.way = self._diary.as_told(None)
        return error

    # --- small things -------------------------------------------------------------------------------------------------

    def _road_of(self, seat: Seat) -> Road:
        last = self._last
        if last is not None and last.candidate is seat.candidate:
            return last
        return next(road for road in self._roads if road.candidate is seat.candidate)

    def _is_larger(self, road: Road) -> bool:
        """Than the one that could not take the conversation, as far as is known; or said to be for that."""
        full = self._last.candidate.model.card if self._last is not None else None
        card = road.candidate.model.card
        return (
            full is None
            or card is None
            or card.context_window_tokens > full.context_window_tokens
            or road.candidate.stands_in_for in ("context", "either")
        )

    def _has_larger(self, road: Road) -> bool:
        return any([other is not road and not other.closed and self._is_larger(other) for other in self._roads])


def _no_place(candidate: Candidate, quota: Quota, size: Size) -> GatewayError:
    return crowded(candidate) if quota.is_crowded else no_room(candidate, quota.wait_s(size))


def _jittered(remedy: Remedy, asked: int, draw: float) -> float:
    return draw * min(_LONGEST_PAUSE_S, remedy.pause_s * 2 ** max(0, asked - 1))
