"""Who may speak to the HTTP site from a browser: Host and Origin are checked before anything else (DNS rebinding)."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from llm_gateway.surfaces.http_headers import headers_of

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_UNSPECIFIED = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound to
_MOST_KNOWN, _LONGEST_KNOWN = 256, 256
_BLANKS = (b" ", b"\t")  # no part of a header's value (RFC 9110, 5.5), but the HTTP parser leaves them at its end


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    if host in _LOOPBACK:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name: 127.evil.example is not of this machine
        return False


def _name_of(authority: str) -> str:
    """Host name without port and brackets, in lower case; ``""`` where there is none."""
    try:
        return (urlsplit(f"//{authority}").hostname or "").lower()
    except ValueError:
        return ""


class DoorGuard:
    """421 for a foreign Host, 403 for a foreign Origin, for every route of the site.

    Bound to all addresses and without ``allowed_hosts`` any Host is served, since its true name is not known; a
    browser's Origin must then be loopback or listed in ``allowed_origins``.
    """

    def __init__(
        self, site: ASGIApp, *, bound_host: str, allowed_hosts: Iterable[str], allowed_origins: Iterable[str]
    ) -> None:
        self._site = site
        named = {_name_of(host) for host in allowed_hosts}
        self._any_host = bound_host in _UNSPECIFIED and not named
        self._hosts = named | _LOOPBACK | {bound_host.lower()}
        self._known: set[tuple[bytes, bytes | None]] = set()  # the same few are welcomed again and again
        self._origins = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        refusal = None
        if scope["type"] == "http":
            scope = _without_blanks(scope)
            refusal = self._refusal(scope)
        await (refusal or self._site)(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = headers_of(scope)
        host, origin = headers.get(b"host", b""), headers.get(b"origin")
        if (host, origin) in self._known:
            return None
        refusal = self._judge(host, origin)
        if refusal is None and len(self._known) < _MOST_KNOWN and len(host) + len(origin or b"") <= _LONGEST_KNOWN:
            self._known.add((host, origin))
        return refusal

    def _judge(self, told_host: bytes, origin: bytes | None) -> JSONResponse | None:
        host = _name_of(told_host.decode("latin-1"))
        if not self._any_host and host not in self._hosts:
            return _refused(421, "unknown_host", "this Host is not served here; add it to ALLOWED_HOSTS")
        if origin is not None and not self._welcome(origin.decode("latin-1").lower(), host):
            return _refused(403, "forbidden_origin", "this Origin is not allowed; add it to ALLOWED_ORIGINS")
        return None

    def _welcome(self, origin: str, host: str) -> bool:
        if origin.rstrip("/") in self._origins:
            return True
        name = _name_of(origin.partition("://")[2])
        return is_loopback(name) or (not self._any_host and name == host)


def _without_blanks(scope: Scope) -> Scope:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    if not any([value.endswith(_BLANKS) for _, value in headers]):
        return scope
    return {**scope, "headers": [(name, value.strip(b" \t")) for name, value in headers]}


def _refused(status: int, code: str, message: str) -> JSONResponse:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return JSONResponse({"error": error}, status)
