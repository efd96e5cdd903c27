"""What the gateway answers, as Python objects; what it refuses, as exceptions with its own codes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


class GatewayError(Exception):
    """The gateway refused or failed. ``code`` is its stable word for why; the message says how to mend it.

    ``field`` is the argument that is wrong. ``retryable``: the same call may succeed later, after ``retry_after_ms``.
    """

    codes: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        message: str,
        *,
        code: str,
        field: str | None = None,
        retryable: bool = False,
        retry_after_ms: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.field = field
        self.retryable = retryable
        self.retry_after_ms = retry_after_ms
        self.request_id = request_id


class InvalidRequest(GatewayError):
    """An argument is wrong."""

    codes = frozenset({"invalid_request", "context_length_exceeded", "idempotency_conflict", "not_found"})


class ModelNotFound(GatewayError):
    """No model is called so, or it is retired; the message names the closest."""

    codes = frozenset({"model_not_found", "model_retired"})


class WrongKey(GatewayError):
    """No key was given, or it is not known, or it may not do this."""

    codes = frozenset({"invalid_api_key", "model_not_allowed"})


class BudgetExceeded(GatewayError):
    """A budget cannot pay for the call; the message says what is left and when it is filled again."""

    codes = frozenset({"budget_exceeded", "price_unknown"})


class RateLimited(GatewayError):
    """Too much at once, by the gateway's own limits or Bedrock's."""

    codes = frozenset({"rate_limited", "upstream_throttled"})


class GatewayUnavailable(GatewayError):
    """The gateway cannot be reached, could not be started, or died."""

    codes = frozenset(
        {
            *("gateway_unavailable", "draining", "ledger_unavailable", "auth_backend_unavailable"),
            *("limits_unavailable", "cache_unavailable"),
        }
    )


class UpstreamFailed(GatewayError):
    """Bedrock failed, or its answer was broken; ``code`` begins with ``upstream_``."""


_KINDS = {
    code: kind
    for kind in (InvalidRequest, ModelNotFound, WrongKey, BudgetExceeded, RateLimited, GatewayUnavailable)
    for code in kind.codes
}


def as_error(told: Mapping[str, Any]) -> GatewayError:
    """The exception for an error the gateway has answered."""
    code = str(told.get("code", "internal_error"))
    kind = _KINDS.get(code) or (UpstreamFailed if code.startswith("upstream_") else GatewayError)
    message = str(told.get("message", code))
    if "support tool use" in message:  # Bedrock's own words, which name no way out
        message += " Take one that does: list_models(capability='tools') names them."
    return kind(
        message,
        code=code,
        field=told.get("field"),
        retryable=bool(told.get("retryable", False)),
        retry_after_ms=told.get("retry_after_ms"),
        request_id=told.get("request_id"),
    )


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens by class; ``input_tokens`` leaves out what was read from or written to the prompt cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model wants made; its answer goes back under ``id``."""

    id: str
    name: str
    input: Any


@dataclass(frozen=True, slots=True)
class Generation:
    """An answer. ``content_blocks`` is the whole of it where it is more than one text, ready to go back as the
    assistant's content: thoughts keep their signatures in it. ``cost_usd`` is ``None`` where no price is known."""

    content: str
    model: str
    model_id: str
    usage: Usage
    finish_reason: str
    cached: bool
    latency_ms: float
    cost_usd: float | None
    request_id: str
    warnings: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: tuple[Mapping[str, Any], ...] = ()
    content_blocks: tuple[Mapping[str, Any], ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


def as_generation(told: Mapping[str, Any]) -> Generation:
    """The object for what the tool ``generate`` gave."""
    counted = told["usage"]
    return Generation(
        content=told["content"],
        model=told["model"],
        model_id=told["model_id"],
        usage=Usage(**{name: counted.get(name, 0) for name in Usage.__slots__}),
        finish_reason=told["finish_reason"],
        cached=told["cached"],
        latency_ms=told["latency_ms"],
        cost_usd=told["estimated_cost_usd"],
        request_id=told["request_id"],
        warnings=tuple(told.get("warnings", ())),
        tool_calls=tuple(ToolCall(call["id"], call["name"], call["input"]) for call in told.get("tool_calls", ())),
        reasoning=tuple(told.get("reasoning", ())),
        content_blocks=tuple(told.get("content_blocks", ())),
        raw=told,
    )
