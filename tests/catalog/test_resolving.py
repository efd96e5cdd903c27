"""What a caller's word for a model stands for."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.catalog.catalog import Catalog, RetiredModels, load_catalog
from llm_gateway.domain.cards import Lifecycle, ModelCard
from llm_gateway.domain.errors import CallerError, InvalidRequest, UnknownModel
from llm_gateway.domain.requests import ResolvedModel

TODAY = date(2026, 11, 21)
CATALOG = load_catalog()


def resolve(
    word: str, region: str = "us-east-1", retired: RetiredModels = "refuse", today: date = TODAY
) -> ResolvedModel:
    return CATALOG.resolve(word, region=region, today=today, retired=retired)


@pytest.mark.parametrize(
    ("region", "invoked"),
    [
        ("us-east-1", "us.anthropic.claude-sonnet-5-5"),
        ("us-gov-west-1", "us-gov.anthropic.claude-sonnet-5-5"),
        ("eu-north-1", "eu.anthropic.claude-sonnet-5-5"),
        ("ap-northeast-1", "jp.anthropic.claude-sonnet-5-5"),
        ("ap-southeast-2", "au.anthropic.claude-sonnet-5-5"),
        ("ap-south-1", "apac.anthropic.claude-sonnet-5-5"),
        ("ca-central-1", "global.anthropic.claude-sonnet-5-5"),
        ("", "global.anthropic.claude-sonnet-5-5"),
    ],
)
def test_a_short_name_becomes_the_profile_of_the_region(region: str, invoked: str) -> None:
    assert resolve("claude-sonnet-5-5", region).invoked_id == invoked


@pytest.mark.parametrize(
    ("name", "region", "invoked"),
    [
        ("nova-pro", "ap-northeast-3", "apac.amazon.nova-pro-v1:0"),  # no jp profile
        ("nova-pro", "sa-east-1", "amazon.nova-pro-v1:0"),  # no profile needed
        ("nova-pro", "us-gov-east-1", "amazon.nova-pro-v1:0"),
        ("claude-sonnet-4-5", "ap-south-1", "global.anthropic.claude-sonnet-4-5-20250929-v1:0"),  # no apac profile
        ("claude-haiku-4-5", "us-gov-west-1", "anthropic.claude-haiku-4-5-20251001-v1:0"),  # global ends at GovCloud
        ("claude-haiku-4-5", "cn-north-1", "anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("llama-4-scout", "eu-west-1", "meta.llama4-scout-17b-instruct-v1:0"),  # us only, so AWS has the last word
        ("gpt-oss-120b", "us-east-1", "openai.gpt-oss-120b-1:0"),
        ("mistral-large-3", "eu-west-1", "mistral.mistral-large-3-675b-instruct"),
        ("qwen3-32b", "us-west-2", "qwen.qwen3-32b-v1:0"),
    ],
)
def test_where_no_geographic_profile_fits_global_or_the_bare_id_is_asked(name: str, region: str, invoked: str) -> None:
    assert resolve(name, region).invoked_id == invoked


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("nova-pro", "nova-pro"),
        ("  Nova-Pro\n", "nova-pro"),
        ("claude-sonnet-4.6", "claude-sonnet-4-6"),
        ("gpt-6-1-sol", "gpt-6.1-sol"),
        ("llama-3.3-70b", "llama-3-3-70b"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
    ],
)
def test_a_name_is_found_without_case_under_its_aliases(word: str, name: str) -> None:
    found = resolve(word)
    assert (found.asked, found.name) == (word, name)


@pytest.mark.parametrize(
    "word",
    [
        "amazon.nova-pro-v1:0",
        "us.amazon.nova-pro-v1:0",
        "eu.amazon.nova-pro-v1:0",
        "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-pro-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0",
        "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/amazon.nova-pro-v1:0",
    ],
)
def test_an_id_or_arn_is_invoked_as_it_was_asked(word: str) -> None:
    found = resolve(word)
    assert found.invoked_id == word
    assert found.card is CATALOG.get("nova-pro")
    assert CATALOG.get(word) is found.card


def test_an_id_in_capitals_is_invoked_as_aws_writes_it() -> None:
    assert resolve("US.Amazon.Nova-Pro-V1:0").invoked_id == "us.amazon.nova-pro-v1:0"


@pytest.mark.parametrize(
    "word",
    [
        "amazon.nova-9-mega-v1:0",
        "us.amazon.nova-9-mega-v1:0",
        "newvendor.some-model-v1:0",
        "cohere.command-r-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3",
        "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/a1b2c3",
        "arn:aws:bedrock:us-east-1:123456789012:imported-model/a1b2c3",
        "arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/anthropic.claude:1",
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-9-mega-v1:0",
        "arn:aws:sagemaker:us-east-1:123456789012:endpoint/my-endpoint",
    ],
)
def test_what_looks_like_a_bedrock_id_works_without_a_card(word: str) -> None:
    found = resolve(word)
    assert (found.card, found.invoked_id, found.name, found.warnings) == (None, word, word, ())
    assert CATALOG.get(word) is None


@pytest.mark.parametrize(
    ("word", "first"),
    [
        ("nova-por", "nova-pro"),
        ("claude-sonet-4.5", "claude-sonnet-4-5"),
        ("claude-3-opuss", "claude-3-opus"),
        ("llama3.3", "llama-3-3-70b"),
        ("nova_proo", "nova-pro"),
        ("haiku", "claude-haiku-4-5"),
        ("gpt oss", "gpt-oss-20b"),
    ],
)
def test_a_misspelt_name_gets_the_closest_ones(word: str, first: str) -> None:
    with pytest.raises(UnknownModel) as refused:
        resolve(word)
    assert refused.value.closest[0] == first
    assert len(refused.value.closest) <= 3
    assert first in refused.value.message


@pytest.mark.parametrize(("word", "family"), [("gpt-4o", "gpt-"), ("llama3", "llama-3"), ("mistral", "mistral-")])
def test_another_vendors_word_gets_the_family_we_have(word: str, family: str) -> None:
    closest = CATALOG.closest(word)
    assert len(closest) == 3
    assert all(name.startswith(family) for name in closest)


@pytest.mark.parametrize("word", ["xyzzy", "é", "中文", "o3", "🤖" * 20, "-", "gpt 4" + "\x00" * 9, "x" * 2048])
def test_a_word_like_nothing_is_an_unknown_model_all_the_same(word: str) -> None:
    with pytest.raises(UnknownModel) as refused:
        resolve(word)
    assert len(refused.value.message) < 400


def test_closest_of_nothing_is_nothing() -> None:
    assert CATALOG.closest("...") == ()


@pytest.mark.parametrize("word", ["", "   ", "x" * 2049])
def test_an_empty_or_endless_word_is_an_invalid_request(word: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        resolve(word)
    assert refused.value.field == "model"


@given(st.text(max_size=300))
def test_no_word_crashes_the_catalog(word: str) -> None:
    try:
        found = resolve(word)
    except CallerError:
        return
    assert found.invoked_id


@given(st.sampled_from(["", "us.", "arn:aws:bedrock:us-east-1::foundation-model/"]), st.sampled_from(CATALOG.cards))
def test_every_form_of_a_known_id_finds_its_card(before: str, card: ModelCard) -> None:
    assert CATALOG.get(before + card.id) is card


def test_an_id_of_a_retired_model_is_left_to_bedrock_with_a_warning() -> None:
    found = resolve("us.anthropic.claude-3-opus-20240229-v1:0")
    assert found.invoked_id == "us.anthropic.claude-3-opus-20240229-v1:0"
    assert found.warnings == (
        "claude-3-opus was retired on 2026-01-15; claude-opus-5-5 succeeds it; "
        "Bedrock was asked all the same because its id was given",
    )


def test_an_id_of_a_retired_model_becomes_its_successor_where_that_was_wished() -> None:
    assert resolve("us.anthropic.claude-3-opus-20240229-v1:0", retired="successor").name == "claude-opus-5-5"


def test_a_retired_model_is_refused_with_its_successor() -> None:
    with pytest.raises(UnknownModel) as refused:
        resolve("claude-3-opus")
    assert refused.value.successor == "claude-opus-5-5"
    assert refused.value.message == "claude-3-opus was retired on 2026-01-15; ask claude-opus-5-5 instead"


def test_a_retired_models_successor_answers_where_that_was_wished() -> None:
    found = resolve("claude-3-opus", "eu-west-1", "successor")
    assert (found.asked, found.invoked_id) == ("claude-3-opus", "eu.anthropic.claude-opus-5-5")
    assert found.warnings == ("claude-3-opus was retired on 2026-01-15; claude-opus-5-5 was asked instead",)


def test_a_successor_that_is_legacy_says_so_too() -> None:
    found = resolve("llama-3-2-90b", retired="successor")
    assert found.name == "llama-4-maverick"
    assert len(found.warnings) == 2
    assert "2027-03-30" in found.warnings[1]


def test_a_successor_that_is_retired_too_gives_way_to_its_own() -> None:
    found = resolve("llama-3-2-90b", retired="successor", today=date(2027, 4, 1))
    assert found.name == "mistral-large-3"


def test_a_legacy_model_answers_with_its_end_and_successor() -> None:
    found = resolve("llama-3-3-70b")
    assert found.warnings == ("llama-3-3-70b is legacy and ends on 2027-03-30; gpt-oss-120b succeeds it",)
    assert resolve("mistral-large-2").warnings == (
        "mistral-large-2 is legacy and has no public end date; mistral-large-3 succeeds it",
    )


def test_a_legacy_model_is_retired_on_the_day_after_its_end() -> None:
    assert resolve("llama-3-3-70b", today=date(2027, 3, 30)).warnings
    with pytest.raises(UnknownModel) as refused:
        resolve("llama-3-3-70b", today=date(2027, 3, 31))
    assert refused.value.successor == "gpt-oss-120b"


@pytest.mark.parametrize("successor", [None, "gone-2", "gone", "nobody"])
def test_a_retired_model_without_a_living_successor_is_refused_in_any_case(successor: str | None) -> None:
    def gone(name: str, follower: str | None) -> ModelCard:
        return ModelCard(
            name=name,
            id=f"acme.{name}",
            provider="acme",
            description="",
            context_window_tokens=1,
            max_output_tokens=1,
            lifecycle=Lifecycle("retired", successor=follower),
        )

    catalog = Catalog([gone("gone", successor), gone("gone-2", "gone")])
    with pytest.raises(UnknownModel) as refused:
        catalog.resolve("gone", region="us-east-1", today=TODAY, retired="successor")
    assert refused.value.successor is None
    assert "gone was retired" in refused.value.message


def test_answers_are_remembered_but_not_without_bound() -> None:
    catalog = load_catalog()
    first = catalog.resolve("nova-pro", region="us-east-1", today=TODAY)
    assert catalog.resolve("nova-pro", region="us-east-1", today=TODAY) is first
    for number in range(3_000):
        catalog.resolve("nova-pro", region=f"us-somewhere-{number}", today=TODAY)
    assert catalog.resolve("nova-pro", region="us-east-1", today=TODAY) == first
    assert catalog.resolve("nova-pro", region="us-east-1", today=TODAY) is not first
