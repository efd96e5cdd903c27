"""Fetches over HTTPS, within bounds: of number, size, time, and of how much goes on at once."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.content import Block, LinkedMedia, Media, Message, ToolResult
from llm_gateway.domain.errors import LinkRefused
from llm_gateway.domain.media_types import LARGEST_BYTES
from llm_gateway.domain.public_addresses import is_public
from llm_gateway.domain.requests import GenerateRequest
from llm_gateway.fetching.contract import links_of
from llm_gateway.fetching.names import NameResolver, SystemNames
from llm_gateway.fetching.outcomes import Brought, Forbidden, TooLarge, Unreachable
from llm_gateway.fetching.reading_media import as_media

if TYPE_CHECKING:
    from llm_gateway.fetching.download import Downloads

_AT_ONCE = 8
_SMALL_BYTES = 256 * 1024  # base64 of more is written in a thread


class WebFetcher:
    """Brings media from addresses of the open internet. Cheap to make; loads on first use.

    ``hosts`` narrows where from (all, if empty). ``most_bytes`` bounds what one request may have fetched in sum,
    ``most_links`` their number, ``within_s`` their time, redirects and waiting included. ``names``, ``tls`` and
    ``is_allowed`` are the system's resolver, the system's certificates and the open internet unless others are given.
    """

    def __init__(
        self,
        *,
        hosts: Sequence[str] = (),
        most_bytes: int,
        most_links: int = 20,
        within_s: float = 20,
        names: NameResolver | None = None,
        tls: ssl.SSLContext | None = None,
        is_allowed: Callable[[IPv4Address | IPv6Address], bool] = is_public,
    ) -> None:
        self._hosts = tuple([host.lower().rstrip(".") for host in hosts])
        self._most_bytes = most_bytes
        self._most_links = most_links
        self._within_s = within_s
        self._names = names or SystemNames()
        self._tls = tls
        self._is_allowed = is_allowed
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._opening: asyncio.Future[Downloads] | None = None

    async def bring(self, request: GenerateRequest, card: ModelCard | None) -> GenerateRequest:
        """See :class:`~llm_gateway.fetching.contract.MediaFetcher`. What is named twice is fetched once."""
        links = links_of(request.messages)
        if not links:
            return request
        if len(links) > self._most_links:
            field = links[self._most_links].field
            raise LinkRefused(f"{field} is one address too many; at most {self._most_links} are fetched", field=field)
        for link in links:
            _check_kind(link, card)
        first = {link.url: link for link in reversed(links)}
        left = _Allowance(self._most_bytes)
        tasks = {url: asyncio.ensure_future(self._page(link, left)) for url, link in first.items()}
        try:
            await asyncio.gather(*tasks.values())
            media = [await _in_a_thread_if_large(tasks[link.url].result(), link) for link in links]
        finally:
            for task in tasks.values():
                task.cancel()
        return replace(request, messages=_filled(request.messages, dict(zip(map(id, links), media, strict=True))))

    async def _page(self, link: LinkedMedia, left: "_Allowance") -> Brought:
        most = max([LARGEST_BYTES.get(kind, self._most_bytes) for kind in link.kinds])
        try:
            async with asyncio.timeout(self._within_s), self._turns:
                downloads = await self._opened()
                return await downloads.bring(link.url, left.of_one(most))
        except Unreachable as fault:
            raise _failed(link, fault.said, retryable=fault.retryable) from fault
        except Forbidden as fault:
            raise LinkRefused(f"{link.field} is not fetched: {fault.said}", field=link.field) from fault
        except TooLarge as fault:
            raise _too_large(link, fault) from fault
        except TimeoutError as fault:
            raise _failed(link, f"it did not come within {self._within_s:g} s", retryable=True) from fault

    async def _opened(self) -> "Downloads":
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open())
        return await asyncio.shield(self._opening)

    async def _open(self) -> "Downloads":
        tls = await asyncio.to_thread(_load)
        from llm_gateway.fetching.download import Downloads

        return Downloads(hosts=self._hosts, names=self._names, is_allowed=self._is_allowed, tls=self._tls or tls)

    async def aclose(self) -> None:
        """Closes what is open."""
        if self._opening is not None:
            await (await self._opening).aclose()


class _Allowance:
    """How many bytes one request may still have fetched."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = self._left = most_bytes

    def of_one(self, most_bytes: int) -> Callable[[int], None]:
        """What counts for one address, which has a bound of its own."""
        left = most_bytes

        def take(size: int) -> None:
            nonlocal left
            left -= size
            self._left -= size
            if left < 0:
                raise TooLarge(most_bytes)
            if self._left < 0:
                raise TooLarge(self._most_bytes)

        return take


def _load() -> ssl.SSLContext:
    """Imports, and reads the system's certificates: together they would hold up the loop for 0.3 s."""
    import llm_gateway.fetching.download  # noqa: F401  # pyright: ignore[reportUnusedImport]

    return ssl.create_default_context()


async def _in_a_thread_if_large(brought: Brought, link: LinkedMedia) -> Media:
    try:
        if len(brought.body) <= _SMALL_BYTES:
            return as_media(brought, link)
        return await asyncio.to_thread(as_media, brought, link)
    except TooLarge as fault:
        raise _too_large(link, fault) from fault


def _check_kind(link: LinkedMedia, card: ModelCard | None) -> None:
    if card is None or any([card.takes(kind) for kind in link.kinds]):
        return
    raise LinkRefused(f"{card.name} takes no {link.kind}; {link.field} asks for one", field=link.field, code=_UNFIT)


def _failed(link: LinkedMedia, said: str, *, retryable: bool) -> LinkRefused:
    return LinkRefused(
        f"{link.field} could not be fetched: {said}", field=link.field, code="fetch_failed", retryable=retryable
    )


def _too_large(link: LinkedMedia, fault: TooLarge) -> LinkRefused:
    return LinkRefused(
        f"{link.field} is not fetched: it is larger than may be, {fault.most_bytes / 1_048_576:.3g} MB; "
        "make it smaller or give it by s3Location",
        field=link.field,
    )


def _filled(messages: tuple[Message, ...], media: dict[int, Media]) -> tuple[Message, ...]:
    """The conversation with each link's media in its place; ``media`` is by the link's identity."""

    def block(given: Block) -> Block:
        if isinstance(given, ToolResult):
            return replace(given, content=tuple([media.get(id(inner), inner) for inner in given.content]))
        return media.get(id(given), given)

    return tuple([replace(message, content=tuple(map(block, message.content))) for message in messages])


_UNFIT = "unsupported_feature"
