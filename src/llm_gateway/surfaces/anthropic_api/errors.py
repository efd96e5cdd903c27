"""Errors in Anthropic's shape. Pure. Our code and facts travel as more members of ``error``."""

from collections.abc import Mapping

from llm_gateway.domain.errors import GatewayError
from llm_gateway.surfaces.wire_errors import error_body, status_of

Json = dict[str, object]

_BY_CODE: Mapping[str, str] = {
    "budget_exceeded": "billing_error",
    "price_unknown": "billing_error",
    "guardrail_unavailable": "api_error",
    "auth_backend_unavailable": "api_error",
    "ledger_unavailable": "api_error",
}
_BY_STATUS: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def error_type(code: str) -> str:
    """One of the types that Anthropic's clients know."""
    status = status_of(code)
    return _BY_CODE.get(code) or _BY_STATUS.get(status) or ("api_error" if status >= 500 else "invalid_request_error")


def error_json(error: GatewayError, request_id: str) -> Json:
    """``{type: error, error: {type, message, code, retryable, ...facts}, request_id}``."""
    told = error_body(error, request_id)
    del told["request_id"], told["type"]
    return {
        "type": "error",
        "error": {"type": error_type(error.code), "message": told.pop("message"), **told},
        "request_id": request_id,
    }
