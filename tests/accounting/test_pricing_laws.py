"""What holds for every price, whatever the model and the tokens."""

from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from llm_gateway.accounting.pricing import price, tariff_of
from llm_gateway.catalog.catalog import load_catalog
from llm_gateway.domain.cards import InOutPrice, ModelCard, PriceList, PriceStep
from llm_gateway.domain.completions import Usage

CATALOG = load_catalog()
INVOCABLE = [
    (card, invoked)
    for card in CATALOG.cards
    for invoked in (card.id, *(f"{prefix}.{card.id}" for prefix in card.profiles))
]

tokens = st.integers(0, 2_000_000)
usages = st.builds(Usage, tokens, tokens, tokens, tokens, tokens)
models = st.sampled_from(INVOCABLE)


def nano(usage: Usage, card: ModelCard, invoked: str, tier: str | None = None) -> int:
    found = price(usage, card=card, invoked_id=invoked, region="us-east-1", tier=tier)
    assert found is not None
    return found.nano_usd


@given(usages, models)
def test_a_price_is_a_whole_number_and_never_negative(usage: Usage, model: tuple[ModelCard, str]) -> None:
    found = nano(usage, *model)
    assert type(found) is int
    assert found >= 0


@given(models)
def test_no_tokens_cost_nothing(model: tuple[ModelCard, str]) -> None:
    assert nano(Usage(0, 0), *model) == 0


@given(
    usages,
    models,
    st.sampled_from(
        ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"]
    ),
    st.integers(1, 500_000),
)
def test_more_tokens_never_cost_less(usage: Usage, model: tuple[ModelCard, str], which: str, more: int) -> None:
    larger = replace(usage, **{which: getattr(usage, which) + more})
    assert nano(larger, *model) >= nano(usage, *model)


@given(usages, usages, models)
def test_two_calls_below_a_step_cost_what_their_sum_costs(
    one: Usage, other: Usage, model: tuple[ModelCard, str]
) -> None:
    card, invoked = model
    both = Usage(
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        one.cache_read_tokens + other.cache_read_tokens,
        one.cache_write_5m_tokens + other.cache_write_5m_tokens,
        one.cache_write_1h_tokens + other.cache_write_1h_tokens,
    )
    assert card.prices is not None
    assume(not card.prices.steps)
    apart = nano(one, card, invoked) + nano(other, card, invoked)
    assert abs(nano(both, card, invoked) - apart) <= 1  # each is rounded once


@given(usages, st.sampled_from(CATALOG.cards))
def test_the_base_price_is_exact_to_the_last_nano_dollar(usage: Usage, card: ModelCard) -> None:
    prices = card.prices
    assert prices is not None
    assume(not prices.steps and not prices.regions)
    with localcontext() as context:
        context.prec = 60
        read = prices.base.input_per_mtok if prices.cache_read_per_mtok is None else prices.cache_read_per_mtok
        short = prices.base.input_per_mtok if prices.cache_write_5m_per_mtok is None else prices.cache_write_5m_per_mtok
        if prices.cache_write_1h_per_mtok is not None:
            long = prices.cache_write_1h_per_mtok
        else:
            long = prices.base.input_per_mtok * (1 if prices.cache_write_5m_per_mtok is None else 2)
        usd = (
            usage.input_tokens * prices.base.input_per_mtok
            + usage.cache_read_tokens * read
            + usage.cache_write_5m_tokens * short
            + usage.cache_write_1h_tokens * long
            + usage.output_tokens * prices.base.output_per_mtok
        ) / 10**6
        assert nano(usage, card, card.id) == int((usd * 10**9).to_integral_value(ROUND_HALF_EVEN))


@given(usages, models)
def test_the_default_tier_costs_what_no_tier_costs(usage: Usage, model: tuple[ModelCard, str]) -> None:
    assert nano(usage, *model, "default") == nano(usage, *model)


def card_with(**changes: object) -> ModelCard:
    prices = PriceList(
        base=InOutPrice(Decimal(2), Decimal(10)), source="a test", checked_on=date(2026, 11, 21), **changes
    )
    return ModelCard(
        name="rocket",
        id="acme.rocket",
        provider="acme",
        description="",
        context_window_tokens=1,
        max_output_tokens=1,
        prices=prices,
    )


READS_AND_WRITES = Usage(0, 0, 1_000_000, 0, 0), Usage(0, 0, 0, 1_000_000, 0), Usage(0, 0, 0, 0, 1_000_000)


@pytest.mark.parametrize(
    ("known", "usd"),
    [
        ({}, (2, 2, 2)),
        ({"cache_read_per_mtok": Decimal("0.5")}, (Decimal("0.5"), 2, 2)),
        ({"cache_write_5m_per_mtok": Decimal(3)}, (2, 3, 4)),
        ({"cache_write_1h_per_mtok": Decimal(5)}, (2, 2, 5)),
    ],
)
def test_a_cache_price_that_is_missing_is_not_free(known: dict[str, object], usd: tuple[Decimal | int, ...]) -> None:
    card = card_with(**known)
    assert tuple(Decimal(nano(usage, card, card.id)) / 10**9 for usage in READS_AND_WRITES) == usd


@pytest.mark.parametrize(("output", "expected"), [(1, 0), (3, 2), (5, 2), (7, 4)])
def test_half_a_nano_dollar_goes_to_the_even_neighbour(output: int, expected: int) -> None:
    card = card_with()
    half = replace(card, prices=replace(card.prices, base=InOutPrice(Decimal(1), Decimal("0.0005"))))
    assert nano(Usage(0, output), half, half.id) == expected


@pytest.mark.parametrize(("size", "usd"), [(100, 2), (101, 4), (200, 4), (201, 8)])
def test_the_highest_step_that_was_passed_counts(size: int, usd: int) -> None:
    card = card_with(
        steps=(
            PriceStep(100, InOutPrice(Decimal(4), Decimal(20))),
            PriceStep(200, InOutPrice(Decimal(8), Decimal(40))),
        )
    )
    assert nano(Usage(0, 0, 0, size, 0), card, card.id) == size * usd * 1000


def test_a_base_that_is_free_by_agreement_stays_priced() -> None:
    card = card_with(profiles={"us": InOutPrice(Decimal(1), Decimal(1))})
    free = replace(card, prices=replace(card.prices, base=InOutPrice(Decimal(0), Decimal(0))))
    assert nano(Usage(1_000, 1_000), free, free.id) == 0


@pytest.mark.parametrize(
    ("invoked", "tier"),
    [
        ("eu.acme.rocket", None),
        ("acme.rocket", "flex"),
        ("acme.rocket", "reserved"),
        ("us.acme.other", None),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1", None),
    ],
)
def test_what_the_card_does_not_list_has_no_price(invoked: str, tier: str | None) -> None:
    card = card_with(profiles={"us": None})
    assert price(Usage(1, 1), card=card, invoked_id=invoked, region="us-east-1", tier=tier) is None
    assert tariff_of(None, invoked_id=invoked, region="us-east-1", tier=tier) is None
    assert tariff_of(replace(card, prices=None), invoked_id=card.id, region="us-east-1", tier=None) is None


@pytest.mark.parametrize(
    ("invoked", "usd"),
    [
        ("arn:aws:bedrock:us-east-1::foundation-model/acme.rocket", 2),
        ("arn:aws:bedrock:eu-west-2::foundation-model/acme.rocket", 3),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.acme.rocket", 4),
        ("us.acme.rocket", 4),
        ("global.acme.rocket", 2),
    ],
)
def test_an_arn_costs_what_the_model_and_region_in_it_cost(invoked: str, usd: int) -> None:
    card = card_with(
        regions={"eu-west-2": InOutPrice(Decimal(3), Decimal(15))},
        profiles={"us": InOutPrice(Decimal(4), Decimal(20)), "global": None},
    )
    assert nano(Usage(1_000_000, 0), card, invoked) == usd * 10**9


def test_an_estimate_of_tokens_makes_the_price_an_estimate() -> None:
    card = card_with()
    found = price(Usage(1, 1, estimated=True), card=card, invoked_id=card.id, region="us-east-1", tier=None)
    assert found is not None
    assert found.estimated
