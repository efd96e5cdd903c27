"""What the gateway and its doors ask of whoever guards them."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from llm_gateway.domain.callers import ANYBODY, Caller
from llm_gateway.domain.requests import ResolvedModel


class Gate(Protocol):
    """Knows the keys."""

    async def identify(self, token: str | None) -> Caller:
        """Who bears this token. Where no key was ever made the gateway is open, and everybody is ``ANYBODY``.

        Raises:
            Unauthenticated: a key is needed, and this is none, or one that was revoked or is too old.
            Overloaded: ``auth_backend_unavailable``; the keys cannot be read now.
        """
        ...

    def permit(self, caller: Caller, model: ResolvedModel) -> None:
        """Raises :class:`~llm_gateway.domain.errors.ModelNotAllowed` where the key may not ask this model there."""
        ...

    def when_revoked(self, tell: Callable[[str], None]) -> None:
        """``tell`` hears of each key (by its id) that is revoked from now on, whoever revoked it."""
        ...


class OpenGate:
    """Everybody may ask everything."""

    async def identify(self, token: str | None) -> Caller:
        """Everybody is somebody."""
        return ANYBODY

    def permit(self, caller: Caller, model: ResolvedModel) -> None:
        """Everything is permitted."""

    def when_revoked(self, tell: Callable[[str], None]) -> None:
        """There is nothing to revoke."""


class Demand(NamedTuple):
    """What a request asks of the limits. ``tokens`` gives its input and its longest answer, in tokens; it is asked only
    where tokens are limited."""

    caller: Caller
    model: str
    tokens: Callable[[], tuple[int, int]]


class Ticket(Protocol):
    """A place within the limits, until it is given back."""

    @property
    def standing(self) -> dict[str, str]:
        """OpenAI's ``x-ratelimit-*`` headers; empty where nothing is limited."""
        ...


class Limiter(Protocol):
    """Counts requests and tokens by minute, and requests at the same time."""

    async def admit(self, demand: Demand) -> Ticket:
        """Takes a place in every limit, or in none; waits for one where waiting is wanted.

        Raises:
            RateLimited: says which limit, and when to ask again.
        """
        ...

    async def settle(self, ticket: Ticket, used: tuple[int, int] | None) -> None:
        """The request ended. ``used`` is input and output in tokens; ``None`` where nothing was asked of a model."""
        ...

    async def aclose(self) -> None:
        """Nobody is let in any more."""
        ...


class _Free:
    standing: dict[str, str] = {}  # noqa: RUF012 - read by everybody, written by nobody


_FREE = _Free()


class NoLimits:
    """Everybody at once."""

    async def admit(self, demand: Demand) -> Ticket:
        """There is always a place."""
        return _FREE

    async def settle(self, ticket: Ticket, used: tuple[int, int] | None) -> None:
        """Nothing was counted."""

    async def aclose(self) -> None:
        """There is nothing to end."""
