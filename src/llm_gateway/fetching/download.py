"""Downloads over HTTPS that can be led nowhere they should not go. The only file here that imports aiohttp and yarl.

A name is looked up once; what it leads to is judged, and the connection goes to an address that passed, while the
certificate is checked for the name. So a name server that answers differently the second time is never asked. Nothing
is followed by itself, unpacked, or sent along: a redirect is judged like the first address, and there is neither
compression nor cookie, proxy or credential.
"""

import ssl
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

import aiohttp
from yarl import URL

from llm_gateway.domain.public_addresses import as_address
from llm_gateway.fetching.names import NameResolver
from llm_gateway.fetching.outcomes import Brought, Forbidden, Unreachable

IsAllowed = Callable[[IPv4Address | IPv6Address], bool]
Take = Callable[[int], None]
"""Told of each size before it is kept; raises TooLarge where it is too much."""

_LONGEST_URL = 8_192
_MOST_REDIRECTS = 3
_MOST_ADDRESSES_TRIED = 3
_CONNECT_S = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "llm-gateway"}
_NEVER_CAME = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class _Page(NamedTuple):
    """What an address answered: a body, or in ``moved_to`` where to look instead."""

    body: bytes = b""
    media_type: str = ""
    moved_to: str | None = None


class Downloads:
    """Downloads from pinned addresses. Made inside the running loop. ``hosts``: names, or ``*.`` and a name for all
    below it; empty lets in every host."""

    def __init__(
        self, *, hosts: Sequence[str], names: NameResolver, is_allowed: IsAllowed, tls: ssl.SSLContext
    ) -> None:
        self._hosts = frozenset(host for host in hosts if not host.startswith("*."))
        self._endings = tuple([host[1:] for host in hosts if host.startswith("*.")])
        self._names = names
        self._is_allowed = is_allowed
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, force_close=True, use_dns_cache=False),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=64 * 1024,
        )

    async def bring(self, address: str, take: Take) -> Brought:
        """What stands at the address.

        Raises:
            Unreachable, Forbidden: with the reason.
            TooLarge: what ``take`` raised.
        """
        url = _parsed(address)
        for _ in range(_MOST_REDIRECTS + 1):
            host = self._checked(url)
            page = await self._page(url, host, take)
            if page.moved_to is None:
                return Brought(page.body, page.media_type, url.path)
            url = url.join(_parsed(page.moved_to))
        raise Unreachable(f"it was sent on more than {_MOST_REDIRECTS} times")

    def _checked(self, url: URL) -> str:
        """The host of an address that may be asked."""
        host = (url.raw_host or "").lower().rstrip(".")
        if url.scheme != "https":
            raise Forbidden("only https is fetched")
        if url.raw_user is not None or url.raw_password is not None:
            raise Forbidden("an address with a user name or password is not fetched")
        if not host:
            raise Forbidden("it names no host")
        if (self._hosts or self._endings) and host not in self._hosts and not host.endswith(self._endings or ("\n",)):
            raise Forbidden(f"{host[:100]} is not among the hosts of FETCH_HOSTS")
        return host

    async def _page(self, url: URL, host: str, take: Take) -> _Page:
        """Asks once, at the first address of the host that answers."""
        fault: Exception | None = None
        for address in (await self._pinned(host))[:_MOST_ADDRESSES_TRIED]:
            try:
                return await self._ask(url, host, address, take)
            except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError) as refused:
                raise Unreachable(f"{host} has no certificate that is good for it, or speaks no TLS") from refused
            except _NEVER_CAME as refused:
                fault = refused
            except (aiohttp.ClientError, OSError, ValueError) as broken:
                raise Unreachable(f"the answer of {host} broke off, or is no HTTP", retryable=True) from broken
        raise Unreachable(f"no connection to {host} came about", retryable=True) from fault

    async def _pinned(self, host: str) -> Sequence[str]:
        """The addresses behind the host that may be connected to."""
        literal = as_address(host)
        try:
            found = [str(literal)] if literal is not None else await self._names.addresses(host)
        except (OSError, UnicodeError) as unknown:
            raise Unreachable(f"the host {host[:100]} is not known") from unknown
        parsed = [(text, as_address(text)) for text in found]
        allowed = [text for text, address in parsed if address is not None and self._is_allowed(address)]
        if not allowed:
            raise Forbidden(f"{host[:100]} is not on the open internet, and nothing else is fetched from")
        return allowed

    async def _ask(self, url: URL, host: str, address: str, take: Take) -> _Page:
        async with self._http.get(
            url.with_host(address),
            headers={**_HEADERS, "Host": url.host_port_subcomponent or host},
            server_hostname=host,
            allow_redirects=False,
        ) as response:
            moved_to = response.headers.get("Location")
            if response.status in _REDIRECTS and moved_to:
                return _Page(moved_to=moved_to)
            if response.status != 200:
                later = response.status == 429 or response.status >= 500
                raise Unreachable(f"{host} answered with status {response.status}", retryable=later)
            if response.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
                raise Unreachable(f"{host} sends it compressed, though asked not to, and nothing is unpacked here")
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            return _Page(await _read(response, take), media_type)

    async def aclose(self) -> None:
        """Ends what is under way."""
        await self._http.close()


def _parsed(address: str) -> URL:
    if len(address) > _LONGEST_URL:
        raise Forbidden(f"it is longer than {_LONGEST_URL} characters")
    try:
        return URL(address)
    except ValueError:
        raise Forbidden("it cannot be read as an address") from None


async def _read(response: aiohttp.ClientResponse, take: Take) -> bytes:
    """The body; no piece of it is kept that may not be taken."""
    announced = response.content_length
    if announced is not None:
        take(announced)
    chunks: list[bytes] = []
    while chunk := await response.content.readany():
        if announced is None:
            take(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)
