"""The shipped cards: what must be in them, and what must hold for every one."""

from datetime import date
from decimal import Decimal

import pytest

from llm_gateway.catalog.catalog import Catalog, load_catalog
from llm_gateway.catalog.loader import CAPABILITIES, CARDS_FOLDER

TODAY = date(2026, 11, 21)

FIFTEEN = {
    "nova-pro": ("amazon.nova-pro-v1:0", "0.8", "3.2", "active"),
    "nova-lite": ("amazon.nova-lite-v1:0", "0.06", "0.24", "active"),
    "nova-micro": ("amazon.nova-micro-v1:0", "0.035", "0.14", "active"),
    "claude-3-5-sonnet": ("anthropic.claude-3-5-sonnet-20241022-v2:0", "3", "15", "retired"),
    "claude-3-5-haiku": ("anthropic.claude-3-5-haiku-20241022-v1:0", "0.8", "4", "retired"),
    "claude-3-opus": ("anthropic.claude-3-opus-20240229-v1:0", "15", "75", "retired"),
    "claude-3-sonnet": ("anthropic.claude-3-sonnet-20240229-v1:0", "3", "15", "retired"),
    "claude-3-haiku": ("anthropic.claude-3-haiku-20240307-v1:0", "0.25", "1.25", "retired"),
    "llama-3-3-70b": ("meta.llama3-3-70b-instruct-v1:0", "0.72", "0.72", "legacy"),
    "llama-3-2-90b": ("meta.llama3-2-90b-instruct-v1:0", "0.72", "0.72", "retired"),
    "llama-3-2-11b": ("meta.llama3-2-11b-instruct-v1:0", "0.16", "0.16", "retired"),
    "llama-3-1-70b": ("meta.llama3-1-70b-instruct-v1:0", "0.72", "0.72", "legacy"),
    "llama-3-1-8b": ("meta.llama3-1-8b-instruct-v1:0", "0.22", "0.22", "legacy"),
    "mistral-large-2": ("mistral.mistral-large-2407-v1:0", "2", "6", "legacy"),
    "mistral-small": ("mistral.mistral-small-2402-v1:0", "1", "3", "legacy"),
}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.mark.parametrize("name", FIFTEEN)
def test_the_fifteen_names_stand_for_their_models(catalog: Catalog, name: str) -> None:
    model_id, paid_in, paid_out, status = FIFTEEN[name]
    card = catalog.get(name)
    assert card is not None
    assert card.prices is not None
    assert (card.id, card.listed, catalog.status(card, TODAY)) == (model_id, True, status)
    assert (card.prices.base.input_per_mtok, card.prices.base.output_per_mtok) == (Decimal(paid_in), Decimal(paid_out))
    assert card.lifecycle.successor is not None


def test_every_price_tells_its_source_and_date(catalog: Catalog) -> None:
    assert [card.name for card in catalog.cards if card.prices is None] == ["titan-embed-image"]
    for card in catalog.cards:
        if card.prices is None:
            continue
        assert card.prices.source, card.name
        assert card.prices.checked_on <= date(2026, 11, 26), card.name


def test_every_card_describes_its_model_in_one_line(catalog: Catalog) -> None:
    for card in catalog.cards:
        assert 10 < len(card.description) < 140, card.name
        assert card.description.endswith("."), card.name
        assert "\n" not in card.description, card.name


def test_words_are_unique_over_the_whole_catalog(catalog: Catalog) -> None:
    words = [word for card in catalog.cards for word in (card.name, card.id, *card.aliases)]
    assert len(words) == len(set(words))


def test_every_successor_is_a_living_listed_model_in_the_end(catalog: Catalog) -> None:
    for card in catalog.cards:
        if catalog.status(card, TODAY) == "retired":
            successor = catalog.resolve(card.name, region="us-east-1", today=TODAY, retired="successor").card
            assert successor is not None, card.name
            assert successor.listed, card.name
            assert catalog.status(successor, TODAY) != "retired", card.name
        elif card.lifecycle.successor is not None:
            successor = catalog.get(card.lifecycle.successor)
            assert successor is not None, card.name
            assert successor.name == card.lifecycle.successor


def test_a_legacy_model_names_its_end_or_says_why_not(catalog: Catalog) -> None:
    for card in catalog.cards:
        if card.lifecycle.status != "active":
            assert card.lifecycle.ends_on is not None or card.lifecycle.note, card.name


def test_a_model_that_needs_a_profile_has_one(catalog: Catalog) -> None:
    for card in catalog.cards:
        assert card.profiles or not card.needs_profile or card.lifecycle.status == "retired", card.name


def test_capabilities_do_not_contradict_each_other(catalog: Catalog) -> None:
    for card in catalog.cards:
        assert card.capabilities <= CAPABILITIES, card.name
        assert not (card.can("no_sampling_params") and card.can("one_sampling_param")), card.name
        for dependent, needed in (
            ("forced_tools", "tools"),
            ("streaming_tools", "tools"),
            ("streaming_tools", "streaming"),
            ("adaptive_thinking", "reasoning"),
            ("thinking_always_on", "reasoning"),
        ):
            assert card.can(needed) or not card.can(dependent), (card.name, dependent)
        for capability, modality in (("vision", "image"), ("video", "video"), ("audio", "audio")):
            assert card.can(capability) == (modality in card.input_modalities), (card.name, capability)


def test_output_burns_quota_five_times_on_claude_from_3_7_on(catalog: Catalog) -> None:
    burning = {card.name for card in catalog.cards if card.output_burn_rate == 5}
    assert {"claude-3-7-sonnet", "claude-opus-4", "claude-haiku-5-5", "claude-fable-5-1"} <= burning
    assert all(name.startswith("claude-") for name in burning)
    assert not burning & {"claude-3-5-sonnet", "claude-3-opus", "claude-v2-1"}


def test_a_step_and_a_tier_cost_something_of_their_own(catalog: Catalog) -> None:
    for card in catalog.cards:
        if card.prices is None:
            continue
        for step in card.prices.steps:
            assert step.price.input_per_mtok > card.prices.base.input_per_mtok, card.name
        for tier in ("flex", "batch"):
            cheaper = card.prices.tiers.get(tier)
            assert cheaper is None or cheaper.input_per_mtok < card.prices.base.input_per_mtok, card.name


def test_who_makes_vectors_gives_no_text_and_takes_nothing_for_it(catalog: Catalog) -> None:
    makers = [card for card in catalog.cards if card.can("embeddings")]
    assert {card.provider for card in makers} == {"amazon", "cohere"}
    for card in makers:
        assert (card.answers, card.max_output_tokens, card.capabilities) == (False, 0, {"embeddings"}), card.name
        assert card.prices is None or card.prices.base.output_per_mtok == 0, card.name


def test_a_vendor_has_one_file_and_a_file_one_vendor() -> None:
    for path in CARDS_FOLDER.glob("*.toml"):
        assert f'provider = "{path.stem}"' in path.read_text(encoding="utf-8")
