"""TELL: what models there are, and what this process has done."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Protocol

from llm_gateway.caching.contract import AnswerCache, CacheState
from llm_gateway.domain.cards import ModelCard
from llm_gateway.telemetry.contract import Metrics, MetricsSnapshot


class ModelListing(Protocol):
    """Where the cards are."""

    def listing(
        self, *, provider: str | None, capability: str | None, lifecycle: str | None, today: date
    ) -> list[ModelCard]:
        """The cards that pass every filter that is set, with the lifecycle of ``today``."""
        ...


@dataclass(frozen=True, slots=True)
class Stats:
    """The figures of this process and the state of its cache."""

    metrics: MetricsSnapshot
    cache: CacheState


def _today() -> date:
    return datetime.now(UTC).date()


class Reports:
    """Answers questions about models and figures."""

    def __init__(
        self, *, models: ModelListing, metrics: Metrics, cache: AnswerCache, today: Callable[[], date] = _today
    ) -> None:
        self._models = models
        self._metrics = metrics
        self._cache = cache
        self._today = today

    def models(
        self, *, provider: str | None = None, capability: str | None = None, lifecycle: str | None = None
    ) -> list[ModelCard]:
        """The models that pass every filter that is set."""
        return self._models.listing(provider=provider, capability=capability, lifecycle=lifecycle, today=self._today())

    def stats(self) -> Stats:
        """The figures now."""
        return Stats(self._metrics.snapshot(), self._cache.state())
