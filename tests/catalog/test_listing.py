"""The listing that agents choose from."""

from datetime import date

import pytest

from llm_gateway.catalog.catalog import load_catalog
from llm_gateway.domain.errors import InvalidRequest

TODAY = date(2026, 11, 21)
CATALOG = load_catalog()


def test_everything_is_listed_but_what_current_tables_have_dropped() -> None:
    names = {card.name for card in CATALOG.listing(today=TODAY)}
    assert {"nova-pro", "claude-3-opus", "mistral-large-2", "mistral-small"} <= names
    assert not names & {"titan-text-express", "claude-v2-1", "llama-2-70b"}
    assert CATALOG.get("titan-text-express") is not None


def test_providers_are_found_without_case_and_by_the_vendor_of_the_id() -> None:
    assert {card.provider for card in CATALOG.listing(provider=" Amazon ", today=TODAY)} == {"amazon"}
    assert {card.id.partition(".")[0] for card in CATALOG.listing(provider="moonshot", today=TODAY)} == {
        "moonshot",
        "moonshotai",
    }
    assert "kimi-k3" in {card.name for card in CATALOG.listing(provider="moonshotai", today=TODAY)}


def test_filters_narrow_together() -> None:
    found = CATALOG.listing(provider="mistral", capability="vision", lifecycle="active", today=TODAY)
    assert "mistral-large-3" in {card.name for card in found}
    assert all(card.can("vision") and card.lifecycle.status == "active" for card in found)


def test_the_lifecycle_is_that_of_the_day() -> None:
    def legacy_on(day: date) -> set[str]:
        return {card.name for card in CATALOG.listing(lifecycle="legacy", today=day)}

    assert "jamba-1-5-mini" in legacy_on(date(2026, 11, 26))
    assert "jamba-1-5-mini" not in legacy_on(date(2026, 11, 27))
    retired = CATALOG.listing(lifecycle="retired", today=date(2026, 11, 27))
    assert {card.lifecycle.status for card in retired} == {"retired"}
    assert "jamba-1-5-mini" in {card.name for card in retired}


@pytest.mark.parametrize("field", ["provider", "capability", "lifecycle"])
def test_a_filter_word_nobody_knows_is_refused_with_those_there_are(field: str) -> None:
    words = {"provider": None, "capability": None, "lifecycle": None, field: "bogus"}
    with pytest.raises(InvalidRequest) as refused:
        CATALOG.listing(
            provider=words["provider"], capability=words["capability"], lifecycle=words["lifecycle"], today=TODAY
        )
    assert refused.value.field == field
    assert {"provider": "anthropic", "capability": "vision", "lifecycle": "retired"}[field] in refused.value.message
