"""Bedrock's faults to our errors, by one table. Pure.

A fault comes as an HTTP answer (type in ``x-amzn-errortype``, UpperCamel, cut at the colon) or as a frame of a stream
(``:exception-type``, lowerCamel). Compared without case and without ``Exception`` at the end they are the same names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from llm_gateway.backends.bedrock import fault_words as words
from llm_gateway.backends.bedrock.asked import Asked
from llm_gateway.backends.bedrock.event_stream import Head
from llm_gateway.backends.bedrock.json_shape import as_text, read_object
from llm_gateway.backends.bedrock.remedies import remedy_of
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.errors import (
    BackendError,
    BackendGarbled,
    BackendRefused,
    BackendThrottled,
    BackendTimeout,
    BackendUnavailable,
    ConnectionLost,
    ContextTooLong,
    GatewayError,
    InvalidRequest,
    UnknownModel,
)
from llm_gateway.domain.remedies import ONCE_MORE

DEFAULT_RETRY_AFTER_S = 1.0
_LONGEST_RETRY_AFTER_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What Bedrock said. ``kind`` is lower case without ``exception``; ``status`` is ``None`` for a frame.

    ``is_json`` is false where something between us and Bedrock spoke; ``date`` is the server's, as in HTTP.
    """

    kind: str
    message: str
    status: int | None = None
    retry_after_s: float | None = None
    request_id: str | None = None
    is_json: bool = True
    date: str | None = None


def http_fault(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """The fault an HTTP answer tells of; ``headers`` are looked up without case."""
    told = read_object(body)
    kind = headers.get("x-amzn-errortype") or as_text(told.get("__type")) or as_text(told.get("code")) or ""
    message = as_text(told.get("message")) or as_text(told.get("Message")) or ""
    fault = Fault(
        kind=_kind(kind),
        message=message,
        status=status,
        retry_after_s=_retry_after_s(headers),
        request_id=headers.get("x-amzn-requestid"),
        is_json=bool(told),
        date=headers.get("date"),
    )
    return fault if fault.kind in _TABLE else replace(fault, kind=_kind_by_status(fault))


def frame_fault(head: Head, payload: bytes, request_id: str | None) -> Fault:
    """The fault an exception or error frame tells of."""
    told = read_object(payload)
    message = head.message or as_text(told.get("message")) or as_text(told.get("Message")) or ""
    original = as_text(told.get("originalMessage"))
    if original and original not in message:
        message = f"{message} ({original})" if message else original
    kind = _kind(head.name)
    return Fault(kind if kind in _TABLE else "internalserver", message, request_id=request_id)


def is_expired_auth(fault: Fault) -> bool:
    """Whether fresh credentials or the right time may mend it."""
    return fault.kind in _AUTH_KINDS


def wants_profile(fault: Fault) -> bool:
    """Whether the model must be invoked through an inference profile."""
    return fault.kind == "validation" and "on-demand throughput" in fault.message


def wants_whole(fault: Fault) -> bool:
    """Whether the model cannot stream."""
    return fault.kind == "validation" and "unsupported for streaming" in fault.message


def wants_whole_with_tools(fault: Fault) -> bool:
    """Whether the model cannot stream with tools."""
    return fault.kind == "validation" and "tool use in streaming" in fault.message


def error_of(fault: Fault, asked: Asked, spent: Usage | None = None) -> GatewayError:
    """The error for a fault that came before any piece of the answer. ``spent`` is set when a stream had begun."""
    error = _TABLE[fault.kind](fault, asked)
    error.spent = error.spent or spent
    error.remedy = remedy_of(fault.kind, fault.message, error)
    if isinstance(error, BackendError):
        error.asks_wait_s = fault.retry_after_s
    return error


def stream_error_of(fault: Fault, asked: Asked, spent: Usage) -> GatewayError:
    """The error for a fault in the middle of an answer: it is not repeated, what was given is spent."""
    said = words.shown(fault.message) or "no reason was given"
    if fault.kind == "validation":
        return InvalidRequest(f"Bedrock refused the request in the middle of the answer: {said}", code=_STREAM_ERROR)
    kind = BackendThrottled if fault.kind in _THROTTLES else BackendGarbled
    return kind(
        f"Bedrock broke the answer off: {said}",
        model=asked.model,
        code=_STREAM_ERROR,
        retry_after_s=DEFAULT_RETRY_AFTER_S if fault.kind in _THROTTLES else None,
        spent=spent,
        upstream_request_id=fault.request_id,
        remedy=ONCE_MORE,
    )


def no_connection_error(asked: Asked, *, was_sent: bool) -> BackendUnavailable:
    """The connection was refused, or lost after the request had gone out."""
    if was_sent:
        return ConnectionLost("the connection to Bedrock was lost before an answer came; ask again", model=asked.model)
    return BackendUnavailable(
        "the connection to Bedrock was refused; check the region, the endpoint, the network and the proxy settings",
        model=asked.model,
        code="upstream_connection_error",
        retry_after_s=1.0,
    )


_STREAM_ERROR = "upstream_stream_error"
_THROTTLES = frozenset({"throttling", "toomanyrequests"})
_AUTH_KINDS = frozenset({"expiredtoken", "unrecognizedclient", "invalidsignature", "requesttimetooskewed"})


def _kind(name: str) -> str:
    return name.partition(":")[0].rpartition("#")[2].strip().lower().removesuffix("exception")


def _kind_by_status(fault: Fault) -> str:
    """A name by status, for answers whose type is missing or unknown."""
    message = fault.message.lower()
    if fault.status == 403 and ("security token" in message or "signature" in message):
        return "invalidsignature" if "signature" in message else "expiredtoken"
    if fault.status == 404 and not fault.is_json:
        return "nowhere"
    return _KIND_BY_STATUS.get(fault.status or 0) or ("internalserver" if (fault.status or 0) >= 500 else "nowhere")


_KIND_BY_STATUS = {
    400: "validation",
    401: "accessdenied",
    403: "accessdenied",
    404: "resourcenotfound",
    408: "modeltimeout",
    413: "requestentitytoolarge",
    424: "modelerror",
    429: "throttling",
    500: "internalserver",
    502: "badgateway",
    503: "serviceunavailable",
    504: "gatewaytimeout",
}


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds Bedrock asks for: ``x-amz-retry-after`` in milliseconds, or ``Retry-After`` in seconds."""
    for name, seconds in (("x-amz-retry-after", 0.001), ("retry-after", 1.0)):
        told = headers.get(name)
        if told and told.strip().isascii() and told.strip().isdigit():
            return min(int(told) * seconds, _LONGEST_RETRY_AFTER_S)
    return None


# --- the table --------------------------------------------------------------------------------------------------------


def _said(fault: Fault, otherwise: str) -> str:
    """Bedrock's words as a sentence, so that ours can follow it."""
    said = words.shown(fault.message) or otherwise
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _throttled(fault: Fault, asked: Asked) -> GatewayError:
    if "per day" in fault.message.lower():
        return _daily(fault, asked)
    said = _said(fault, "too many requests")
    return BackendThrottled(
        f"Bedrock throttles {asked.model}: {said} The quota counts input and max_tokens together when a request "
        "begins, so a smaller max_tokens lets more requests through.",
        model=asked.model,
        retry_after_s=fault.retry_after_s or DEFAULT_RETRY_AFTER_S,
        upstream_request_id=fault.request_id,
    )


def _daily(fault: Fault, asked: Asked) -> GatewayError:
    return BackendThrottled(
        f"the account's quota for {asked.model} is used up: {_said(fault, 'quota exceeded')} "
        "Ask another model, or have the quota raised in Service Quotas.",
        model=asked.model,
        code="upstream_quota_exceeded",
        retry_after_s=fault.retry_after_s,
        upstream_request_id=fault.request_id,
    )


def _overflow_text(fault: Fault, asked: Asked, limit: int | None, wanted: int | None) -> str:
    """Clients shorten a conversation by themselves when they recognise an overflow, and most do it by the text: each
    looks for another of these phrases (Anthropic's with its two numbers, OpenAI's "maximum context length")."""
    fits = f"the conversation exceeds the context window of {asked.model} (its maximum context length)"
    mend = "Shorten it or ask a model with a larger one."
    if limit is None or wanted is None:
        return f"prompt is too long: {fits}. Bedrock said: {_said(fault, 'too long')} {mend}"
    return f"prompt is too long: {wanted} tokens > {limit} maximum; {fits}. {mend}"


def _validation(fault: Fault, asked: Asked) -> GatewayError:
    numbers = words.overflow(fault.message)
    if numbers is not None:
        limit, wanted = numbers
        return ContextTooLong(
            _overflow_text(fault, asked, limit, wanted),
            model=asked.model,
            limit_tokens=limit,
            asked_tokens=wanted,
        )
    if "model identifier is invalid" in fault.message:
        return _unknown_model(fault, asked)
    if wants_profile(fault):
        return InvalidRequest(
            f"{asked.model} can be invoked through an inference profile only: put the prefix of a region group before "
            "it, as us., eu., apac. or global.",
            field="model",
        )
    said = _said(fault, "it gave no reason")
    return InvalidRequest(f"Bedrock refused the request: {said}", field=words.field_of(fault.message))


def _too_large(fault: Fault, _asked: Asked) -> GatewayError:
    return InvalidRequest(
        f"the request is too large for Bedrock: {_said(fault, 'send less')}", field="messages", code="payload_too_large"
    )


def _unknown_model(fault: Fault, asked: Asked) -> GatewayError:
    said = _said(fault, "Model not found.")
    card = asked.call.model.card
    successor = card.lifecycle.successor if card else None
    mend = f"Ask {successor} instead." if successor else "Look for another with list_models."
    return UnknownModel(
        f"Bedrock does not serve {asked.model} to this account and region: {said} {mend}",
        model=asked.model,
        closest=(successor,) if successor else (),
        successor=successor,
    )


def _denied(fault: Fault, asked: Asked) -> GatewayError:
    action = words.iam_action(fault.message)
    lowered = fault.message.lower()
    if "api key" in lowered:
        why = "the Bedrock API key (AWS_BEARER_TOKEN_BEDROCK) is not valid"
    elif action:
        scp = " (an explicit deny)" if "explicit deny" in lowered else ""
        why = f"the gateway's AWS identity may not perform {action}{scp}"
    elif "marketplace" in lowered or "model access" in lowered:
        why = "access to this model is not granted to the AWS account"
    else:
        why = f"AWS denied access: {_said(fault, 'no reason given').rstrip('.')}"
    return BackendRefused(
        f"{why} (model {asked.model}). Run `llm-gateway doctor` to see what to mend.",
        model=asked.model,
        upstream_request_id=fault.request_id,
    )


def _auth(fault: Fault, asked: Asked) -> GatewayError:
    said = _said(fault, "the credentials are not valid").rstrip(".")
    clock = " Check this machine's clock." if "signature" in fault.message.lower() else ""
    return BackendRefused(
        f"AWS does not accept the gateway's credentials: {said}.{clock} Renew them (environment, AWS_PROFILE, "
        "`aws sso login`) and run `llm-gateway doctor`.",
        model=asked.model,
        code="upstream_auth_error",
        upstream_request_id=fault.request_id,
    )


def _model_timeout(fault: Fault, asked: Asked) -> GatewayError:
    return BackendTimeout(
        f"{asked.model} took too long inside Bedrock: {_said(fault, 'it timed out')}",
        model=asked.model,
        spent=asked.input_spent(),
        upstream_request_id=fault.request_id,
    )


def _gateway_timeout(fault: Fault, asked: Asked) -> GatewayError:
    return BackendTimeout(
        "something between the gateway and Bedrock answered 504",
        model=asked.model,
        upstream_request_id=fault.request_id,
    )


def _model_error(fault: Fault, asked: Asked) -> GatewayError:
    return _unavailable(
        "upstream_model_error", f"{asked.model} failed: {_said(fault, 'no reason given')}", fault, asked
    )


def _not_ready(fault: Fault, asked: Asked) -> GatewayError:
    said = f"{asked.model} is not ready: {_said(fault, 'ask again later')}"
    return _unavailable("upstream_not_ready", said, fault, asked, DEFAULT_RETRY_AFTER_S)


def _overloaded(fault: Fault, asked: Asked) -> GatewayError:
    said = f"Bedrock cannot take the request now: {_said(fault, 'ask again later')}"
    return _unavailable("upstream_unavailable", said, fault, asked, DEFAULT_RETRY_AFTER_S)


def _internal(fault: Fault, asked: Asked) -> GatewayError:
    said = _said(fault, "no reason given")
    return _unavailable("upstream_error", f"Bedrock had an error of its own: {said}", fault, asked)


def _bad_gateway(fault: Fault, asked: Asked) -> GatewayError:
    return _unavailable("upstream_error", "something between the gateway and Bedrock answered 502", fault, asked)


def _nowhere(fault: Fault, asked: Asked) -> GatewayError:
    error = _unavailable(
        "upstream_error",
        f"the endpoint answered {fault.status} and is no Bedrock runtime; check AWS_ENDPOINT_URL_BEDROCK_RUNTIME and "
        "the proxy settings",
        fault,
        asked,
    )
    error.retryable = False
    return error


def _unavailable(
    code: str, message: str, fault: Fault, asked: Asked, retry_after_s: float | None = None
) -> BackendUnavailable:
    return BackendUnavailable(
        message,
        model=asked.model,
        code=code,
        retry_after_s=fault.retry_after_s or retry_after_s,
        upstream_request_id=fault.request_id,
    )


_TABLE: dict[str, Callable[[Fault, Asked], GatewayError]] = {
    "throttling": _throttled,
    "toomanyrequests": _throttled,
    "servicequotaexceeded": _daily,
    "serviceunavailable": _overloaded,
    "modelnotready": _not_ready,
    "validation": _validation,
    "serialization": _validation,
    "requestentitytoolarge": _too_large,
    "accessdenied": _denied,
    "expiredtoken": _auth,
    "unrecognizedclient": _auth,
    "invalidsignature": _auth,
    "requesttimetooskewed": _auth,
    "incompletesignature": _auth,
    "missingauthenticationtoken": _auth,
    "resourcenotfound": _unknown_model,
    "modeltimeout": _model_timeout,
    "gatewaytimeout": _gateway_timeout,
    "modelerror": _model_error,
    "modelstreamerror": _model_error,
    "internalserver": _internal,
    "internalfailure": _internal,
    "badgateway": _bad_gateway,
    "nowhere": _nowhere,
}
