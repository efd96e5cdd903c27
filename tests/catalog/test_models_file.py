"""A person's own models file: what it can do, and what it says when it is wrong."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from llm_gateway.catalog.catalog import Catalog, load_catalog
from llm_gateway.domain.errors import ConfigurationError

TODAY = date(2026, 11, 21)

ROCKET = """
[[model]]
name = "rocket-1"
id = "acme.rocket-1-v1:0"
context_window_tokens = 128_000
max_output_tokens = 8_000
"""


def load(tmp_path: Path, text: str) -> Catalog:
    path = tmp_path / "models.toml"
    path.write_text(text, encoding="utf-8")
    return load_catalog(path)


def complaint(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, text)
    return str(refused.value)


def test_one_table_adds_a_model(tmp_path: Path) -> None:
    card = load(tmp_path, ROCKET).get("rocket-1")
    assert card is not None
    assert (card.provider, card.prices, card.listed, card.lifecycle.status) == ("acme", None, True, "active")
    assert card.capabilities == {"system", "streaming"}


def test_a_table_can_say_all_that_a_shipped_one_can(tmp_path: Path) -> None:
    catalog = load(
        tmp_path,
        'provider = "Acme"\n'
        + ROCKET
        + """
aliases = ["rocket"]
description = "Flies."
status = "legacy"
ends_on = 2027-01-01
successor = "nova-pro"
note = "Hot."
listed = false
max_input_tokens = 100_000
input_modalities = ["text", "image"]
output_modalities = ["text"]
capabilities = ["system", "vision"]
cache_min_tokens = 1_024
output_burn_rate = 5
needs_profile = true
[model.price]
input = "0.5"
output = 2
cache_read = 0.05
cache_write_5m = 0.625
cache_write_1h = 1
source = "an invoice"
checked = 2026-11-01
[model.price.profiles]
global = "base"
us = { input = 0.55, output = 2.2 }
[model.price.regions]
eu-west-2 = { input = 0.6, output = 2.4 }
[model.price.tiers]
flex = { input = 0.25, output = 1 }
[[model.price.steps]]
over_tokens = 100_000
input = 1
output = 4
[[model.price.steps]]
over_tokens = 110_000
input = 2
output = 8
""",
    )
    card = catalog.get("rocket")
    assert card is not None
    assert card.prices is not None
    assert card.provider == "acme"
    assert card.profiles == ("global", "us")
    assert card.prices.base.input_per_mtok == Decimal("0.5")
    assert card.prices.profiles["global"] is None
    assert [step.over_tokens for step in card.prices.steps] == [100_000, 110_000]
    assert catalog.resolve("rocket", region="us-east-1", today=TODAY).invoked_id == "us.acme.rocket-1-v1:0"


def test_a_table_with_a_shipped_name_replaces_only_what_it_writes(tmp_path: Path) -> None:
    catalog = load(
        tmp_path,
        """
[[model]]
name = "nova-pro"
max_output_tokens = 5_000
[model.price]
input = 0.4
output = 1.6
checked = 2026-11-01
""",
    )
    card = catalog.get("nova-pro")
    assert card is not None
    assert card.prices is not None
    assert (card.id, card.max_output_tokens, card.can("vision")) == ("amazon.nova-pro-v1:0", 5_000, True)
    assert card.prices.base.input_per_mtok == Decimal("0.4")
    assert card.prices.cache_read_per_mtok is None  # the price is replaced as a whole
    assert card.prices.source == "models file"
    assert len(catalog.cards) == len(load_catalog().cards)


def test_a_table_with_a_shipped_id_can_rename_the_model(tmp_path: Path) -> None:
    catalog = load(tmp_path, '[[model]]\nid = "amazon.nova-pro-v1:0"\nname = "house-model"\n')
    assert catalog.get("nova-pro") is None
    card = catalog.get("house-model")
    assert card is not None
    assert card.max_output_tokens == 10_000


def test_an_arn_can_be_given_a_name_and_a_price(tmp_path: Path) -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3"
    catalog = load(tmp_path, ROCKET.replace("acme.rocket-1-v1:0", arn))
    assert catalog.resolve("rocket-1", region="us-east-1", today=TODAY).invoked_id == arn
    assert catalog.resolve(arn, region="us-east-1", today=TODAY).name == "rocket-1"


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, "").cards == load_catalog().cards


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model = [", "this is no TOML"),
        ("model = 3", "model must be a list of tables"),
        ("model = [3]", "model must be a list of tables"),
        ("[model]\nname = 'x'", "model must be a list of tables"),
        ("[[models]]", "unknown key 'models'; did you mean 'model'?"),
        ("[[model]]\nid = 'a.b'", "[[model]] 1: name is missing; add name ="),
        ("[[model]]\nname = 'x'", "[[model]] 1 (x): id is missing; add id ="),
        ("[[model]]\nname = 'a b'\nid = 'a.b'", "it must be ASCII without spaces"),
        (ROCKET + "max_output = 5", "unknown key 'max_output'; did you mean 'max_output_tokens'?"),
        (ROCKET + "zzz = 5", "unknown key 'zzz'; known keys: "),
        (ROCKET.replace("128_000", "'big'"), "context_window_tokens is 'big'; it must be a whole number"),
        (ROCKET.replace("8_000", "0"), "max_output_tokens is 0; it must be a whole number"),
        (ROCKET.replace("max_output_tokens = 8_000", ""), "max_output_tokens is missing; add max_output_tokens ="),
        (ROCKET + "listed = 1", "listed is 1; it must be true or false"),
        (ROCKET + "description = ' '", "description is ' '; it must be text"),
        (ROCKET + "aliases = 'a'", "aliases is 'a'; it must be a list of words"),
        (ROCKET + "aliases = [1]", "aliases is 1; it must be words in quotes"),
        (ROCKET + "aliases = ['nova-pro']", "'nova-pro' already stands for nova-pro (amazon.nova-pro-v1:0)"),
        (ROCKET + "capabilities = ['tool']", "capabilities: unknown word 'tool'; did you mean 'tools'?"),
        (ROCKET + "input_modalities = ['smell']", "input_modalities: unknown word 'smell'; known words: "),
        (ROCKET + "status = 'dead'", "status is 'dead'; it must be one of active, legacy, retired"),
        (ROCKET + "ends_on = '2027-01-01'", "ends_on is '2027-01-01'; it must be a date without quotes"),
        (ROCKET + "ends_on = 2027-01-01T00:00:00Z", "it must be a date without quotes"),
        (ROCKET + "price = 3", "price is 3; it must be a table: [model.price]"),
        (ROCKET + "[model.price]\ninput = 1", "model.price: output is missing"),
        (ROCKET + "[model.price]\ninput = -1\noutput = 1", "input is -1; it must be US dollars per million tokens"),
        (ROCKET + "[model.price]\ninput = true\noutput = 1", "input is True; it must be US dollars"),
        (ROCKET + "[model.price]\ninput = 'x'\noutput = 1", "input is 'x'; it must be US dollars"),
        (ROCKET + "[model.price]\ninput = nan\noutput = 1", "input is NaN; it must be US dollars"),
        (ROCKET + "[model.price]\ninput = 1\noutput = 1", "checked is missing; add checked = 2026-11-21"),
        (ROCKET + "[model.price]\ninput = 1\noutput = 1\nread = 1", "unknown key 'read'"),
        (
            ROCKET + "[model.price]\ninput = 1\noutput = 1\nchecked = 2026-11-01\nprofiles = {mars = 'base'}",
            "model.price.profiles: unknown key 'mars'",
        ),
        (
            ROCKET + "[model.price]\ninput = 1\noutput = 1\nchecked = 2026-11-01\nprofiles = {us = 'bass'}",
            "us is 'bass'; it must be a table",
        ),
        (
            ROCKET + "[model.price]\ninput = 1\noutput = 1\nchecked = 2026-11-01\nsteps = 3",
            "steps is 3; it must be a list of tables",
        ),
        (
            ROCKET + "[model.price]\ninput = 1\noutput = 1\nchecked = 2026-11-01\nsteps = [3]",
            "steps is 3; it must be a list of tables",
        ),
        (
            ROCKET
            + "[model.price]\ninput = 1\noutput = 1\nchecked = 2026-11-01\n"
            + "[[model.price.steps]]\nover_tokens = 9\ninput = 1\noutput = 1\n" * 2,
            "model.price.steps 2: over_tokens must grow",
        ),
    ],
)
def test_a_wrong_file_names_the_place_and_the_mend(tmp_path: Path, text: str, said: str) -> None:
    found = complaint(tmp_path, text)
    assert "models.toml" in found
    assert said in found


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: the models file cannot be read"):
        load_catalog(tmp_path / "nowhere.toml")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="this is no TOML"):
        load_catalog(tmp_path / "models.toml")
