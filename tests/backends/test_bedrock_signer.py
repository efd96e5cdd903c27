"""Signatures: byte for byte botocore's."""

from datetime import UTC, datetime
from typing import Any

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.backends.bedrock.credentials import host_header
from llm_gateway.backends.bedrock.signer import BearerSigner, SigV4Signer

NOW = datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC)
IDS = [
    "amazon.nova-pro-v1%3A0",
    "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0",
    "arn%3Aaws%3Abedrock%3Aeu-west-1%3A111122223333%3Aapplication-inference-profile%2Fa1b2",
    "weird~id%20with%20space",
    "%E6%97%A5%25",
]
ENDPOINTS = [
    "https://bedrock-runtime.us-east-1.amazonaws.com",
    "http://127.0.0.1:8080/prefix",
    "http://[::1]:9",
    "https://h:443",
]


def theirs(url: str, body: bytes, key: str, secret: str, token: str | None, region: str) -> dict[str, str]:
    """Signed by botocore, now."""
    request: Any = botocore.awsrequest.AWSRequest("POST", url, headers={"Content-Type": "application/json"}, data=body)
    credentials = botocore.credentials.Credentials(key, secret, token)
    botocore.auth.SigV4Auth(credentials, "bedrock", region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def ours(when: str, url: str, body: bytes, key: str, secret: str, token: str | None, region: str) -> dict[str, str]:
    """Signed by us, at botocore's time."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    signer = SigV4Signer(
        access_key_id=key,
        secret_access_key=secret,
        session_token=token,
        region=region,
        host=host_header(f"{scheme}://{host}"),
        clock=datetime.strptime(when, "%Y%m%dT%H%M%S%z").timestamp,
    )
    return {name.lower(): value for name, value in signer.headers(f"/{path}", body).items()}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("model", IDS)
@pytest.mark.parametrize("token", [None, "FwoGZXIvYXdzE//////////wEaD+a=="])
def test_a_signature_is_botocores(endpoint: str, model: str, token: str | None) -> None:
    facts = (
        f"{endpoint}/model/{model}/converse-stream",
        b'{"messages":[]}',
        "AKIDEXAMPLE",
        "s/ecret",
        token,
        "eu-west-1",
    )
    expected = theirs(*facts)
    assert ours(expected["x-amz-date"], *facts) == expected


@given(
    body=st.binary(max_size=200), secret=st.text("abcXYZ/+1", min_size=1), region=st.sampled_from(["us-east-1", "x"])
)
def test_any_body_is_signed_as_botocore_signs_it(body: bytes, secret: str, region: str) -> None:
    facts = (f"{ENDPOINTS[0]}/model/x/converse", body, "AK", secret, None, region)
    expected = theirs(*facts)
    assert ours(expected["x-amz-date"], *facts) == expected


def test_a_kept_key_turns_with_the_day_and_the_second() -> None:
    at = [NOW.timestamp()]

    def signer() -> SigV4Signer:
        return SigV4Signer(
            access_key_id="AK", secret_access_key="s", session_token=None, region="r", host="h", clock=lambda: at[0]
        )

    kept = signer()
    first = kept.headers("/model/x/converse", b"")
    assert first["X-Amz-Date"] == "20261121T235959Z"
    assert kept.headers("/model/x/converse", b"") == first
    at[0] += 2
    second = kept.headers("/model/x/converse", b"")
    assert second["X-Amz-Date"] == "20261122T000001Z"
    assert "/20261122/r/bedrock/aws4_request" in second["Authorization"]
    assert second == signer().headers("/model/x/converse", b"")


def test_paths_are_kept_in_bounded_memory() -> None:
    signer = SigV4Signer(access_key_id="AK", secret_access_key="s", session_token=None, region="r", host="h")
    for number in range(3_000):
        signer.headers(f"/model/{number}/converse", b"")
    assert len(signer._canonical_paths) <= 1_024


def test_a_bearer_token_goes_as_it_is() -> None:
    assert BearerSigner("key-1").headers("/any", b"x")["Authorization"] == "Bearer key-1"
