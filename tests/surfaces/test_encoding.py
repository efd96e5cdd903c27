"""Results as JSON: money leaves as a float only here, and what is unknown stays null."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import jsonschema

from houses import CATALOG, TODAY
from llm_gateway.domain.cards import InOutPrice, Lifecycle, ModelCard, PriceList
from llm_gateway.surfaces.encoding import encode_card, usd
from llm_gateway.surfaces.tool_schemas import LIST_MODELS_OUTPUT

BARE = ModelCard(
    name="new", id="acme.new", provider="acme", description="new", context_window_tokens=10, max_output_tokens=5
)


def test_nano_dollars_become_dollars_and_unknown_stays_unknown() -> None:
    assert (usd(34_069_200), usd(1), usd(0), usd(None)) == (0.0340692, 1e-9, 0.0, None)


def test_a_card_without_a_price_says_null_never_0() -> None:
    card = encode_card(BARE)
    jsonschema.validate({"result": [card]}, LIST_MODELS_OUTPUT)
    for name, value in card.items():
        if "cost" in name or name.startswith("price"):
            assert value is None, name
    assert card["supports_system"] is False


def test_a_price_is_exact_per_thousand_and_has_its_source() -> None:
    prices = PriceList(
        base=InOutPrice(Decimal("0.07"), Decimal("3.3")),
        cache_read_per_mtok=Decimal("0.0175"),
        source="somewhere",
        checked_on=date(2026, 11, 1),
    )
    life = Lifecycle("legacy", date(2027, 1, 2), "newer", "note")
    card = encode_card(replace(BARE, prices=prices, lifecycle=life, capabilities=frozenset({"system", "tools"})))
    jsonschema.validate({"result": [card]}, LIST_MODELS_OUTPUT)
    assert (card["input_cost_per_1k"], card["output_cost_per_1k"]) == (0.00007, 0.0033)
    assert (card["cache_read_cost_per_1k"], card["cache_write_cost_per_1k"]) == (0.0000175, None)
    assert (card["price_source"], card["price_checked_on"]) == ("somewhere", "2026-11-01")
    assert card["lifecycle"] == {"status": "legacy", "ends_on": "2027-01-02", "successor": "newer", "note": "note"}
    assert (card["supports_system"], card["capabilities"]) == (True, ["system", "tools"])


def test_every_card_of_the_catalog_fits_the_schema() -> None:
    listing = CATALOG.listing(today=TODAY) + CATALOG.listing(capability="embeddings", today=TODAY)
    jsonschema.validate({"result": [encode_card(card) for card in listing]}, LIST_MODELS_OUTPUT)
