"""Reads a request off the wire: which operation, which model, whose credential, what body. Decides nothing."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

import orjson

from llm_gateway.sandbox.refusals import Refused, denied, unreadable
from llm_gateway.sandbox.wire_json import Json, as_object

OPERATIONS = {
    "converse": "Converse",
    "converse-stream": "ConverseStream",
    "count-tokens": "CountTokens",
    "invoke": "InvokeModel",
    "invoke-with-response-stream": "InvokeModelWithResponseStream",
}
_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/")
_SCOPE = re.compile(r"Credential=[^/,\s]+/[^/,\s]*/([a-z0-9-]+)/")


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of the runtime. `body` is what was sent, parsed; checked only where `checks` has been at it."""

    operation: str
    model_id: str
    body: Json


def read_path(raw_path: str) -> tuple[str, str] | None:
    """(operation, model id) of `/model/{id}/{operation}`; None for any other path.

    The id is decoded once. An ARN whose slashes came unencoded is understood too.
    """
    parts = raw_path.partition("?")[0].split("/")
    if len(parts) < 4 or parts[1] != "model" or parts[-1] not in OPERATIONS:
        return None
    return OPERATIONS[parts[-1]], unquote("/".join(parts[2:-1]))


def read_body(raw: bytes) -> Json:
    """Raises Refused: no JSON (NaN and Infinity are none either), or no object."""
    try:
        body: object = orjson.loads(raw or b"{}")
    except orjson.JSONDecodeError as fault:
        raise unreadable(f"The request body is no JSON: {fault}") from fault
    if not isinstance(body, dict):
        raise unreadable("Start of structure or map expected: the request body must be a JSON object")
    return as_object(body)  # pyright: ignore[reportUnknownArgumentType]


def credential_of(authorization: str | None) -> str | None:
    """The access key id of a SigV4 signature, `bearer` for an API key, None for neither."""
    if not authorization:
        return None
    if authorization.startswith("Bearer "):
        return "bearer"
    found = _CREDENTIAL.search(authorization)
    return found.group(1) if found and authorization.startswith("AWS4-HMAC-SHA256") else None


def region_of(authorization: str | None) -> str | None:
    """The region that a SigV4 signature is for; an API key names none."""
    found = _SCOPE.search(authorization or "")
    return found.group(1) if found else None


def check_credential(authorization: str | None) -> None:
    """Raises Refused. Nothing secret is verified: presence suffices, and some key ids ask for a refusal.

    `EXPIRED…`, `INVALID…`, `SKEWED…` and `DENIED…` as access key id answer as AWS would to such credentials.
    """
    credential = credential_of(authorization)
    if credential is None:
        raise denied("MissingAuthenticationTokenException", "Missing Authentication Token")
    if credential == "bearer":
        _check_bearer((authorization or "").removeprefix("Bearer ").strip())
        return
    for prefix, refused in KEY_SWITCHES.items():
        if credential.startswith(prefix):
            raise Refused(refused.refusal)


def _check_bearer(key: str) -> None:
    if not key or key.startswith("INVALID"):
        raise denied(
            "AccessDeniedException", "Invalid API Key format: Must start with pre-defined prefix", capital=True
        )
    if key.startswith("EXPIRED"):
        raise denied("AccessDeniedException", "Bearer Token has expired", capital=True)


KEY_SWITCHES = {
    "EXPIRED": denied("ExpiredTokenException", "The security token included in the request is expired"),
    "INVALID": denied("UnrecognizedClientException", "The security token included in the request is invalid."),
    "SKEWED": denied(
        "InvalidSignatureException",
        "Signature expired: 20261117T063822Z is now earlier than 20261117T063849Z (20261117T064349Z - 5 min.)",
    ),
    "DENIED": denied("AccessDeniedException", "Your account is not authorized to invoke this API operation."),
}
