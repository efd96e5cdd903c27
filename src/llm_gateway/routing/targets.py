"""What is known of each target: its breaker, its quota, who is there, and how soon it speaks."""

import time
from collections.abc import Callable, Mapping

from llm_gateway.domain.remedies import Remedy
from llm_gateway.domain.routes import UNLIMITED, Policy, TargetLimits
from llm_gateway.routing.breaker import Breaker
from llm_gateway.routing.contract import Candidate
from llm_gateway.routing.quota import Quota

OnNews = Callable[[str, dict[str, object]], None]
"""What an operator wants to hear of a target: ``breaker_opened``, ``breaker_closed``, ``target_refused``; and facts."""
_ALARMING = frozenset({"upstream_access_denied", "upstream_auth_error", "model_not_found"})
_SAID_AGAIN_S = 60.0
_SMOOTHING = 0.2
_FORGOTTEN_S = 60.0
_MOST = 5_000


def nobody(event: str, facts: dict[str, object]) -> None:
    """Where nobody wants to hear of targets."""


class TargetState:
    """One target, as this process knows it."""

    __slots__ = (
        "_clock",
        "_first_token_ms",
        "_news",
        "_refused_at",
        "_spoke_at",
        "breaker",
        "cooling_until",
        "in_flight",
        "key",
        "quota",
    )

    def __init__(self, key: str, clock: Callable[[], float], news: OnNews) -> None:
        self.key = key
        self._news = news
        self._refused_at: float | None = None
        self.breaker = Breaker()
        self.quota: Quota | None = None
        self.in_flight = 0
        self.cooling_until = 0.0
        self._clock = clock
        self._first_token_ms: float | None = None
        self._spoke_at = 0.0

    @property
    def first_token_ms(self) -> float | None:
        """The moving average, ``None`` where it was not asked lately."""
        return None if self._clock() - self._spoke_at > _FORGOTTEN_S else self._first_token_ms

    def spoke(self, first_token_ms: float, now: float) -> None:
        """Its answer began after so long."""
        known = self._first_token_ms
        if known is not None and now - self._spoke_at <= _FORGOTTEN_S:
            first_token_ms = known + _SMOOTHING * (first_token_ms - known)
        self._first_token_ms, self._spoke_at = first_token_ms, now

    def went_wrong(self, code: str, remedy: Remedy, policy: Policy, pause_s: float, *, probes: bool) -> None:
        """Its call failed; throttles cool it down by their own clock and never open its breaker."""
        now = self._clock()
        if code in _ALARMING and (self._refused_at is None or now - self._refused_at > _SAID_AGAIN_S):
            self._refused_at = now
            self._news("target_refused", {"target": self.key, "code": code})
        if remedy.says == "fails":
            fails, rest_s = policy.allowed_fails, policy.cooldown_s
            was_closed = self.breaker.is_closed
            self.breaker.failed(now, probes, code, allowed_fails=fails, cooldown_s=rest_s)
            if was_closed and not self.breaker.is_closed:
                self._news("breaker_opened", {"target": self.key, "code": code, "cooldown_s": rest_s})
            return
        self.breaker.left(probes)
        if remedy.says == "throttles":
            self.cooling_until = max(self.cooling_until, now + pause_s)
            if self.quota is None:
                self.quota = Quota(UNLIMITED, clock=self._clock)
            self.quota.slow_down(self.in_flight + 1)

    def went_well(self, *, probes: bool) -> None:
        """It answered."""
        was_closed = self.breaker.is_closed
        self.breaker.went_well(probes)
        if not was_closed and self.breaker.is_closed:
            self._news("breaker_closed", {"target": self.key})

    def told(self) -> dict[str, object]:
        """For people."""
        now = self._clock()
        state = self.breaker.state(now)
        told: dict[str, object] = {"breaker": state, "in_flight": self.in_flight}
        if state != "closed":
            told |= {"last_error": self.breaker.last_code, "reopens_in_s": round(self.breaker.opens_in_s(now), 3)}
        if self.cooling_until > now:
            told["cooling_s"] = round(self.cooling_until - now, 3)
        if self.first_token_ms is not None:
            told["first_token_ms"] = round(self.first_token_ms, 3)
        if self.quota is not None:
            told["quota"] = self.quota.told()
        return told


class Targets:
    """All that were asked. ``share`` is this process's part of every quota, where several draw on it. ``news`` hears
    what an operator should know."""

    def __init__(
        self, *, share: float = 1.0, clock: Callable[[], float] = time.monotonic, news: OnNews | None = None
    ) -> None:
        self._share = share
        self._clock = clock
        self._news = news or nobody
        self._states: dict[str, TargetState] = {}
        self._limits: Mapping[str, TargetLimits] = {}

    def limit(self, limits: Mapping[str, TargetLimits]) -> None:
        """The quotas in force from now on, by key; one that stays as it is keeps its level."""
        self._limits = limits

    def of(self, candidate: Candidate) -> TargetState:
        """What is known of a candidate's target, by the limits that it has now."""
        state = self._states.get(candidate.key)
        if state is None:
            if len(self._states) >= _MOST:
                self._forget_idle()
            state = self._states[candidate.key] = TargetState(candidate.key, self._clock, self._news)
        limits = self._limits.get(candidate.key, candidate.target.limits)
        quota = state.quota
        if quota is None or quota.limits != limits or quota.is_idle:
            self._limit(state, candidate, limits)
        return state

    def told(self) -> dict[str, dict[str, object]]:
        """By key, for people."""
        return {key: state.told() for key, state in sorted(self._states.items())}

    def _limit(self, state: TargetState, candidate: Candidate, limits: TargetLimits) -> None:
        if limits == UNLIMITED:
            state.quota = None
            return
        card = candidate.model.card
        rate = 1 if card is None else card.output_burn_rate
        state.quota = Quota(limits, share=self._share, burn_rate=rate, clock=self._clock)

    def _forget_idle(self) -> None:
        """Ids are the callers' words: they may be any number."""
        self._states = {
            key: state
            for key, state in self._states.items()
            if state.in_flight or state.quota is not None or not state.breaker.is_closed
        }
