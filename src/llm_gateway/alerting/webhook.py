"""A webhook: each event posted to one address as JSON, signed, repeated until it is taken, never in anybody's way.

The form is that of Standard Webhooks (standardwebhooks.com): ``webhook-id``, ``webhook-timestamp`` and
``webhook-signature``, which is ``v1,`` and the base64 of an HMAC-SHA-256 over ``id.timestamp.body``. The id stays the
same when an event is posted again.
"""

import asyncio
import base64
import binascii
import hmac
import random
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import aiohttp
import orjson
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from llm_gateway.domain.public_addresses import as_address, is_public

_PAUSES_S = (1.0, 5.0, 30.0, 120.0, 600.0)
_MOST_WAITING = 1000
_ANSWER_S = 10.0
_LAST_TRY_S = 2.0
_SECRET = "whsec_"  # noqa: S105 - the mark that secrets of this form begin with


class Webhook:
    """One address that hears of events. ``private`` lets it be one that is not on the open internet.

    Made inside a running loop or outside; opened with the first event.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: str | None = None,
        private: bool = False,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
        pauses_s: Sequence[float] = _PAUSES_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._key = key_of(secret) if secret is not None else None
        self._private = private
        self._resolver = resolver
        self._tls = tls
        self._pauses_s = tuple(pauses_s)
        self._clock = clock
        self._http: aiohttp.ClientSession | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    def send(self, kind: str, facts: Mapping[str, object]) -> None:
        """Begins to tell; never waits, never raises. Where too many wait already it is only logged."""
        if self._closing.is_set() or len(self._under_way) >= _MOST_WAITING:
            _log().error("webhook_dropped", type=kind)
            return
        now = self._clock()
        body = orjson.dumps(
            {"type": kind, "timestamp": datetime.fromtimestamp(now, UTC).isoformat(), "data": dict(facts)}
        )
        task = asyncio.get_running_loop().create_task(self._tell(f"msg_{secrets.token_hex(12)}", kind, body))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def aclose(self) -> None:
        """Tries once more what waits, for a moment."""
        self._closing.set()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_LAST_TRY_S)
        for task in tuple(self._under_way):
            task.cancel()
        if self._http is not None:
            await self._http.close()

    async def _tell(self, name: str, kind: str, body: bytes) -> None:
        why = ""
        for pause_s in (*self._pauses_s, None):
            was_last = self._closing.is_set()
            why = await self._post(name, body)
            if not why:
                return
            if pause_s is None or was_last:
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), pause_s * (0.5 + random.random()))  # noqa: S311 - no secret
        _log().error("webhook_failed", type=kind, webhook_id=name, reason=why)

    async def _post(self, name: str, body: bytes) -> str:
        """Why it was not taken; empty where it was."""
        try:
            url = URL(self._url)
            if not self._private and _is_inside(url):
                return "its address is not on the open internet (ALERT_WEBHOOK_PRIVATE=true allows that)"
            async with self._session().post(
                url, data=body, headers=self._headers(name, body), allow_redirects=False
            ) as answer:
                return "" if 200 <= answer.status < 300 else f"it answered with status {answer.status}"
        except (aiohttp.ClientError, OSError, TimeoutError) as broken:
            if isinstance(getattr(broken, "os_error", None), _Inside):
                return "its name leads to no address on the open internet (ALERT_WEBHOOK_PRIVATE=true allows that)"
            return f"it cannot be reached ({type(broken).__name__})"

    def _headers(self, name: str, body: bytes) -> dict[str, str]:
        headers = {"content-type": "application/json", "user-agent": "llm-gateway", "webhook-id": name}
        now = str(int(self._clock()))
        headers["webhook-timestamp"] = now
        if self._key is not None:
            headers["webhook-signature"] = signature(self._key, name, now, body)
        return headers

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            names = self._resolver or aiohttp.ThreadedResolver()
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=names if self._private else _OpenInternet(names),
                    ssl=self._tls or True,
                    use_dns_cache=False,
                    limit=4,
                ),
                timeout=aiohttp.ClientTimeout(total=_ANSWER_S),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._http


def signature(key: bytes, name: str, timestamp: str, body: bytes) -> str:
    """What ``webhook-signature`` holds: whoever knows the key can tell that the event is ours, and when it was sent."""
    signed = hmac.digest(key, f"{name}.{timestamp}.".encode() + body, "sha256")
    return "v1," + base64.b64encode(signed).decode()


def key_of(secret: str) -> bytes:
    """The key in a secret: base64 after ``whsec_``, else the text itself."""
    if secret.startswith(_SECRET):
        with suppress(binascii.Error, ValueError):
            return base64.b64decode(secret.removeprefix(_SECRET), validate=True)
    return secret.encode()


class _Inside(OSError):
    """A name leads to addresses that are nobody's business."""


class _OpenInternet(AbstractResolver):
    """Lets through what is on the open internet. The connection goes to what was judged: nothing is looked up twice."""

    def __init__(self, names: AbstractResolver) -> None:
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._names.resolve(host, port, family)
        judged = [(each, as_address(each["host"])) for each in found]
        allowed = [each for each, address in judged if address is not None and is_public(address)]
        if not allowed:
            raise _Inside(host)
        return allowed

    async def close(self) -> None:
        await self._names.close()


def _is_inside(url: URL) -> bool:
    """A literal address is never looked up, so it is judged here."""
    literal = as_address(url.host or "")
    return literal is not None and not is_public(literal)


def _log() -> structlog.stdlib.BoundLogger:
    return structlog.get_logger()
