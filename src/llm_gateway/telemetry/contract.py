"""What the gateway tells, and to whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from llm_gateway.domain.callers import ANYBODY, Caller
from llm_gateway.domain.completions import Completion, Usage
from llm_gateway.domain.requests import GenerateRequest


class PaidAttempt(NamedTuple):
    """One call of a model that was paid for, or may have been. ``request_id`` is of the request that caused it.

    ``outcome`` is ``ok``, an error's code, or ``client_disconnect``. A cost of ``None`` means that no price is known.
    """

    request_id: str
    model: str
    model_id: str
    usage: Usage
    cost_nano_usd: int | None
    outcome: str


class RequestRecord(NamedTuple):
    """How one request ended.

    ``request`` is ``None`` where it could not be decoded, or asked for vectors. ``outcome`` is ``ok`` or the error's
    code. ``model`` is the short name, ``None`` where the caller's word could not be resolved. ``completion`` and
    ``cost_nano_usd`` are of this request's own answer; the cost is 0 when it was cached. ``latency_ms`` is what the
    caller waited. ``way`` tells who was asked and how that went, where somebody was.
    """

    request_id: str
    model: str | None
    model_id: str | None
    outcome: str
    latency_ms: float
    request: GenerateRequest | None = None
    caller: Caller = ANYBODY
    cached: bool = False
    shared: bool = False
    completion: Completion | None = None
    cost_nano_usd: int | None = None
    way: Mapping[str, object] | None = None


class Observer(Protocol):
    """Whoever wants to know. Must be quick and must not raise. ``step`` is told where ``wants_steps`` says so."""

    @property
    def wants_steps(self) -> bool:
        """Whether :meth:`step` does anything."""
        ...

    def attempt_paid(self, attempt: PaidAttempt) -> None:
        """Called once for each paid call, before its answer reaches anybody."""
        ...

    def request_ended(self, record: RequestRecord) -> None:
        """Called once for each request, also for refused, failed and cached ones."""
        ...

    def step(self, request_id: str, event: str, **facts: object) -> None:
        """A station on the way of a request, for someone who looks for a fault."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSnapshot:
    """Figures since ``since`` (ISO 8601, UTC). Tokens and cost are what was paid for; latencies are of answered
    requests, in milliseconds, ``None`` before the first."""

    total_requests: int
    successful_requests: int
    errors: int
    total_tokens: int
    total_cost_nano_usd: int
    unpriced_calls: int
    cache_hits: int
    cache_misses: int
    average_latency_ms: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    latency_p99_ms: float | None
    requests_by_model: dict[str, int]
    tokens_by_model: dict[str, int]
    cost_nano_usd_by_model: dict[str, int]
    errors_by_code: dict[str, int]
    since: str
    enabled: bool


Figures = dict[str, Any]
"""What one process has counted, as JSON values that can be added up; empty where nothing is counted."""


class Metrics(Observer, Protocol):
    """An observer that can be asked for its figures."""

    def figures(self) -> Figures:
        """All that was counted, to be added to what others have."""
        ...

    def snapshot(self, others: Sequence[Figures] = ()) -> MetricsSnapshot:
        """The figures now, with those of ``others`` added."""
        ...
