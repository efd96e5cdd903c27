"""Errors as callers see them: one table from our errors to types and statuses. Texts are ours; a fault that is not a
GatewayError shows nothing of itself."""

from collections.abc import Mapping

from llm_gateway.domain.errors import (
    BackendThrottled,
    CallerError,
    ConnectionLost,
    GatewayError,
    IdempotencyConflict,
)
from llm_gateway.domain.ways import is_plain

INTERNAL = "internal_error"
INTERNAL_TEXT = "something went wrong inside the gateway; its log has the details under this request_id"

# code: (HTTP status, OpenAI's type of error); codes that are missing are the caller's mistakes.
CODES: Mapping[str, tuple[int, str]] = {
    "model_not_found": (404, "invalid_request_error"),
    "invalid_api_key": (401, "invalid_request_error"),
    "not_found": (404, "invalid_request_error"),
    "unknown_url": (404, "invalid_request_error"),
    "method_not_allowed": (405, "invalid_request_error"),
    "request_timeout": (408, "invalid_request_error"),
    "payload_too_large": (413, "invalid_request_error"),
    "unsupported_encoding": (415, "invalid_request_error"),
    "header_too_large": (431, "invalid_request_error"),
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
    "all_candidates_failed": (503, "server_error"),
    "model_not_allowed": (403, "permission_error"),
    "idempotency_conflict": (422, "invalid_request_error"),
    "rate_limit_exceeded": (429, "rate_limit_error"),
    "budget_exceeded": (429, "insufficient_quota"),
    "price_unknown": (429, "insufficient_quota"),
    "ledger_unavailable": (503, "server_error"),
    "auth_backend_unavailable": (503, "server_error"),
    "limits_unavailable": (503, "server_error"),
    "cache_unavailable": (503, "server_error"),
    "overloaded": (503, "server_error"),
    "draining": (503, "server_error"),
    INTERNAL: (500, "server_error"),
}
_CALLERS_MISTAKE = (400, "invalid_request_error")


def status_of(code: str) -> int:
    """The HTTP status of an error code."""
    return CODES.get(code, _CALLERS_MISTAKE)[0]


def status_of_error(error: GatewayError) -> int:
    """The HTTP status of an error: that of its code, but 409 where only waiting is needed to ask under the same key,
    502 where the connection to Bedrock was lost, not refused. An answer that broke off before anything of it was sent
    has the status of what broke it."""
    if isinstance(error, IdempotencyConflict) and error.running:
        return 409
    if isinstance(error, ConnectionLost):
        return 502
    if error.code == "upstream_stream_error":
        return 429 if isinstance(error, BackendThrottled) else 400 if isinstance(error, CallerError) else 502
    return status_of(error.code)


def error_body(error: GatewayError, request_id: str) -> dict[str, object]:
    """``{code, type, message, retryable, retry_after_ms, request_id, ...facts}``."""
    after_s = error.retry_after_s
    return {
        "code": error.code,
        "type": CODES.get(error.code, _CALLERS_MISTAKE)[1],
        "message": error.message,
        "retryable": error.retryable,
        "retry_after_ms": None if after_s is None else round(after_s * 1000),
        "request_id": request_id,
        **error.facts(),
        **({} if is_plain(error.way) else {"route": error.way}),
    }


def internal_error_body(request_id: str) -> dict[str, object]:
    """The same shape for a fault of ours, without its text."""
    return error_body(GatewayError(INTERNAL_TEXT, code=INTERNAL), request_id)
