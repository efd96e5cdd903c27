"""Figures: exact where they count, bounded whatever comes."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.domain.completions import Usage
from llm_gateway.telemetry.contract import PaidAttempt, RequestRecord
from llm_gateway.telemetry.histogram import LatencyHistogram
from llm_gateway.telemetry.metrics import OTHERS, MetricsTracker, NoMetrics


def ended(model: str | None = "nova-lite", outcome: str = "ok", latency_ms: float = 1.0) -> RequestRecord:
    return RequestRecord(
        request_id="req_1", request=None, model=model, model_id=model, outcome=outcome, latency_ms=latency_ms
    )


def paid(model: str, cost_nano_usd: int | None) -> PaidAttempt:
    usage = Usage(input_tokens=3, output_tokens=2)
    return PaidAttempt(
        request_id="req_1", model=model, model_id=model, usage=usage, cost_nano_usd=cost_nano_usd, outcome="ok"
    )


@given(st.lists(st.floats(0.02, 5_000_000), min_size=1, max_size=200), st.sampled_from([50, 95, 99]))
def test_a_percentile_is_within_its_bucket(values: list[float], percent: int) -> None:
    histogram = LatencyHistogram()
    for value in values:
        histogram.add(value)
    rank = max(-(-len(values) * percent // 100), 1)
    exact = sorted(values)[rank - 1]
    assert histogram.percentile_ms(percent) == pytest.approx(exact, rel=0.026)


def test_a_histogram_without_values_knows_nothing_and_takes_any_value() -> None:
    histogram = LatencyHistogram()
    assert histogram.mean_ms() is None
    assert histogram.percentile_ms(50) is None
    histogram.add(0.0)
    histogram.add(1e12)
    assert histogram.mean_ms() == 5e11
    assert histogram.percentile_ms(50) == 0.01


def test_names_beyond_the_bound_are_counted_together() -> None:
    metrics = MetricsTracker()
    for number in range(2_000):
        metrics.request_ended(ended(f"acme.model-{number}"))
        metrics.attempt_paid(paid(f"acme.model-{number}", 1))
    figures = metrics.snapshot()
    assert len(figures.requests_by_model) == len(figures.tokens_by_model) == 501
    assert sum(figures.requests_by_model.values()) == figures.total_requests == 2_000
    assert figures.cost_nano_usd_by_model[OTHERS] == 1_500
    assert figures.total_cost_nano_usd == 2_000


def test_an_unknown_price_is_counted_apart_and_adds_nothing() -> None:
    metrics = MetricsTracker()
    metrics.attempt_paid(paid("acme.x", None))
    figures = metrics.snapshot()
    assert (figures.unpriced_calls, figures.total_cost_nano_usd, figures.total_tokens) == (1, 0, 5)
    assert figures.cost_nano_usd_by_model == {}


def test_what_could_not_be_decoded_is_an_error_without_a_model() -> None:
    metrics = MetricsTracker(now=lambda: datetime(2026, 11, 21, tzinfo=UTC))
    metrics.request_ended(ended(None, "invalid_request"))
    metrics.request_ended(ended())
    figures = metrics.snapshot()
    assert (figures.errors_by_code, figures.since) == ({"invalid_request": 1}, "2026-11-21T00:00:00+00:00")
    assert (figures.cache_hits, figures.cache_misses) == (0, 0)


def test_metrics_that_are_off_stay_at_zero() -> None:
    metrics = NoMetrics()
    metrics.request_ended(ended())
    metrics.attempt_paid(paid("nova-lite", 5))
    metrics.step("req_1", "asking")
    figures = metrics.snapshot()
    assert (figures.total_requests, figures.total_cost_nano_usd, figures.enabled) == (0, 0, False)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["a", "b", None]), st.floats(0.02, 50_000)), max_size=30))
def test_what_two_workers_counted_adds_up_to_what_one_would_have(told: list[tuple[bool, str | None, float]]) -> None:
    def now() -> datetime:
        return datetime(2026, 11, 26, tzinfo=UTC)

    one, first, second = MetricsTracker(now=now), MetricsTracker(now=now), MetricsTracker(now=now)
    for is_first, model, latency_ms in told:
        for tracker in (one, first if is_first else second):
            tracker.request_ended(ended(model, "ok" if model else "model_not_found", latency_ms))
            tracker.attempt_paid(paid(model or "c", 7 if model else None))
    whole, added = one.snapshot(), first.snapshot([json.loads(json.dumps(second.figures()))])
    assert added.average_latency_ms == pytest.approx(whole.average_latency_ms)
    assert replace(added, average_latency_ms=None) == replace(whole, average_latency_ms=None)
