"""``POST /v1/messages`` and ``POST /v1/messages/count_tokens``, as one ASGI application.

Decode, ask, encode; the only place here that catches everything. No header leaves before the first event of the answer,
so that a failure until then has its status. A caller that hangs up cancels its call.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import cast

import orjson
import structlog
from starlette.types import Receive, Scope, Send

from llm_gateway.domain.callers import ANYBODY
from llm_gateway.domain.completions import Delta, Generation
from llm_gateway.domain.errors import GatewayError, InvalidRequest
from llm_gateway.gateway import Gateway
from llm_gateway.surfaces.anthropic_api.answers import message_json
from llm_gateway.surfaces.anthropic_api.errors import error_json
from llm_gateway.surfaces.anthropic_api.events import PING, EventWriter, event
from llm_gateway.surfaces.anthropic_api.request import Asked, decode_messages
from llm_gateway.surfaces.door_limits import DoorLimits
from llm_gateway.surfaces.http_body import CallerLeft, while_there
from llm_gateway.surfaces.http_headers import (
    Headers,
    cache_mode,
    early_headers,
    error_headers,
    generation_headers,
    standing_headers,
)
from llm_gateway.surfaces.identity import caller_of
from llm_gateway.surfaces.json_body import read_json
from llm_gateway.surfaces.request_ids import new_request_id, told_request_id
from llm_gateway.surfaces.way_words import route_header
from llm_gateway.surfaces.wire_errors import INTERNAL, INTERNAL_TEXT, status_of_error

PATH = "/v1/messages"
_JSON = (b"content-type", b"application/json")
_EVENTS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_DEFAULT_LIMITS = DoorLimits()
_PING_AFTER_S = 15.0

Work = Callable[["Exchange", Mapping[bytes, bytes], Mapping[str, object]], Awaitable[None]]


class Exchange:
    """One request and its answer: knows what has left already."""

    __slots__ = ("_send", "request_id", "started", "who")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.who = ANYBODY
        self.request_id = request_id
        self.started = False

    async def start(self, status: int, headers: Headers) -> None:
        """Sends the head."""
        self.started = True
        named = [*[(name, self.request_id.encode()) for name in (b"request-id", b"x-request-id")], *headers]
        await self._send({"type": "http.response.start", "status": status, "headers": named})

    async def more(self, body: bytes, *, last: bool = False) -> None:
        """Sends a piece of the body."""
        await self._send({"type": "http.response.body", "body": body, "more_body": not last})

    async def whole(self, status: int, body: object, headers: Headers) -> None:
        """Sends one JSON reply."""
        written = orjson.dumps(body)
        size = (b"content-length", str(len(written)).encode())
        await self.start(status, [_JSON, size, *headers])
        await self.more(written, last=True)

    async def fail(self, error: GatewayError, headers: Headers) -> None:
        """An error instead of the answer or, once that has begun, as its last event."""
        told = error_json(error, self.request_id)
        if not self.started:
            await self.whole(status_of_error(error), told, [*headers, *error_headers(error)])
            return
        del told["type"]
        await self.more(event("error", told), last=True)


class AnthropicDoor:
    """The application. ``ping_after_s``: how long a stream may be silent before a ping."""

    def __init__(
        self, gateway: Gateway, *, limits: DoorLimits = _DEFAULT_LIMITS, ping_after_s: float = _PING_AFTER_S
    ) -> None:
        self._gateway = gateway
        self._limits = limits
        self._ping_after_s = ping_after_s
        self._work: Mapping[str, Work] = {PATH: self._messages, f"{PATH}/count_tokens": self._count_tokens}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        told = told_request_id(dict(cast("list[tuple[bytes, bytes]]", scope["headers"])))
        exchange = Exchange(send, told or new_request_id())
        work = self._work.get(cast("str", scope["path"]).rstrip("/"))
        if work is None:
            known = " and ".join(self._work)
            await exchange.fail(InvalidRequest(f"nothing is served here; there are {known}", code="unknown_url"), [])
        elif scope["method"] != "POST":
            wrong = InvalidRequest(f"{scope['method'][:20]} is not served here; use POST", code="method_not_allowed")
            await exchange.fail(wrong, [(b"allow", b"POST")])
        else:
            await self._answer(exchange, work, scope, receive)

    async def _answer(self, exchange: Exchange, work: Work, scope: Scope, receive: Receive) -> None:
        """Never raises but when it is cancelled."""
        headers = dict(cast("list[tuple[bytes, bytes]]", scope["headers"]))
        try:
            exchange.who = caller_of(scope, headers)
            try:
                self._gateway.crowd.refuse_if_full()
                body = await read_json(receive, headers, self._limits)
            except GatewayError as error:
                self._gateway.turn_away(error, request_id=exchange.request_id)
                raise
            await while_there(receive, partial(work, exchange, headers, body))
        except CallerLeft:
            return
        except GatewayError as error:
            await exchange.fail(error, [])
        except Exception:  # noqa: BLE001 - the top of this surface: logged with its trace, answered without its text
            structlog.get_logger().exception("internal_error", request_id=exchange.request_id, path=scope["path"])
            await exchange.fail(GatewayError(INTERNAL_TEXT, code=INTERNAL), [])

    def _decode(
        self, exchange: Exchange, headers: Mapping[bytes, bytes], body: Mapping[str, object], *, counting: bool
    ) -> Asked:
        try:
            return decode_messages(body, cache_mode(headers), self._limits, counting=counting)
        except GatewayError as error:
            self._gateway.turn_away(error, request_id=exchange.request_id)
            raise

    async def _messages(self, exchange: Exchange, headers: Mapping[bytes, bytes], body: Mapping[str, object]) -> None:
        asked = self._decode(exchange, headers, body, counting=False)
        if asked.stream:
            await _Streaming(self._gateway, exchange, asked, self._ping_after_s).run()
            return
        generation = await self._gateway.generate(asked.request, request_id=exchange.request_id, caller=exchange.who)
        answer = message_json(generation, asked=asked.request.model, stops=asked.request.stop_sequences)
        await exchange.whole(200, answer, [*generation_headers(generation, asked.request.cache), *_dropped(asked)])

    async def _count_tokens(
        self, exchange: Exchange, headers: Mapping[bytes, bytes], body: Mapping[str, object]
    ) -> None:
        asked = self._decode(exchange, headers, body, counting=True)
        counted = await self._gateway.forecasts.count_tokens(asked.request)
        estimated = [(b"x-llm-gateway-estimated", b"true")] if counted.estimated else []
        await exchange.whole(200, {"input_tokens": counted.input_tokens}, [*estimated, *_dropped(asked)])


def _dropped(asked: Asked) -> Headers:
    return [(b"x-llm-gateway-dropped-params", asked.dropped)] if asked.dropped else []


class _Streaming:
    """One streamed answer: events as they come, pings while nothing does."""

    def __init__(self, gateway: Gateway, exchange: Exchange, asked: Asked, ping_after_s: float) -> None:
        request = asked.request
        self._gateway = gateway
        self._exchange = exchange
        self._asked = asked
        self._writer = EventWriter(request_id=exchange.request_id, asked=request.model, stops=request.stop_sequences)
        self._ping_after_s = ping_after_s
        self._pinging: asyncio.Task[None] | None = None
        self._told = 0
        self._standing: dict[str, str] = {}
        self._way: dict[str, object] = {}

    async def run(self) -> None:
        """Raises what the gateway raises."""
        try:
            generation = await self._gateway.generate(
                self._asked.request,
                request_id=self._exchange.request_id,
                caller=self._exchange.who,
                on_deltas=self._on_deltas,
                on_standing=self._standing.update,
                on_way=self._way.update,
            )
        finally:
            if self._pinging is not None:
                self._pinging.cancel()
        await self._end(generation)

    async def _on_deltas(self, deltas: Sequence[Delta]) -> None:
        events = self._writer.deltas(deltas)
        if not self._exchange.started:
            request = self._asked.request
            model = str(self._way.get("model") or self._gateway.resolve(request.model).name)
            told = early_headers(request.cache, model) + standing_headers(self._standing)
            told += route_header(self._way or None)
            await self._exchange.start(200, [*_EVENTS, *told, *_dropped(self._asked)])
            self._pinging = asyncio.ensure_future(self._ping())
        self._told += 1
        await self._exchange.more(events)

    async def _end(self, generation: Generation) -> None:
        events = self._writer.end(generation)
        if not self._exchange.started:
            told = generation_headers(generation, self._asked.request.cache)
            await self._exchange.start(200, [*_EVENTS, *told, *_dropped(self._asked)])
        await self._exchange.more(events, last=True)

    async def _ping(self) -> None:
        """A ping after each silence; a whole event each, so it never stands within another."""
        while True:
            told = self._told
            await asyncio.sleep(self._ping_after_s)
            if told == self._told:
                await self._exchange.more(PING)
