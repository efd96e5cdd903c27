"""Vectors by a route: repeated where nothing was paid, at another place of the same model, never by another model."""

import pytest

from houses import Notebook, resolve
from llm_gateway.accounting.books_contract import NoBooks
from llm_gateway.accounting.catalog_pricer import CatalogPricer
from llm_gateway.accounting.second_opinion import SecondOpinion
from llm_gateway.backends.contract import OnPaid
from llm_gateway.caching.fingerprint import fingerprint
from llm_gateway.caching.memory_cache import MemoryCache
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.embeddings import EmbedCall, Embeddings, EmbedRequest
from llm_gateway.domain.errors import BackendError, BackendThrottled, BackendUnavailable
from llm_gateway.domain.routes import Place, RouteTable, Target
from llm_gateway.gateway import Gateway
from llm_gateway.routing.retry_budget import RetryBudget
from llm_gateway.routing.router import Router
from llm_gateway.routing.way import Chances
from llm_gateway.till import Till
from routing.crossroads import Clock, ManyModels, route, table

FAR = Target(model="titan-embed-v2", place=Place("us-west-2"))
REQUEST = EmbedRequest(model="vectors", texts=("one", "two"))


class Maker:
    """Fails as it is told to, at first; ``paid``: after a first call that was answered."""

    def __init__(self, *errors: BackendError, paid: bool = False) -> None:
        self.errors = list(errors)
        self.paid = paid
        self.calls: list[EmbedCall] = []

    async def embed(self, call: EmbedCall, on_paid: OnPaid) -> Embeddings:
        self.calls.append(call)
        if self.errors:
            if self.paid:
                on_paid(Usage(1, 0), "ok")
            raise self.errors.pop(0)
        on_paid(Usage(2, 0), "ok")
        return Embeddings(((0.0,), (1.0,)), Usage(2, 0))


def house(maker: Maker, routes: RouteTable) -> Gateway:
    clock, notebook = Clock(), Notebook()
    pricer = CatalogPricer(SecondOpinion(), region="us-east-1")
    chances = Chances(RetryBudget(at_least=100, clock=clock), clock, clock.wait, lambda: 0.5)
    return Gateway(
        ways=Router(resolve, table=routes, chances=chances),
        backend=ManyModels({}),
        cache=MemoryCache(max_size=1, ttl_s=60),
        fingerprint=fingerprint,
        pricer=pricer,
        till=Till(pricer=pricer, books=NoBooks(), region="us-east-1", observers=(notebook,)),
        embedder=maker,
        observers=(notebook,),
    )


async def test_a_throttle_goes_to_another_place_of_the_same_model() -> None:
    maker = Maker(BackendThrottled("busy", model="m"))
    gateway = house(maker, table(route("vectors", "titan-embed-v2", "nova-embed", FAR)))
    told = await gateway.embed(REQUEST, request_id="req_1")
    assert [call.model.name for call in maker.calls] == ["titan-embed-v2"] * 2
    assert maker.calls[1].place.region == "us-west-2"
    assert len(told.embeddings.vectors) == 2


async def test_a_fault_is_repeated_where_nothing_was_paid() -> None:
    maker = Maker(BackendUnavailable("sick", model="m"))
    await house(maker, table(route("vectors", "titan-embed-v2"))).embed(REQUEST, request_id="req_1")
    assert len(maker.calls) == 2


async def test_what_was_paid_in_part_is_not_paid_again() -> None:
    maker = Maker(BackendUnavailable("sick", model="m"), paid=True)
    with pytest.raises(BackendUnavailable) as failed:
        await house(maker, table(route("vectors", "titan-embed-v2"))).embed(REQUEST, request_id="req_1")
    assert len(maker.calls) == 1
    assert failed.value.way is not None
