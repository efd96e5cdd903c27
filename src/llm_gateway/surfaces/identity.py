"""Who asks, and on what terms: where a caller's key stands on the wire, and the names of its run and agent.

Over HTTP the key is a bearer token or ``x-api-key``, the names are headers; over MCP the names may stand in ``_meta``
too. ``KeyGuard`` closes every route but health; what it found out travels in the scope.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from llm_gateway.domain.callers import ANYBODY, Caller
from llm_gateway.domain.errors import GatewayError, InvalidRequest
from llm_gateway.gateway import Gateway
from llm_gateway.surfaces.http_headers import error_headers, headers_of
from llm_gateway.surfaces.wire_errors import error_body, status_of_error

Headers = Mapping[bytes, bytes]
CALLER = "llm_gateway.caller"
META_PREFIX = "llm-gateway/"
_OPEN = frozenset({"/", "/health", "/health/live", "/health/ready"})
_NAME = re.compile(r"[A-Za-z0-9._:@/+-]{1,128}")
_TERMS = {
    "run-id": "run_id",
    "parent-run-id": "parent_run_id",
    "agent": "agent",
}
_HEADERS = {f"x-llm-gateway-{word}".encode(): (f"x-llm-gateway-{word}", member) for word, member in _TERMS.items()}
_TOLD = frozenset(_HEADERS) | {b"idempotency-key"}
_IDEMPOTENCY = re.compile(r"[\x21-\x7e]{1,255}")


def token_of(headers: Headers) -> str | None:
    """The key a request bears: ``Authorization: Bearer``, else ``x-api-key``."""
    told = headers.get(b"authorization")
    if told is not None:
        scheme, _, token = told.decode("latin-1").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
    told = headers.get(b"x-api-key")
    return None if told is None else told.decode("latin-1").strip() or None


def caller_of(scope: Scope, headers: Headers) -> Caller:
    """Who sent this HTTP request, with the terms that its headers name.

    Raises:
        InvalidRequest: a header that holds no name.
    """
    caller: Caller = scope.get(CALLER, ANYBODY)
    if _TOLD.isdisjoint(headers):
        return caller
    terms = {
        member: a_name(headers[header].decode("latin-1"), shown)
        for header, (shown, member) in _HEADERS.items()
        if header in headers
    }
    if b"idempotency-key" in headers:
        terms["idempotency_key"] = an_idempotency_key(headers[b"idempotency-key"].decode("latin-1"), "Idempotency-Key")
    return replace(caller, **terms)


def on_terms(caller: Caller, meta: Mapping[str, Any] | None) -> Caller:
    """The caller with the terms that an MCP request's ``_meta`` names.

    Raises:
        InvalidRequest: a member that holds no name.
    """
    if not meta:
        return caller
    terms = {
        member: a_name(meta[META_PREFIX + word], f"_meta.{META_PREFIX}{word}")
        for word, member in _TERMS.items()
        if META_PREFIX + word in meta
    }
    return replace(caller, **terms) if terms else caller


def a_name(value: object, field: str) -> str:
    """The name of a run or an agent.

    Raises:
        InvalidRequest: it is none.
    """
    if not isinstance(value, str) or not _NAME.fullmatch(value.strip()):
        raise InvalidRequest(f"{field} must be 1 to 128 of the characters A-Z a-z 0-9 . _ : @ / + -", field=field)
    return value.strip()


def an_idempotency_key(value: object, field: str) -> str:
    """A caller's own name for a request that shall be paid once.

    Raises:
        InvalidRequest: it is none.
    """
    if not isinstance(value, str) or not _IDEMPOTENCY.fullmatch(value.strip()):
        raise InvalidRequest(f"{field} must be 1 to 255 printable ASCII characters without spaces", field=field)
    return value.strip()


class KeyGuard:
    """401 without a key on every route but those of health, as soon as there is a key."""

    def __init__(self, site: ASGIApp, gateway: Gateway, new_request_id: Callable[[], str]) -> None:
        self._site = site
        self._gateway = gateway
        self._new_request_id = new_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"] in _OPEN:
            await self._site(scope, receive, send)
            return
        try:
            caller = await self._gateway.identify(token_of(headers_of(scope)))
        except GatewayError as error:
            await _refuse(scope["path"], error, self._new_request_id(), send)
            return
        await self._site({**scope, CALLER: caller}, receive, send)


def is_admins(path: str) -> bool:
    """Whether a path is the administrators'."""
    return path == "/admin" or path.startswith("/admin/")


async def _refuse(path: str, error: GatewayError, request_id: str, send: Send) -> None:
    told = error_body(error, request_id)
    if path.startswith("/v1/messages"):
        from llm_gateway.surfaces.anthropic_api.errors import error_json

        body: object = error_json(error, request_id)
    else:
        shown = {"message": told["message"], "type": told["type"], "param": None, "code": told["code"]}
        body = {"error": shown, "request_id": request_id}
    status = status_of_error(error)
    headers = [(b"content-type", b"application/json"), (b"x-request-id", request_id.encode()), *error_headers(error)]
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="llm-gateway"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(body)})
