"""Gateways for tests: real rooms around a backend that says what it was told to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from llm_gateway.accounting.books_contract import Books, NoBooks
from llm_gateway.accounting.catalog_pricer import CatalogPricer
from llm_gateway.accounting.second_opinion import SecondOpinion
from llm_gateway.backends.contract import Backend, Embedder
from llm_gateway.backends.scripted import Scripted, ScriptedBackend
from llm_gateway.caching.contract import AnswerCache
from llm_gateway.caching.fingerprint import fingerprint
from llm_gateway.caching.memory_cache import MemoryCache
from llm_gateway.catalog.catalog import Catalog, load_catalog
from llm_gateway.crowd import Crowd
from llm_gateway.domain.content import Message, Text
from llm_gateway.domain.requests import CacheMode, GenerateRequest, ResolvedModel
from llm_gateway.domain.routes import Policy, RouteTable
from llm_gateway.gateway import Gateway
from llm_gateway.reports import Reports
from llm_gateway.routing.router import Router
from llm_gateway.telemetry.contract import Observer, PaidAttempt, RequestRecord
from llm_gateway.telemetry.metrics import MetricsTracker
from llm_gateway.till import Till

CATALOG: Catalog = load_catalog()
TODAY = date(2026, 11, 21)


class Notebook:
    """An observer that writes everything down."""

    wants_steps = True

    def __init__(self) -> None:
        self.attempts: list[PaidAttempt] = []
        self.records: list[RequestRecord] = []
        self.steps: list[str] = []

    def attempt_paid(self, attempt: PaidAttempt) -> None:
        self.attempts.append(attempt)

    def request_ended(self, record: RequestRecord) -> None:
        self.records.append(record)

    def step(self, request_id: str, event: str, **facts: object) -> None:
        self.steps.append(event)


@dataclass(frozen=True)
class House:
    gateway: Gateway
    backend: ScriptedBackend
    reports: Reports
    notebook: Notebook
    metrics: MetricsTracker


def build_house(*answers: Scripted, cache: AnswerCache | None = None, crowd: Crowd | None = None) -> House:
    backend = ScriptedBackend(answers or (Scripted(),))
    return furnish(backend, cache=cache, crowd=crowd)


def furnish(backend: ScriptedBackend, *, cache: AnswerCache | None = None, crowd: Crowd | None = None) -> House:
    kept = MemoryCache(max_size=10, ttl_s=60) if cache is None else cache
    notebook, metrics = Notebook(), MetricsTracker()
    gateway = build_gateway(backend, kept, (notebook, metrics), crowd=crowd)
    return House(gateway, backend, Reports(models=CATALOG, metrics=metrics, cache=kept), notebook, metrics)


def resolve(asked: str, region: str | None) -> ResolvedModel:
    """A model of the shipped catalog."""
    return CATALOG.resolve(asked, region=region or "us-east-1", today=TODAY)


def build_gateway(
    backend: Backend,
    cache: AnswerCache,
    observers: Sequence[Observer],
    embedder: Embedder | None = None,
    books: Books | None = None,
    crowd: Crowd | None = None,
) -> Gateway:
    pricer = CatalogPricer(SecondOpinion(), region="us-east-1")
    return Gateway(
        ways=Router(resolve, table=RouteTable(policy=Policy(attempts=1))),
        backend=backend,
        cache=cache,
        fingerprint=fingerprint,
        pricer=pricer,
        till=Till(pricer=pricer, books=books or NoBooks(), region="us-east-1", observers=observers),
        embedder=embedder,
        crowd=crowd,
        observers=observers,
    )


def ask(
    text: str = "Hello", *, model: str = "nova-lite", cache: CacheMode = "use", temperature: float | None = None
) -> GenerateRequest:
    return GenerateRequest(
        model=model, messages=(Message("user", (Text(text),)),), cache=cache, temperature=temperature
    )
