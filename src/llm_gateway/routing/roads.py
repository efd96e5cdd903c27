"""What happened with each candidate of one request, and how it is told."""

from collections.abc import Sequence
from dataclasses import dataclass

from llm_gateway.domain.completions import Usage
from llm_gateway.domain.errors import GatewayError
from llm_gateway.routing.contract import Candidate, Plan
from llm_gateway.routing.quota import Taken
from llm_gateway.routing.targets import TargetState


@dataclass(slots=True)
class Road:
    """One candidate: how often it was asked, its last error, and when it may be asked again at the earliest, monotonic
    seconds. ``closed``: not by this request any more. While it is asked: since when, whether the call is the one that
    finds out for its breaker, and what it has taken of its quota."""

    candidate: Candidate
    state: TargetState
    asked: int = 0
    closed: bool = False
    not_before: float = 0.0
    error: GatewayError | None = None
    began_at: float = 0.0
    probes: bool = False
    taken: Taken | None = None

    def enter(self, now: float, taken: Taken | None) -> None:
        """A call of it begins."""
        self.asked += 1
        self.began_at, self.taken = now, taken
        breaker = self.state.breaker
        self.probes = not breaker.is_closed and breaker.began(now)
        self.state.in_flight += 1

    def leave(self, used: Usage | None, *, refused: bool = False) -> None:
        """The call ended; ``used`` is what AWS counts for it, ``refused`` that its quota had no room."""
        self.state.in_flight -= 1
        if self.taken is not None:
            self.taken.quota.settle(self.taken, used, refused=refused)
            self.taken = None


class Diary:
    """What is told of a way; ``waited_s`` is what it spent on pauses and on waiting for room."""

    __slots__ = ("_attempts", "_passed_over", "_plan", "_roads", "_why", "waited_s")

    def __init__(self, plan: Plan, roads: Sequence[Road], why: str) -> None:
        self._plan = plan
        self._roads = roads
        self._why = why
        self._attempts: list[dict[str, object]] = []
        self._passed_over: list[dict[str, object]] = []
        self.waited_s = 0.0

    @property
    def is_straight(self) -> bool:
        """Whether there was but one candidate, asked by its own name, once."""
        return self._plan.route is None and len(self._attempts) == 1 and len(self._roads) == 1

    def attempt(self, candidate: Candidate, outcome: str, took_s: float, message: str | None = None) -> None:
        """A call that was made."""
        told: dict[str, object] = {"target": candidate.key, "outcome": outcome, "ms": round(took_s * 1000, 1)}
        self._attempts.append(told if message is None else {**told, "error": message})

    def passed_over(self, candidate: Candidate, reason: str) -> None:
        """A candidate that is not asked."""
        if not any([each["target"] == candidate.key for each in self._passed_over]):
            self._passed_over.append({"target": candidate.key, "reason": reason})

    def as_told(self, answered: Candidate | None) -> dict[str, object]:
        """As JSON values."""
        told: dict[str, object] = {
            "route": self._plan.route,
            "target": None if answered is None else answered.key,
            "model": None if answered is None else answered.model.name,
            "why": self._why,
            "candidates": [road.candidate.key for road in self._roads],
            "attempts": list(self._attempts),
        }
        if answered is not None and answered.stands_in_for is not None:
            told["stands_in_for"] = self._plan.first.model.name
        asked = {attempt["target"] for attempt in self._attempts}
        passed_over = [each for each in self._passed_over if each["target"] not in asked]
        if passed_over:
            told["passed_over"] = passed_over
        if self.waited_s >= 0.001:
            told["waited_ms"] = round(self.waited_s * 1000, 1)
        return told
