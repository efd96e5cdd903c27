"""TELL: what models there are, and what this process has done."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Protocol

from llm_gateway.caching.contract import AnswerCache, CacheState
from llm_gateway.domain.cards import ModelCard
from llm_gateway.telemetry.contract import Figures, Metrics, MetricsSnapshot

Others = Callable[[], Awaitable[Sequence[Figures]]]
"""What the other workers have counted, those that are no more included."""


class ModelListing(Protocol):
    """Where the cards are."""

    def listing(
        self, *, provider: str | None, capability: str | None, lifecycle: str | None, today: date
    ) -> list[ModelCard]:
        """The cards that pass every filter that is set, with the lifecycle of ``today``."""
        ...


@dataclass(frozen=True, slots=True)
class Stats:
    """The figures of all workers, and the state of this one's cache."""

    metrics: MetricsSnapshot
    cache: CacheState
    workers: int = 1


def _today() -> date:
    return datetime.now(UTC).date()


def _own(route: ModelCard) -> dict[str, Any]:
    return {"name": route.name, "description": route.description, "aliases": ()}


class Reports:
    """Answers questions about models and figures."""

    def __init__(
        self,
        *,
        models: ModelListing,
        metrics: Metrics,
        cache: AnswerCache,
        routes: Callable[[], Sequence[ModelCard]] = tuple,
        today: Callable[[], date] = _today,
        others: Others | None = None,
        workers: int = 1,
    ) -> None:
        self._models = models
        self._routes = routes
        self._metrics = metrics
        self._cache = cache
        self._today = today
        self._others = others
        self._workers = workers

    def models(
        self, *, provider: str | None = None, capability: str | None = None, lifecycle: str | None = None
    ) -> list[ModelCard]:
        """The models that pass every filter that is set; then the routes, each with the card of its first target."""
        cards = self._models.listing(provider=provider, capability=capability, lifecycle=lifecycle, today=self._today())
        kept = {card.id: card for card in cards}
        routes = [replace(kept[card.id], **_own(card)) for card in self._routes() if card.id in kept]
        names = {card.name for card in routes}
        return [*[card for card in cards if card.name not in names], *routes]

    async def stats(self) -> Stats:
        """The figures now."""
        figures: Sequence[Figures] = () if self._others is None else await self._others()
        return Stats(self._metrics.snapshot(figures), self._cache.state(), self._workers)
