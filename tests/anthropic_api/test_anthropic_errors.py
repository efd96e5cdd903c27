"""The public table of errors, in Anthropic's types and our headers."""

import pytest

from llm_gateway.domain.completions import Usage
from llm_gateway.domain.errors import BackendThrottled, BackendTimeout, GatewayError, InvalidRequest
from llm_gateway.surfaces.anthropic_api.errors import error_json, error_type
from llm_gateway.surfaces.http_headers import error_headers

TYPES = {
    "invalid_request": "invalid_request_error",
    "unsupported_feature": "invalid_request_error",
    "context_length_exceeded": "invalid_request_error",
    "content_blocked": "invalid_request_error",
    "payload_too_large": "invalid_request_error",
    "model_not_found": "not_found_error",
    "invalid_api_key": "authentication_error",
    "budget_exceeded": "billing_error",
    "price_unknown": "billing_error",
    "upstream_throttled": "rate_limit_error",
    "upstream_quota_exceeded": "rate_limit_error",
    "upstream_not_ready": "overloaded_error",
    "upstream_unavailable": "overloaded_error",
    "upstream_connection_error": "overloaded_error",
    "upstream_error": "api_error",
    "upstream_model_error": "api_error",
    "upstream_timeout": "timeout_error",
    "upstream_access_denied": "api_error",
    "upstream_auth_error": "api_error",
    "upstream_protocol_error": "api_error",
    "upstream_stream_error": "api_error",
    "overloaded": "overloaded_error",
    "draining": "overloaded_error",
    "guardrail_unavailable": "api_error",
    "auth_backend_unavailable": "api_error",
    "ledger_unavailable": "api_error",
    "internal_error": "api_error",
}


@pytest.mark.parametrize("code", TYPES)
def test_every_code_has_its_type(code: str) -> None:
    assert error_type(code) == TYPES[code]


def test_the_facts_travel_beside_the_type() -> None:
    assert error_json(InvalidRequest("wrong", field="top_p"), "req_1") == {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "wrong",
            "code": "invalid_request",
            "retryable": False,
            "retry_after_ms": None,
            "field": "top_p",
        },
        "request_id": "req_1",
    }


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (InvalidRequest("x"), {}),
        (BackendThrottled("x", model="m"), {b"retry-after": b"1", b"retry-after-ms": b"1000"}),
        (BackendThrottled("x", model="m", retry_after_s=2.2), {b"retry-after": b"3", b"retry-after-ms": b"2200"}),
        (BackendTimeout("x", model="m"), {}),
        (BackendTimeout("x", model="m", spent=Usage(1, 0)), {b"x-should-retry": b"false"}),
        (GatewayError("x"), {b"x-should-retry": b"false"}),
    ],
)
def test_clients_are_told_when_to_ask_again(error: GatewayError, headers: dict[bytes, bytes]) -> None:
    assert dict(error_headers(error)) == headers
