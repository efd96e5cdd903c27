"""What the gateway asks of whoever brings media from their addresses."""

from typing import Protocol

from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.content import LinkedMedia, Message, ToolResult
from llm_gateway.domain.errors import LinkRefused
from llm_gateway.domain.requests import GenerateRequest


class MediaFetcher(Protocol):
    """Puts bytes in the place of addresses."""

    async def bring(self, request: GenerateRequest, card: ModelCard | None) -> GenerateRequest:
        """The request with the bytes of all its links; everything about it is bounded: number, size and time.

        Raises:
            LinkRefused: an address is not fetched, cannot be reached, or holds what the model cannot take.
        """
        ...

    async def aclose(self) -> None: ...


class NoFetching:
    """Fetches nothing, and says which setting would."""

    async def bring(self, request: GenerateRequest, card: ModelCard | None) -> GenerateRequest:
        """Raises LinkRefused for the first address."""
        for link in links_of(request.messages):
            raise LinkRefused(
                f"{link.field} is an address, and fetching is off; send the bytes in base64 instead, or have "
                "FETCH_URLS=true set",
                field=link.field,
            )
        return request

    async def aclose(self) -> None:
        """Nothing is open."""


def links_of(messages: tuple[Message, ...]) -> list[LinkedMedia]:
    """All that still stands at an address, in the order of the conversation."""
    found: list[LinkedMedia] = []
    for message in messages:
        for block in message.content:
            inner = block.content if isinstance(block, ToolResult) else (block,)
            found += [each for each in inner if isinstance(each, LinkedMedia)]
    return found
