"""Other regions and other accounts: who asks where, as the sandbox saw it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from bedrock_words import ask, hear

from llm_gateway.backends.bedrock.client import BedrockBackend
from llm_gateway.backends.bedrock.role_session import clean_tags
from llm_gateway.backends.bedrock.timeouts import Timeouts
from llm_gateway.domain.embeddings import EmbedCall, EmbedRequest
from llm_gateway.domain.errors import BackendRefused
from llm_gateway.domain.requests import ModelCall, ResolvedModel
from llm_gateway.domain.routes import Account, Place
from llm_gateway.sandbox.server import Sandbox

ROLE = "arn:aws:iam::222233334444:role/bedrock"
SESSION = "arn:aws:sts::222233334444:assumed-role/bedrock/llm-gateway"
BILLING = Account(name="billing", role_arn=ROLE, external_id="from-the-file", session_tags=("key",))
PATIENT = Timeouts(connect_s=10, first_event_s=30, idle_s=30, total_s=60)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(external_id="from-the-file") as running:
        yield running


@pytest.fixture
def backend(
    tmp_path: Path, sandbox: Sandbox, backend_at: Callable[..., BedrockBackend], monkeypatch: pytest.MonkeyPatch
) -> BedrockBackend:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sandbox.url)
    return backend_at(sandbox.url, timeouts=PATIENT)


def at(place: Place, *tags: tuple[str, str], text: str = "Hello") -> ModelCall:
    return replace(ask(text), place=place, session_tags=tags)


async def test_a_region_is_signed_for_and_the_own_one_is_as_before(backend: BedrockBackend, sandbox: Sandbox) -> None:
    for call in (ask("Hello"), at(Place("eu-west-1")), at(Place("us-west-2")), at(Place())):
        assert (await hear(backend, call)).completion
    assert [record.region for record in sandbox.log] == ["us-east-1", "eu-west-1", "us-west-2", "us-east-1"]
    assert {record.credential for record in sandbox.log} == {"AKIDEXAMPLE"}
    assert sandbox.roles == []


async def test_an_account_is_asked_under_its_role_in_all_regions(backend: BedrockBackend, sandbox: Sandbox) -> None:
    places = [Place(region, BILLING) for region in (None, "eu-west-1", None, "eu-west-1")]
    for place in places:
        assert (await hear(backend, at(place, ("key", "alice")))).completion
    assert [record.region for record in sandbox.log] == ["us-east-1", "eu-west-1"] * 2
    assert {record.role for record in sandbox.log} == {SESSION}
    assert all(record.tags == {"key": "alice"} for record in sandbox.log)
    (lent,) = sandbox.roles
    assert (lent.asked_by, lent.external_id_given, lent.tags) == ("AKIDEXAMPLE", True, {"key": "alice"})


async def test_callers_have_sessions_of_their_own(backend: BedrockBackend, sandbox: Sandbox) -> None:
    place = Place("eu-west-1", BILLING)
    calls = [at(place, ("key", name)) for name in ("alice", "bob") for _ in range(5)]
    heard = await asyncio.gather(*[hear(backend, call) for call in calls])
    assert all(each.completion for each in heard)
    assert sorted(role.tags["key"] for role in sandbox.roles) == ["alice", "bob"]
    assert sorted((record.tags or {})["key"] for record in sandbox.log) == ["alice"] * 5 + ["bob"] * 5


async def test_credentials_that_aws_ended_are_lent_anew(backend: BedrockBackend, sandbox: Sandbox) -> None:
    place = Place(None, BILLING)
    assert (await hear(backend, at(place))).completion
    sandbox.end_sessions()
    assert (await hear(backend, at(place))).completion
    assert [record.status for record in sandbox.log] == [200, 403, 200]
    assert len(sandbox.roles) == 2


@pytest.mark.parametrize(
    "account",
    [
        replace(BILLING, external_id="of-somebody-else"),
        replace(BILLING, external_id=None),
        replace(BILLING, role_arn=ROLE + "-denied"),
    ],
)
async def test_a_role_that_is_not_lent_is_told_with_its_mend(
    backend: BedrockBackend, sandbox: Sandbox, account: Account
) -> None:
    heard = await hear(backend, at(Place(None, account)))
    assert isinstance(heard.error, BackendRefused)
    assert (heard.error.code, heard.error.remedy.falls) == ("upstream_auth_error", True)
    told = heard.error.message
    assert all(word in told for word in (account.role_arn, "'billing'", "sts:AssumeRole", "sts:TagSession"))
    assert "somebody" not in told
    assert sandbox.log == []
    assert [role.error for role in sandbox.roles] == ["AccessDenied"]
    assert (await hear(backend, ask("Hello"))).completion  # the own account is as before


async def test_own_credentials_that_sts_refuses_are_told(
    backend: BedrockBackend, backend_at: Callable[..., BedrockBackend], sandbox: Sandbox
) -> None:
    other = backend_at(sandbox.url, access_key_id="INVALIDKEY", timeouts=PATIENT)
    heard = await hear(other, at(Place(None, BILLING)))
    assert isinstance(heard.error, BackendRefused)
    assert "the gateway's own credentials (InvalidClientTokenId)" in heard.error.message


async def test_an_api_key_cannot_assume_a_role(
    backend: BedrockBackend, backend_at: Callable[..., BedrockBackend], sandbox: Sandbox
) -> None:
    bearer = backend_at(sandbox.url, access_key_id=None, secret_access_key=None, bearer_token="key-1", timeouts=PATIENT)
    assert (await hear(bearer, at(Place("eu-west-1")))).completion
    heard = await hear(bearer, at(Place(None, BILLING)))
    assert isinstance(heard.error, BackendRefused)
    assert "a Bedrock API key is not enough" in heard.error.message


async def test_sts_that_cannot_be_reached_is_told(backend: BedrockBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    heard = await hear(backend, at(Place(None, BILLING)))
    assert isinstance(heard.error, BackendRefused)
    assert heard.error.code == "upstream_auth_error"
    assert "AWS_ENDPOINT_URL_STS" in heard.error.message


async def test_vectors_and_counts_go_to_their_place(backend: BedrockBackend, sandbox: Sandbox) -> None:
    titan = "amazon.titan-embed-text-v2:0"
    request = EmbedRequest(model=titan, texts=("one",))
    place = Place("eu-west-1", BILLING)
    call = EmbedCall(request, ResolvedModel(titan, titan, None), place=place, session_tags=(("key", "alice"),))
    assert len((await backend.embed(call, lambda usage, end: None)).vectors) == 1
    assert [(record.operation, record.region, record.role) for record in sandbox.log] == [
        ("InvokeModel", "eu-west-1", SESSION)
    ]


async def test_what_was_learned_at_a_place_is_known_to_all_of_its_sessions(
    backend: BedrockBackend, sandbox: Sandbox
) -> None:
    model = "sandbox.no-streaming"
    for name in ("alice", "bob"):
        call = replace(ask("Hello", model=model), place=Place(None, BILLING), session_tags=(("key", name),))
        assert (await hear(backend, call)).completion
    assert [record.operation for record in sandbox.log] == ["ConverseStream", "Converse", "Converse"]


def test_tags_are_cleaned_to_what_sts_takes() -> None:
    given = [("key", "Jörg & Söhne <x>"), ("KEY", "second"), ("team", "v" * 300), ("aws:x", "AWS:y"), ("", "nothing")]
    assert clean_tags(given) == (
        ("key", "Jörg _ Söhne _x_"),
        ("team", "v" * 256),
        ("aws_x", "aws_y"),
    )
    assert len(clean_tags([(f"k{number}", "v") for number in range(80)])) == 50
