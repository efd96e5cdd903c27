"""A gateway with routes, around a backend that answers for each model as it was told to. Time goes by when it is waited
for."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from houses import Notebook, resolve
from llm_gateway.access.contract import Gate
from llm_gateway.accounting.books_contract import Books, NoBooks
from llm_gateway.accounting.catalog_pricer import CatalogPricer
from llm_gateway.accounting.second_opinion import SecondOpinion
from llm_gateway.backends.contract import AnswerStream, WorstCase
from llm_gateway.backends.scripted import Scripted, ScriptedBackend
from llm_gateway.caching.fingerprint import fingerprint
from llm_gateway.caching.memory_cache import MemoryCache
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.errors import GatewayError
from llm_gateway.domain.requests import ModelCall
from llm_gateway.domain.routes import Route, RouteTable, Target
from llm_gateway.gateway import Gateway
from llm_gateway.routing.retry_budget import RetryBudget
from llm_gateway.routing.router import Router
from llm_gateway.routing.way import Chances
from llm_gateway.till import Till


class Clock:
    """Goes on only when somebody waits for it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


class ManyModels:
    """A backend that answers for each model by a script of its own; what has none says hello."""

    def __init__(self, scripts: Mapping[str, Sequence[Scripted]]) -> None:
        self._models = {name: ScriptedBackend(script) for name, script in scripts.items()}
        self._held: dict[str, asyncio.Event] = {}
        self.calls: list[ModelCall] = []
        self.closed = False

    def hold(self, model: str, until: asyncio.Event) -> None:
        """This model takes its time before it answers, or fails."""
        self._held[model] = until

    @property
    def asked(self) -> list[str]:
        """The models, in the order in which they were asked."""
        return [call.model.name for call in self.calls]

    def _of(self, call: ModelCall) -> ScriptedBackend:
        return self._models.setdefault(call.model.name, ScriptedBackend())

    async def open(self, call: ModelCall) -> AnswerStream:
        self.calls.append(call)
        if call.model.name in self._held:
            await self._held[call.model.name].wait()
        return await self._of(call).open(call)

    def estimate(self, call: ModelCall) -> Usage:
        return self._of(call).estimate(call)

    def worst_case(self, call: ModelCall) -> WorstCase:
        return self._of(call).worst_case(call)

    async def count_tokens(self, call: ModelCall) -> int | None:
        return None

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class Crossroads:
    gateway: Gateway
    backend: ManyModels
    router: Router
    clock: Clock
    news: list[tuple[str, dict[str, object]]]
    notebook: Notebook = field(default_factory=Notebook)


def crossroads(
    table: RouteTable,
    scripts: Mapping[str, Sequence[Scripted]] | None = None,
    *,
    draw: float = 0.5,
    lots: tuple[float, ...] = (),
    budget: int = 100,
    gate: Gate | None = None,
    books: Books | None = None,
    drain: bool = False,
) -> Crossroads:
    """``draw`` is every lot that is drawn, or ``lots`` in turn; ``budget`` retries are always granted."""
    clock, notebook, backend = Clock(), Notebook(), ManyModels(scripts or {})
    luck = itertools.cycle(lots or (draw,))
    chances = Chances(RetryBudget(at_least=budget, clock=clock), clock, clock.wait, lambda: next(luck))
    news: list[tuple[str, dict[str, object]]] = []
    router = Router(resolve, table=table, chances=chances, news=lambda event, facts: news.append((event, facts)))
    pricer = CatalogPricer(SecondOpinion(), region="us-east-1")
    gateway = Gateway(
        ways=router,
        backend=backend,
        cache=MemoryCache(max_size=10, ttl_s=60),
        fingerprint=fingerprint,
        pricer=pricer,
        till=Till(pricer=pricer, books=books or NoBooks(), region="us-east-1", observers=(notebook,)),
        gate=gate,
        drain=drain,
        observers=(notebook,),
    )
    return Crossroads(gateway, backend, router, clock, news, notebook)


def route(name: str, *models: str | Target, **more: Any) -> Route:
    """A route to models by their names."""
    targets = [Target(model=each) if isinstance(each, str) else each for each in models]
    return Route(name=name, targets=tuple(targets), **more)


def table(*routes: Route, **more: Any) -> RouteTable:
    return RouteTable(routes={each.name: each for each in routes}, **more)


def fails(error: GatewayError, times: int = 1) -> list[Scripted]:
    """An early failure so many times, then answers."""
    return [*[Scripted(error=error, early=True)] * times, Scripted()]


def always(error: GatewayError) -> list[Scripted]:
    return [Scripted(error=error, early=True)]
