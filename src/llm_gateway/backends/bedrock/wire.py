"""HTTP to Bedrock over aiohttp: one pool, bounded waits, connections dropped the moment nobody wants the answer.

The only file that imports aiohttp for the way of a request. It knows requests and bytes, not what they say.
"""

import io
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

import aiohttp
from yarl import URL

from llm_gateway.backends.bedrock.credentials import Access

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

MAX_WHOLE_ANSWER_BYTES = 128 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
_WRITTEN_AT_ONCE = 2**20  # bytes; a larger body goes piece by piece, so that others get their turn
_ADDRESSES_LIMIT = 1_024
_AGENT = "llm-gateway"

_was_reused: ContextVar[bool] = ContextVar("llm_gateway_connection_was_reused", default=False)


class ConnectTimeout(Exception):
    """No connection came about in time."""


class NoConnection(Exception):
    """The connection was refused, or lost (``was_sent``) before anything came back. ``was_stale``: it had been kept
    open before."""

    def __init__(self, *, was_sent: bool = False, was_stale: bool = False) -> None:
        super().__init__()
        self.was_sent = was_sent
        self.was_stale = was_stale


class _Pool(aiohttp.TCPConnector):
    """Says whether the connection it gave had been used before: only that tells a stale one from a failing server."""

    async def connect(
        self,
        req: "ClientRequest",
        traces: "list[Trace]",
        timeout: "aiohttp.ClientTimeout",  # noqa: ASYNC109 - aiohttp's signature
    ) -> "Connection":
        connection = await super().connect(req, traces, timeout)
        protocol = connection.protocol
        _was_reused.set(getattr(protocol, "llm_gateway_used", False))
        if protocol is not None:
            protocol.llm_gateway_used = True  # pyright: ignore[reportAttributeAccessIssue] - a mark of ours
        return connection


class Wire:
    """One connection pool. Made inside the running loop."""

    def __init__(self, *, connect_s: float, max_connections: int) -> None:
        self._http = aiohttp.ClientSession(
            connector=_Pool(limit=max_connections, limit_per_host=0, ttl_dns_cache=30, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,  # proxies are looked up once, in credentials; here it would cost a thread a call
            headers={"Accept-Encoding": "identity", "User-Agent": _AGENT},
            read_bufsize=256 * 1024,
        )
        self._addresses: dict[tuple[str, str, str], tuple[str, URL]] = {}

    async def post(
        self, access: Access, model_id: str, operation: str, body: bytes, more_headers: Mapping[str, str] | None = None
    ) -> aiohttp.ClientResponse:
        """Sends; returns with the answer's headers. ``more_headers`` go unsigned.

        Raises:
            ConnectTimeout, NoConnection: no answer came.
        """
        key = (access.endpoint, model_id, operation)
        path, url = self._addresses.get(key) or self._remember(key, access.path_prefix)
        headers = access.signer.headers(path, body)
        if more_headers:
            headers |= more_headers
        try:
            return await self._http.post(
                url,
                data=body if len(body) <= _WRITTEN_AT_ONCE else io.BytesIO(body),
                headers=headers,
                allow_redirects=False,
                proxy=access.proxy,
                ssl=access.tls or True,
            )
        except aiohttp.ConnectionTimeoutError as fault:
            raise ConnectTimeout from fault
        except (aiohttp.ClientError, OSError, RuntimeError) as fault:  # RuntimeError: the pool was closed meanwhile
            lost = isinstance(fault, aiohttp.ServerDisconnectedError | ConnectionError | aiohttp.ClientOSError)
            was_sent = lost and not isinstance(fault, aiohttp.ClientConnectorError)
            raise NoConnection(was_sent=was_sent, was_stale=lost and _was_reused.get()) from fault

    def _remember(self, key: tuple[str, str, str], path_prefix: str) -> tuple[str, URL]:
        if len(self._addresses) >= _ADDRESSES_LIMIT:
            self._addresses.clear()
        endpoint, model_id, operation = key
        path = f"{path_prefix}/model/{quote(model_id, safe='')}/{operation}"
        origin = endpoint.removesuffix(path_prefix) if path_prefix else endpoint
        address = self._addresses[key] = (path, URL(origin + path, encoded=True))
        return address

    async def aclose(self) -> None:
        """Closes all connections, those in use too."""
        await self._http.close()


class TooMuch(Exception):
    """A body is larger than any answer should be."""


async def read_body(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """The whole body.

    Raises:
        TooMuch: it is longer than the limit.
        aiohttp.ClientError: the connection ended in the body.
    """
    chunks: list[bytes] = []
    size = 0
    while chunk := await response.content.readany():
        size += len(chunk)
        if size > limit_bytes:
            raise TooMuch
        chunks.append(chunk)
    return b"".join(chunks)


def headers_of(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    """Looked up without case."""
    return cast("Mapping[str, str]", response.headers)


READ_FAULTS = (aiohttp.ClientError, OSError, RuntimeError)
"""What reading a body may raise when the connection breaks; aiohttp's RuntimeError says that it is closed."""
