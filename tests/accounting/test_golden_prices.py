"""Twenty calls priced by hand: the numbers here were worked out on paper, not by the code."""

from datetime import date
from decimal import Decimal

import pytest

from llm_gateway.accounting.catalog_pricer import CatalogPricer
from llm_gateway.accounting.second_opinion import SecondOpinion
from llm_gateway.catalog.catalog import Catalog, load_catalog
from llm_gateway.domain.completions import Usage

TODAY = date(2026, 11, 21)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="module")
def second_opinion() -> SecondOpinion:
    return SecondOpinion()


def used(input_: int = 0, read: int = 0, write_5m: int = 0, write_1h: int = 0, out: int = 0) -> Usage:
    return Usage(input_, out, read, write_5m, write_1h)


SONNET_4_5 = "anthropic.claude-sonnet-4-5-20250929-v1:0"
HAIKU_4_5 = "anthropic.claude-haiku-4-5-20251001-v1:0"

CASES = [
    ("us." + SONNET_4_5, used(10_164, out=32), None, "0.0340692"),
    ("global." + SONNET_4_5, used(10_164, out=32), None, "0.030972"),
    ("global." + HAIKU_4_5, used(1_000, 20_000, 3_000, 0, 500), None, "0.00925"),
    ("us." + HAIKU_4_5, used(3, 1_712, 2_000, 4_000, 121), None, "0.01240712"),
    ("us." + SONNET_4_5, used(3, 1_712, 236, 0, 121), None, "0.00354486"),
    ("us.amazon.nova-lite-v1:0", used(10, 0, 1_298, 0, 2), None, "0.00007896"),
    ("amazon.nova-pro-v1:0", used(12_345, out=678), "flex", "0.0060228"),
    ("amazon.nova-pro-v1:0", used(12_345, 4_000, out=678), "priority", "0.0224798"),
    ("global." + SONNET_4_5, used(200_000, out=1_000), None, "0.615"),
    ("global." + SONNET_4_5, used(200_001, out=1_000), None, "1.222506"),
    ("us." + SONNET_4_5, used(50_000, 150_000, 1_000, 0, 1_000), None, "0.462"),
    ("global.anthropic.claude-haiku-5-5", used(40_000, 60_001, out=1_000), None, "0.02550005"),
    ("us.openai.gpt-6-sol", used(300_000, out=2_000), None, "1.353"),
    ("eu.amazon.nova-lite-v1:0", used(10_164, out=32), None, "0.000802776"),
    ("eu.amazon.nova-2-lite-v1:0", used(5_000, 20_000, out=700), None, "0.0068079"),
    ("us.anthropic.claude-opus-5-5", used(2_000, 140_000, 0, 8_000, 1_500), None, "0.143"),
    ("us.amazon.nova-micro-v1:0", used(7, 2, out=10), None, "0.000001662"),
    ("global.zai.glm-5.3", used(1_000, out=1_000), None, "0.00696"),
    ("us.zai.glm-5.3", used(1_000, out=1_000), None, "0.007656"),
    ("amazon.nova-pro-v1:0", used(1_000, out=1_000), "default", "0.004"),
]


@pytest.mark.parametrize(("invoked", "usage", "tier", "usd"), CASES)
def test_a_call_costs_what_aws_asks_for_it(
    catalog: Catalog, second_opinion: SecondOpinion, invoked: str, usage: Usage, tier: str | None, usd: str
) -> None:
    model = catalog.resolve(invoked, region="us-east-1", today=TODAY)
    assert model.invoked_id == invoked

    found = CatalogPricer(second_opinion, region="us-east-1").price(usage, model, tier)

    assert found is not None
    assert found.nano_usd == Decimal(usd) * 10**9
    assert found.source.startswith("LiteLLM price map")
    assert found.checked_on == TODAY


def test_govcloud_asks_its_own_price_for_the_bare_id(catalog: Catalog, second_opinion: SecondOpinion) -> None:
    model = catalog.resolve(SONNET_4_5, region="us-gov-west-1", today=TODAY)
    found = CatalogPricer(second_opinion, region="us-gov-west-1").price(used(10_164, out=32), model, None)
    assert found is not None
    assert found.nano_usd == 37_166_400


@pytest.mark.parametrize(
    "invoked",
    [
        "cohere.command-r-v1:0",
        "anthropic.claude-v2",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
        "us.openai.gpt-oss-120b-1:0",
    ],
)
def test_an_unknown_price_is_none_and_never_another_models(
    catalog: Catalog, second_opinion: SecondOpinion, invoked: str
) -> None:
    model = catalog.resolve(invoked, region="us-east-1", today=TODAY)
    assert CatalogPricer(second_opinion, region="us-east-1").price(used(1_000, out=1_000), model, None) is None
