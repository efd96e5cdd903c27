"""Errors as callers see them."""

import pytest

from llm_gateway.domain.errors import BackendThrottled, GatewayError, InvalidRequest
from llm_gateway.surfaces.wire_errors import error_body, internal_error_body, status_of

# code: HTTP status, OpenAI's type of error; the public table of errors
TABLE = {
    "invalid_request": (400, "invalid_request_error"),
    "unsupported_feature": (400, "invalid_request_error"),
    "context_length_exceeded": (400, "invalid_request_error"),
    "model_not_found": (404, "invalid_request_error"),
    "invalid_api_key": (401, "invalid_request_error"),
    "upstream_throttled": (429, "rate_limit_error"),
    "upstream_quota_exceeded": (429, "rate_limit_error"),
    "upstream_not_ready": (503, "server_error"),
    "upstream_unavailable": (503, "server_error"),
    "upstream_connection_error": (503, "server_error"),
    "upstream_error": (502, "server_error"),
    "upstream_model_error": (502, "server_error"),
    "upstream_timeout": (504, "server_error"),
    "upstream_access_denied": (502, "server_error"),
    "upstream_auth_error": (502, "server_error"),
    "upstream_protocol_error": (502, "server_error"),
    "upstream_stream_error": (502, "server_error"),
    "overloaded": (503, "server_error"),
    "draining": (503, "server_error"),
    "internal_error": (500, "server_error"),
}


@pytest.mark.parametrize("code", TABLE)
def test_every_code_has_its_status_and_type(code: str) -> None:
    status, kind = TABLE[code]
    assert status_of(code) == status
    assert error_body(GatewayError("x", code=code), "req_1")["type"] == kind


def test_a_body_holds_the_fixed_members_and_the_facts() -> None:
    assert error_body(InvalidRequest("wrong", field="top_p"), "req_1") == {
        "code": "invalid_request",
        "type": "invalid_request_error",
        "message": "wrong",
        "retryable": False,
        "retry_after_ms": None,
        "request_id": "req_1",
        "field": "top_p",
    }


def test_a_wait_is_told_in_milliseconds() -> None:
    body = error_body(BackendThrottled("busy", model="m", retry_after_s=1.5), "req_1")
    assert (body["retry_after_ms"], body["retryable"], body["model"]) == (1500, True, "m")


def test_a_fault_of_ours_has_the_same_shape() -> None:
    body = internal_error_body("req_1")
    assert (body["code"], body["type"], body["request_id"]) == ("internal_error", "server_error", "req_1")
    assert body["retryable"] is False
    assert body["message"]
