"""Everything that can go wrong while a request is answered, as one tree.

    GatewayError                  .code (stable slug) .retryable; facts as attributes
    ├── CallerError               the caller can mend the request
    │   ├── InvalidRequest          .field
    │   ├── UnknownModel            .model .closest .successor
    │   ├── LinkRefused             .field
    │   ├── ContextTooLong          .limit_tokens
    │   └── UnsupportedFeature      .model .feature
    ├── AccessDenied              who asks, or how much
    │   ├── Unauthenticated
    │   ├── ModelNotAllowed         .model .key
    │   ├── RateLimited             .limit .scope
    │   └── BudgetExceeded          .scope .spent_usd .budget_usd .resets_at
    ├── Overloaded                this process cannot take more, is about to stop, or a part of it is down
    └── BackendError              the model's side          .model .spent
        ├── BackendThrottled
        ├── BackendTimeout
        ├── BackendUnavailable
        │   └── ConnectionLost
        ├── BackendRefused          our credentials, our model access
        ├── BackendGarbled          an answer we cannot read
        └── AllCandidatesFailed     .failures

Domain errors know no HTTP. A message says what is wrong and how to mend it; it never holds a secret or a prompt.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from llm_gateway.domain.completions import Usage
from llm_gateway.domain.remedies import ANOTHER, BROKEN, NOTHING, ONCE_MORE, REFUSED, SILENT, THROTTLED, Remedy

Fact = str | int | float | bool | None | list[str] | list[dict[str, str]]


class GatewayError(Exception):
    """An expected failure. ``facts()`` gives what a program can act upon, in the field names of the public API.

    ``spent`` is an estimate of the tokens that may have been paid for all the same, ``None`` when nothing was.
    ``remedy`` is what may be tried after it; ``way`` tells what was. ``sends`` is how many requests went out for it.
    """

    spent: Usage | None = None
    sends: int = 1
    remedy: Remedy = NOTHING
    way: Mapping[str, object] | None = None
    default_code: ClassVar[str] = "internal_error"
    default_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retryable: bool | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.retryable = self.default_retryable if retryable is None else retryable
        self.retry_after_s = retry_after_s

    def facts(self) -> dict[str, Fact]:
        """The facts of this kind of error beside code, message and retryable; JSON values, unset ones left out."""
        return {}


class CallerError(GatewayError):
    """The caller can mend the request; asking again unchanged fails again."""

    default_code = "invalid_request"


class InvalidRequest(CallerError):
    """A field is missing, unknown or of a wrong value. ``field`` is its path: ``messages[2].content``."""

    def __init__(self, message: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.field = field

    def facts(self) -> dict[str, Fact]:
        """``field`` where one is to blame."""
        return {"field": self.field} if self.field else {}


class LinkRefused(CallerError):
    """An address in a request that is not fetched, or what stands there is of no use. ``field`` is the caller's own
    path. ``fetch_failed`` where the other side is to blame, ``unsupported_feature`` where the model cannot take it."""

    def __init__(self, message: str, *, field: str, code: str | None = None, retryable: bool | None = None) -> None:
        super().__init__(message, code=code, retryable=retryable)
        self.field = field

    def facts(self) -> dict[str, Fact]:
        """``field``, where the address stands."""
        return {"field": self.field}


class UnknownModel(CallerError):
    """No such model, or one that is retired (then ``successor`` is set)."""

    default_code = "model_not_found"

    def __init__(
        self, message: str, *, model: str, closest: tuple[str, ...] = (), successor: str | None = None
    ) -> None:
        super().__init__(message)
        self.model = model
        self.closest = closest
        self.successor = successor

    def facts(self) -> dict[str, Fact]:
        """``model``, ``closest`` and, for a retired model, ``successor``."""
        found: dict[str, Fact] = {"field": "model", "model": self.model, "closest": list(self.closest)}
        return found | {"successor": self.successor} if self.successor else found


class ContextTooLong(CallerError):
    """The conversation does not fit the model. ``limit_tokens`` and ``asked_tokens`` are set when Bedrock said them."""

    default_code = "context_length_exceeded"

    def __init__(
        self, message: str, *, model: str, limit_tokens: int | None = None, asked_tokens: int | None = None
    ) -> None:
        super().__init__(message)
        self.model = model
        self.limit_tokens = limit_tokens
        self.asked_tokens = asked_tokens

    def facts(self) -> dict[str, Fact]:
        """``model`` and the token counts that are known."""
        found: dict[str, Fact] = {"field": "messages", "model": self.model}
        if self.limit_tokens is not None:
            found["limit_tokens"] = self.limit_tokens
        if self.asked_tokens is not None:
            found["asked_tokens"] = self.asked_tokens
        return found


class UnsupportedFeature(CallerError):
    """The model's card says it cannot do what was asked. Another may."""

    default_code = "unsupported_feature"
    remedy = ANOTHER

    def __init__(self, message: str, *, model: str, feature: str, field: str | None = None) -> None:
        super().__init__(message)
        self.model = model
        self.feature = feature
        self.field = field

    def facts(self) -> dict[str, Fact]:
        """``model``, ``feature`` and the ``field`` that asked for it."""
        found: dict[str, Fact] = {"model": self.model, "feature": self.feature}
        return found | {"field": self.field} if self.field else found


class AccessDenied(GatewayError):
    """Who asks, or how much."""

    default_code = "invalid_api_key"


class Unauthenticated(AccessDenied):
    """No key, or one we do not know."""


class ModelNotAllowed(AccessDenied):
    """The key may not ask this model, or not in this region or by this inference profile."""

    default_code = "model_not_allowed"

    def __init__(self, message: str, *, model: str, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.model = model
        self.allowed = allowed

    def facts(self) -> dict[str, Fact]:
        """``model``, and the globs of what the key may ask."""
        return {"field": "model", "model": self.model, "allowed": list(self.allowed)}


class RateLimited(AccessDenied):
    """A limit of the gateway's own. ``limit`` is its name (``rpm``, ``tpm`` ...), ``scope`` whose it is."""

    default_code = "rate_limit_exceeded"
    default_retryable = True

    def __init__(self, message: str, *, limit: str, scope: str, allowed: int, retry_after_s: float) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.limit = limit
        self.scope = scope
        self.allowed = allowed

    def facts(self) -> dict[str, Fact]:
        """``limit``, ``scope`` and how much the limit allows."""
        return {"limit": self.limit, "scope": self.scope, "allowed": self.allowed}


class BudgetExceeded(AccessDenied):
    """A purse that cannot pay for the worst case of this call. Amounts are exact decimals in US dollars, as text."""

    default_code = "budget_exceeded"

    def __init__(
        self,
        message: str,
        *,
        scope: str,
        spent_usd: str | None = None,
        reserved_usd: str | None = None,
        budget_usd: str | None = None,
        resets_at: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.scope = scope
        self.spent_usd = spent_usd
        self.reserved_usd = reserved_usd
        self.budget_usd = budget_usd
        self.resets_at = resets_at

    def facts(self) -> dict[str, Fact]:
        """Whose purse, what was spent of how much, what calls under way hold, and when it is filled again."""
        return {
            "scope": self.scope,
            "spent_usd": self.spent_usd,
            "reserved_usd": self.reserved_usd,
            "budget_usd": self.budget_usd,
            "resets_at": self.resets_at,
        }


class IdempotencyConflict(CallerError):
    """The idempotency key belongs to a request still running (then ``retryable``), or to another one."""

    default_code = "idempotency_conflict"

    def __init__(self, message: str, *, running: bool) -> None:
        super().__init__(message, retryable=running, retry_after_s=1 if running else None)
        self.running = running

    def facts(self) -> dict[str, Fact]:
        """The argument to blame."""
        return {"field": "idempotency_key"}


class Overloaded(GatewayError):
    """The gateway itself cannot take the request now: ``overloaded``, ``draining`` while it stops,
    ``ledger_unavailable`` where what it costs could not be written down, ``auth_backend_unavailable`` where keys cannot
    be read, ``limits_unavailable`` where replicas cannot count a strict limit together, ``cache_unavailable``. Nothing
    was asked of a model."""

    default_code = "overloaded"
    default_retryable = True


class BackendError(GatewayError):
    """The model's side failed.

    ``model`` is the invoked id. ``upstream_request_id`` is AWS's, for a support case. ``asks_wait_s`` is the pause that
    AWS itself asked for, in seconds.
    """

    default_code = "upstream_error"
    default_retryable = True
    remedy = BROKEN

    def __init__(
        self,
        message: str,
        *,
        model: str,
        code: str | None = None,
        retryable: bool | None = None,
        retry_after_s: float | None = None,
        spent: Usage | None = None,
        upstream_request_id: str | None = None,
        remedy: Remedy | None = None,
        asks_wait_s: float | None = None,
    ) -> None:
        super().__init__(message, code=code, retryable=retryable, retry_after_s=retry_after_s)
        self.model = model
        self.spent = spent
        self.upstream_request_id = upstream_request_id
        self.asks_wait_s = asks_wait_s
        if remedy is not None:
            self.remedy = remedy

    def facts(self) -> dict[str, Fact]:
        """``model`` and AWS's request id."""
        found: dict[str, Fact] = {"model": self.model}
        return found | {"upstream_request_id": self.upstream_request_id} if self.upstream_request_id else found


class BackendThrottled(BackendError):
    """AWS's quota, not ours: ``upstream_throttled``, or ``upstream_quota_exceeded`` when waiting is no help."""

    default_code = "upstream_throttled"
    remedy = THROTTLED


class BackendTimeout(BackendError):
    """A wait ended at its limit. Retryable by the caller, but the silent call may have been paid for."""

    default_code = "upstream_timeout"
    remedy = SILENT


class BackendUnavailable(BackendError):
    """Bedrock is there but cannot answer now: ``upstream_unavailable``, ``upstream_not_ready``,
    ``upstream_connection_error``, ``upstream_error``, ``upstream_model_error``."""

    default_code = "upstream_unavailable"


class ConnectionLost(BackendUnavailable):
    """The connection broke after the request had been sent, before anything came back."""

    default_code = "upstream_connection_error"


class BackendRefused(BackendError):
    """Our credentials or model access: ``upstream_access_denied``, ``upstream_auth_error``. An operator mends it."""

    default_code = "upstream_access_denied"
    default_retryable = False
    remedy = REFUSED


class BackendGarbled(BackendError):
    """An answer we cannot read: ``upstream_protocol_error``; ``upstream_stream_error`` for an error in a stream."""

    default_code = "upstream_protocol_error"
    remedy = ONCE_MORE


class AllCandidatesFailed(BackendError):
    """Each of a route's targets failed, and not all alike. ``failures``: each target, its code and its message."""

    default_code = "all_candidates_failed"
    remedy = NOTHING

    def __init__(
        self, message: str, *, model: str, failures: Sequence[dict[str, str]], retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, model=model, retry_after_s=retry_after_s)
        self.failures = list(failures)

    def facts(self) -> dict[str, Fact]:
        """``model`` and the ``failures``."""
        return {"model": self.model, "failures": self.failures}


class ConfigurationError(Exception):
    """A setting or a file is wrong. Raised while starting, never while serving; not a :class:`GatewayError`."""
