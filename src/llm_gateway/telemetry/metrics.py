"""Figures of this process, kept in memory that stays bounded whatever the traffic."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from llm_gateway.telemetry.contract import Figures, MetricsSnapshot, PaidAttempt, RequestRecord
from llm_gateway.telemetry.histogram import LatencyHistogram

_MOST_NAMES = 500  # distinct models or codes told apart; the rest is counted together
OTHERS = "(others)"
UNRESOLVED = "(unknown model)"
_SUMS = ("_succeeded", "_failed", "_hits", "_misses", "_tokens", "_cost_nano_usd", "_unpriced")
_TALLIES = ("_requests_by_model", "_tokens_by_model", "_cost_by_model", "_errors_by_code")


def _now() -> datetime:
    return datetime.now(UTC)


class _Tally:
    """Sums by name, for a bounded number of names."""

    def __init__(self) -> None:
        self.sums: defaultdict[str, int] = defaultdict(int)

    def add(self, name: str, amount: int) -> None:
        known = name in self.sums or len(self.sums) < _MOST_NAMES
        self.sums[name if known else OTHERS] += amount


class MetricsTracker:
    """Counts requests as they end and calls as they are paid."""

    wants_steps = False

    def __init__(self, *, now: Callable[[], datetime] = _now) -> None:
        self._since = now().isoformat(timespec="seconds")
        self._succeeded = self._failed = self._hits = self._misses = 0
        self._tokens = self._cost_nano_usd = self._unpriced = 0
        self._latency = LatencyHistogram()
        self._requests_by_model = _Tally()
        self._tokens_by_model = _Tally()
        self._cost_by_model = _Tally()
        self._errors_by_code = _Tally()

    def step(self, request_id: str, event: str, **facts: object) -> None:
        """Stations on the way are not counted."""

    def attempt_paid(self, attempt: PaidAttempt) -> None:
        """Counts tokens and money."""
        self._tokens += attempt.usage.total_tokens
        self._tokens_by_model.add(attempt.model, attempt.usage.total_tokens)
        if attempt.cost_nano_usd is None:
            self._unpriced += 1
        else:
            self._cost_nano_usd += attempt.cost_nano_usd
            self._cost_by_model.add(attempt.model, attempt.cost_nano_usd)

    def request_ended(self, record: RequestRecord) -> None:
        """Counts one request. Hits and misses are of answered requests that looked into the cache."""
        self._requests_by_model.add(record.model or UNRESOLVED, 1)
        if record.outcome != "ok":
            self._failed += 1
            self._errors_by_code.add(record.outcome, 1)
            return
        self._succeeded += 1
        self._latency.add(record.latency_ms)
        if record.cached:
            self._hits += 1
        elif record.request is not None and record.request.cache == "use":
            self._misses += 1

    def snapshot(self, others: Sequence[Figures] = ()) -> MetricsSnapshot:
        """The figures now, with those of ``others`` added; the dictionaries are copies."""
        if others:
            return added_up([self.figures(), *others]).snapshot()
        return MetricsSnapshot(
            total_requests=self._succeeded + self._failed,
            successful_requests=self._succeeded,
            errors=self._failed,
            total_tokens=self._tokens,
            total_cost_nano_usd=self._cost_nano_usd,
            unpriced_calls=self._unpriced,
            cache_hits=self._hits,
            cache_misses=self._misses,
            average_latency_ms=self._latency.mean_ms(),
            latency_p50_ms=self._latency.percentile_ms(50),
            latency_p95_ms=self._latency.percentile_ms(95),
            latency_p99_ms=self._latency.percentile_ms(99),
            requests_by_model=dict(self._requests_by_model.sums),
            tokens_by_model=dict(self._tokens_by_model.sums),
            cost_nano_usd_by_model=dict(self._cost_by_model.sums),
            errors_by_code=dict(self._errors_by_code.sums),
            since=self._since,
            enabled=True,
        )

    def figures(self) -> Figures:
        """All that was counted, as JSON values: another tracker can :meth:`absorb` it."""
        tallies = {name: dict(getattr(self, name).sums) for name in _TALLIES}
        sums = {name: getattr(self, name) for name in _SUMS}
        return {"since": self._since, "latency": self._latency.figures(), **tallies, **sums}

    def absorb(self, figures: Figures) -> None:
        """Counts what another process has counted."""
        self._since = min(self._since, figures["since"])
        self._latency.absorb(figures["latency"])
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + figures[name])
        for name in _TALLIES:
            for each, amount in figures[name].items():
                getattr(self, name).add(each, amount)


def added_up(figures: Iterable[Figures]) -> MetricsTracker:
    """A tracker that has counted what all of them have."""
    total = MetricsTracker()
    for each in figures:
        total.absorb(each)
    return total


class NoMetrics:
    """Counts nothing: every figure stays 0."""

    wants_steps = False

    def __init__(self, *, now: Callable[[], datetime] = _now) -> None:
        self._empty = replace(MetricsTracker(now=now).snapshot(), enabled=False)

    def step(self, request_id: str, event: str, **facts: object) -> None:
        """Nothing."""

    def attempt_paid(self, attempt: PaidAttempt) -> None:
        """Nothing."""

    def request_ended(self, record: RequestRecord) -> None:
        """Nothing."""

    def figures(self) -> Figures:
        """Nothing."""
        return {}

    def snapshot(self, others: Sequence[Figures] = ()) -> MetricsSnapshot:
        """All zero, ``enabled`` false."""
        return self._empty
