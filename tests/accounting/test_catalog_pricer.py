"""The gateway's pricer: the catalog first, a second opinion next, else none."""

import asyncio
import time
from datetime import date

import pytest

from llm_gateway.accounting.catalog_pricer import CatalogPricer
from llm_gateway.accounting.contract import Pricer
from llm_gateway.accounting.second_opinion import SecondOpinion
from llm_gateway.catalog.catalog import load_catalog
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.requests import ResolvedModel

TODAY = date(2026, 11, 21)
CATALOG = load_catalog()
USAGE = Usage(1_000, 1_000)
LOADED = SecondOpinion()


def model(word: str) -> ResolvedModel:
    return CATALOG.resolve(word, region="us-east-1", today=TODAY)


def unseen(invoked: str) -> ResolvedModel:
    return ResolvedModel(invoked, invoked, None)


def test_a_catalog_price_is_given_again_from_memory() -> None:
    pricer: Pricer = CatalogPricer(LOADED, region="us-east-1")
    first = pricer.price(USAGE, model("nova-pro"), None)
    assert first is not None
    assert pricer.price(USAGE, model("nova-pro"), None) == first
    assert pricer.cost_nano_usd(USAGE, model("nova-pro"), None) == first.nano_usd == 4_000_000


def test_a_model_the_catalog_has_not_is_priced_by_the_second_source_and_says_so() -> None:
    pricer = CatalogPricer(LOADED, region="us-east-1")
    found = pricer.price(USAGE, unseen("us.anthropic.claude-fable-5-2"), None)
    assert found is not None
    assert found.nano_usd > 0
    assert found.source.startswith("genai-prices ")
    assert found.checked_on is None


def test_the_second_source_is_not_asked_about_tiers() -> None:
    pricer = CatalogPricer(LOADED, region="us-east-1")
    assert pricer.price(USAGE, unseen("us.anthropic.claude-fable-5-2"), "flex") is None
    assert pricer.price(USAGE, model("claude-sonnet-5-5"), "flex") is None
    assert pricer.cost_nano_usd(USAGE, unseen("us.anthropic.claude-fable-5-2"), "flex") is None


def test_a_model_with_a_catalog_price_loads_no_library() -> None:
    untouched = SecondOpinion()
    pricer = CatalogPricer(untouched, region="us-east-1")
    pricer.prepare_soon(model("nova-pro"))
    assert pricer.price(USAGE, model("nova-pro"), None) is not None
    assert not untouched.is_warm


async def test_the_library_is_waited_for_once() -> None:
    opinion = SecondOpinion()
    assert not opinion.is_warm
    await opinion.warm()
    await opinion.warm()
    assert opinion.is_warm


async def test_the_library_loads_beside_the_event_loop() -> None:
    opinion = SecondOpinion()
    pricer = CatalogPricer(opinion, region="us-east-1")
    begun = time.perf_counter()
    pricer.prepare_soon(unseen("cohere.command-r-v1:0"))
    pricer.prepare_soon(unseen("cohere.command-r-v1:0"))
    assert time.perf_counter() - begun < 0.1
    await asyncio.wait_for(opinion.warm(), 30)
    assert opinion.is_warm
    pricer.prepare_soon(unseen("cohere.command-r-v1:0"))
    assert pricer.price(USAGE, unseen("cohere.command-r-v1:0"), None) is None


def test_a_price_that_is_wanted_before_the_library_is_there_waits_for_it() -> None:
    pricer = CatalogPricer(SecondOpinion(), region="us-east-1")
    assert pricer.price(USAGE, unseen("us.anthropic.claude-fable-5-2"), None) is not None


def test_tariffs_are_kept_within_bounds() -> None:
    pricer = CatalogPricer(LOADED, region="us-east-1")
    first = pricer.price(USAGE, model("nova-pro"), None)
    for number in range(1_100):
        arn = f"arn:aws:bedrock:us-east-1:{number:012d}:inference-profile/us.amazon.nova-pro-v1:0"
        assert pricer.cost_nano_usd(USAGE, model(arn), None) == 4_000_000
    assert pricer.price(USAGE, model("nova-pro"), None) == first


@pytest.mark.parametrize(
    ("invoked", "known"),
    [
        ("openai.gpt-oss-120b-1:0", True),
        ("us.openai.gpt-oss-120b-1:0", False),  # theirs has no such profile, only a likeness
        ("us.amazon.nova-pro-v9:0", False),
        ("global.anthropic.claude-sonnet-4-6", True),  # theirs bears a version
        ("us.anthropic.claude-sonnet-4-6", True),
        ("anthropic.claude-sonnet-4-6", True),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-6", True),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1", False),
        ("anthropic.claude-sonnet-4-66", False),
        ("nobody.knows-this", False),
    ],
)
def test_only_the_very_id_counts_and_no_likeness(invoked: str, known: bool) -> None:
    assert (LOADED.price(USAGE, invoked) is not None) == known


def test_cached_tokens_reach_the_second_source_in_its_own_way_of_counting() -> None:
    usage = Usage(3, 121, 1_712, 2_000, 4_000, estimated=True)
    found = LOADED.price(usage, "us.anthropic.claude-haiku-4-5-20251001-v1:0")
    assert found is not None
    assert (found.nano_usd, found.estimated) == (12_407_120, True)
