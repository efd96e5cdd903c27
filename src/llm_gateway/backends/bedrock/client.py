"""Amazon Bedrock as a backend: one client for all models. Cheap to import and to make; loads on first use."""

import asyncio
import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from llm_gateway.backends.bedrock.credentials import AccessKeeper, AccessWish, NoAccess
from llm_gateway.backends.bedrock.estimate import request_tokens
from llm_gateway.backends.bedrock.timeouts import Timeouts
from llm_gateway.backends.contract import AnswerStream, OnPaid, WorstCase
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.embeddings import EmbedCall, Embeddings
from llm_gateway.domain.errors import BackendUnavailable
from llm_gateway.domain.requests import ModelCall
from llm_gateway.domain.routes import HERE

if TYPE_CHECKING:
    from llm_gateway.backends.bedrock.exchange import Exchange
    from llm_gateway.backends.bedrock.places import Places
    from llm_gateway.backends.bedrock.wire import Wire

DEFAULT_MAX_CONNECTIONS = 2_048
_DEFAULT_TIMEOUTS = Timeouts()
_LOADED_LATE = ("llm_gateway.backends.bedrock.places", "llm_gateway.backends.bedrock.embeddings")
_LOADED_LATE_FOR_AWS = ("llm_gateway.backends.bedrock.aws_session",)


class BedrockBackend:
    """Asks Bedrock over its own wire, in the running loop, without a thread per call.

    A call that names a place is sent there: to another region, or as a role of another account. All places share the
    connections. Unset arguments are left to AWS's default chain (environment, profiles, SSO, roles, containers,
    instance metadata).
    ``endpoint_url`` overrides ``AWS_ENDPOINT_URL_BEDROCK_RUNTIME``. ``clock`` is monotonic seconds, ``wall_clock``
    seconds since the epoch.
    """

    def __init__(
        self,
        *,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        bearer_token: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        session_token: str | None = None,
        timeouts: Timeouts = _DEFAULT_TIMEOUTS,
        max_connections: int = DEFAULT_MAX_CONNECTIONS,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._wish = AccessWish(
            region=region,
            profile=profile,
            endpoint_url=endpoint_url,
            bearer_token=bearer_token,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            session_token=session_token,
        )
        self._keeper = AccessKeeper(self._wish, clock=clock, wall_clock=wall_clock)
        self._timeouts = timeouts
        self._max_connections = max_connections
        self._clock = clock
        self._wall_clock = wall_clock
        self._wire: Wire | None = None
        self._places: Places | None = None
        self._exchange: Exchange | None = None
        self._loading: asyncio.Future[None] | None = None
        self._closed = False

    async def open(self, call: ModelCall) -> AnswerStream:
        """Sends the call and returns with the first event; see :class:`~llm_gateway.backends.contract.Backend`."""
        exchange = (self._exchange if call.place is HERE else None) or await self._opened(call)
        return await exchange.open(call)

    async def embed(self, call: EmbedCall, on_paid: OnPaid) -> Embeddings:
        """Vectors by InvokeModel; see :class:`~llm_gateway.backends.contract.Embedder`."""
        exchange = await self._opened(call)
        from llm_gateway.backends.bedrock.embeddings import VectorMaker

        assert self._wire is not None  # noqa: S101 - opened with the exchange
        return await VectorMaker(self._wire, exchange.keeper, self._timeouts).embed(call, on_paid)

    def estimate(self, call: ModelCall) -> Usage:
        """The input of a call that was given up before its first event, from its size."""
        return Usage(input_tokens=request_tokens(call.request), output_tokens=0, estimated=True)

    def worst_case(self, call: ModelCall) -> WorstCase:
        """What the call can take at the most; see :class:`~llm_gateway.backends.contract.Backend`."""
        from llm_gateway.backends.bedrock.worst_case import worst_case

        return worst_case(call)

    async def count_tokens(self, call: ModelCall) -> int | None:
        """The input tokens by Bedrock's CountTokens; see :class:`~llm_gateway.backends.contract.Backend`."""
        exchange = (self._exchange if call.place is HERE else None) or await self._opened(call)
        return await exchange.counter.count(call)

    async def warm(self) -> None:
        """Loads what the first call needs, in a thread, and looks for credentials; never raises for missing ones."""
        await self._load()
        try:
            await self._keeper.access()
        except NoAccess:
            return  # the first call says so, with its model

    async def aclose(self) -> None:
        """Closes connections; open streams end with a BackendError."""
        self._closed = True
        if self._wire is not None:
            await self._wire.aclose()
            self._wire = self._exchange = self._places = None

    async def _opened(self, call: ModelCall | EmbedCall) -> "Exchange":
        await self._load()
        if self._closed:
            raise BackendUnavailable("the gateway is closing its connections", model=call.model.name)
        if self._exchange is None or self._places is None:
            from llm_gateway.backends.bedrock.exchange import Exchange
            from llm_gateway.backends.bedrock.places import Places
            from llm_gateway.backends.bedrock.wire import Wire

            self._wire = Wire(connect_s=self._timeouts.connect_s, max_connections=self._max_connections)
            self._exchange = Exchange(self._wire, self._keeper, timeouts=self._timeouts, clock=self._clock)
            self._places = Places(self._exchange, self._wish, clock=self._clock, wall_clock=self._wall_clock)
        return self._exchange if call.place == HERE else self._places.exchange(call.place, call.session_tags)

    async def _load(self) -> None:
        """Imports in a thread, once for all who wait: aiohttp and botocore would hold up the loop for 0.3 s."""
        if self._loading is None:
            self._loading = asyncio.ensure_future(asyncio.to_thread(self._import))
        await asyncio.shield(self._loading)

    def _import(self) -> None:
        for module in _LOADED_LATE if self._wish.is_complete else _LOADED_LATE + _LOADED_LATE_FOR_AWS:
            import_module(module)
