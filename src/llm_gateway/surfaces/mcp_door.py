"""``/mcp``: bodies within limits, sessions for clients that begin with ``initialize``, then the SDK's own transport.

Two eras, told apart by the header ``MCP-Protocol-Version`` as the SDK does: each request of 2026-07-28 stands alone;
before that a client says ``initialize``, gets an ``Mcp-Session-Id`` and sends it with all that follows. The sessions
are ours, since the SDK's cost a task and some streams each, and let a call run on, and spend, when its caller has left:
here each request keeps a transport of its own in both eras. What a session adds is its version, its owner, and that a
``notifications/cancelled`` finds the request it means.

An answer is an event stream: progress reaches the caller, and a caller that hangs up cancels its call.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import orjson
from fastmcp import FastMCP
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llm_gateway.domain.errors import GatewayError, InvalidRequest, Overloaded
from llm_gateway.gateway import Gateway
from llm_gateway.surfaces.door_limits import DoorLimits
from llm_gateway.surfaces.http_body import CallerLeft
from llm_gateway.surfaces.http_headers import error_headers
from llm_gateway.surfaces.identity import caller_of
from llm_gateway.surfaces.json_body import check_depth, count_containers, read_body
from llm_gateway.surfaces.mcp_sessions import RequestId, Session, Sessions
from llm_gateway.surfaces.quick_calls import sdk_server
from llm_gateway.surfaces.request_ids import new_request_id
from llm_gateway.surfaces.wire_errors import error_body, status_of_error

PATH, MESSAGES_PATH = "/mcp", "/messages/"
_SESSION, _VERSION = b"mcp-session-id", b"mcp-protocol-version"
_OF_HANDSHAKE = frozenset({None, *[version.encode() for version in HANDSHAKE_PROTOCOL_VERSIONS]})
_AROUND_ARGUMENTS = 2  # params and arguments: what is within may be as deep as a body of /v1
_INVALID_REQUEST, _INTERNAL, _CANCELLED = -32600, -32603, -32800
_NO_SESSION = (
    "no Mcp-Session-Id: send initialize first, and the Mcp-Session-Id of its answer with every request after it; "
    "or speak 2026-07-28 (header MCP-Protocol-Version), which needs no session"
)
_UNKNOWN_SESSION = "there is no such MCP session, or it has ended; send initialize to begin a new one"

Body = dict[str, Any]


class BoundedBodies:
    """Reads each body posted to ``site`` within limits; what is not is refused with a JSON-RPC error."""

    def __init__(self, site: ASGIApp, limits: DoorLimits) -> None:
        self._site = site
        self._limits = replace(limits, max_json_depth=limits.max_json_depth + _AROUND_ARGUMENTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        try:
            await self.answer(scope, headers, receive, send)
        except CallerLeft:
            return
        except GatewayError as error:
            await _refuse(send, error)

    async def answer(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send) -> None:
        """Raises:
        GatewayError: it is refused, and nothing was sent.
        CallerLeft: there is nobody to answer.
        """
        posted, _ = await self.read(receive, headers)
        await self._site(scope, posted.receive, send)

    async def read(self, receive: Receive, headers: Mapping[bytes, bytes]) -> tuple["Posted", Body | None]:
        """The body to be given on, and what it says if it is one object. What is no JSON is the SDK's to refuse."""
        raw = await read_body(receive, headers, self._limits)
        containers = count_containers(raw)
        body = _decoded(raw)
        if body is not None and containers > self._limits.max_json_depth:
            check_depth(body, self._limits.max_json_depth)
        return Posted(bytes(raw), receive), body


class McpDoor(BoundedBodies):
    """The application. Serve it inside ``async with door.open():``, once."""

    def __init__(self, server: FastMCP, gateway: Gateway, limits: DoorLimits) -> None:
        self._sdk = StreamableHTTPSessionManager(
            sdk_server(server), stateless=True, json_response=False, max_request_body_size=limits.max_body_bytes
        )
        super().__init__(self._sdk.handle_request, limits)
        self._gateway = gateway
        self.sessions = Sessions(most=limits.max_mcp_sessions, idle_s=limits.mcp_session_idle_s)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Serves within; at the end all sessions end."""
        async with self._sdk.run():
            try:
                yield
            finally:
                self.sessions.clear()

    async def answer(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send) -> None:
        """One request of either era."""
        method = scope["method"]
        is_of_handshake = headers.get(_VERSION) in _OF_HANDSHAKE
        has_sessions = is_of_handshake and self.sessions.are_given
        if method not in (("POST", "DELETE") if has_sessions else ("POST",)):
            raise InvalidRequest("/mcp takes POST, and DELETE of a session, only", code="method_not_allowed")
        if not has_sessions:
            await super().answer(scope, headers, receive, send)
            return
        owner = caller_of(scope, {}).key_id
        if method == "DELETE":
            self.sessions.end(self._session(headers, owner))
            await _answer(send, 204, b"", [])
            return
        posted, body = await self.read(receive, headers)
        if body is None:  # no request at all: the SDK says why
            await self._sdk.handle_request(scope, posted.receive, send)
        elif body.get("method") == "initialize":
            await self._initialize(scope, posted, owner, send)
        else:
            await self._in_session(self._session(headers, owner), body, scope, posted, send)

    def _session(self, headers: Mapping[bytes, bytes], owner: str | None) -> Session:
        told = headers.get(_SESSION)
        if told is None:
            raise InvalidRequest(_NO_SESSION)
        session = self.sessions.find(told.decode("latin-1"), owner)
        if session is None:
            raise InvalidRequest(_UNKNOWN_SESSION, code="not_found")
        return session

    async def _initialize(self, scope: Scope, posted: "Posted", owner: str | None, send: Send) -> None:
        """Its answer is held until it is known to be a good one: the session's id is a header, and leaves first."""
        if self._gateway.closing:
            raise Overloaded("the gateway is shutting down; ask again in a moment", code="draining", retry_after_s=1)
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await self._sdk.handle_request(scope, posted.receive, hold)
        version = _version_agreed_on(held)
        if version is not None:
            session = self.sessions.open(owner, version)
            held[0]["headers"] = [*held[0]["headers"], (_SESSION, session.id.encode())]
        for message in held:
            await send(message)

    async def _in_session(self, session: Session, body: Body, scope: Scope, posted: "Posted", send: Send) -> None:
        if all([name != _VERSION for name, _ in scope["headers"]]):
            scope = {**scope, "headers": [*scope["headers"], (_VERSION, session.version.encode())]}
        request_id = body.get("id")
        if body.get("method") == "notifications/cancelled":
            _cancel(session, body)
        if not isinstance(request_id, RequestId):
            await self._sdk.handle_request(scope, posted.receive, send)
            return
        cancelled = posted.cancelled = asyncio.get_running_loop().create_future()
        answering = _Answering(request_id, cancelled, send)
        session.under_way[request_id] = cancelled
        try:
            await self._sdk.handle_request(scope, posted.receive, answering.send)
            await answering.end_if_cancelled()
        finally:
            if session.under_way.get(request_id) is cancelled:
                del session.under_way[request_id]
            self.sessions.use(session)


class Posted:
    """A body that was read, as ASGI gives it once more; after it the caller's leaving, or its ``cancelled``."""

    __slots__ = ("_body", "_receive", "cancelled")

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive
        self.cancelled: asyncio.Future[None] | None = None

    async def receive(self) -> Message:
        """ASGI."""
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        if self.cancelled is None:
            return await self._receive()
        leaving = asyncio.ensure_future(cast("Any", self._receive()))
        try:
            await asyncio.wait((leaving, self.cancelled), return_when=asyncio.FIRST_COMPLETED)
            return leaving.result() if leaving.done() else {"type": "http.disconnect"}
        finally:
            leaving.cancel()


class _Answering:
    """Passes an answer on until its request is cancelled; then says so, as the wire of that era wants it."""

    def __init__(self, request_id: RequestId, cancelled: "asyncio.Future[None]", send: Send) -> None:
        self._request_id = request_id
        self._cancelled = cancelled
        self._send = send
        self._begun = self._ended = False

    async def send(self, message: Message) -> None:
        """ASGI."""
        if self._cancelled.done():
            return
        self._begun = True
        self._ended = message["type"] == "http.response.body" and not message.get("more_body")
        await self._send(message)

    async def end_if_cancelled(self) -> None:
        if not self._cancelled.done() or self._ended:
            return
        if not self._begun:
            head = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache, no-transform")]
            await self._send({"type": "http.response.start", "status": 200, "headers": head})
        error = {"code": _CANCELLED, "message": "Request cancelled"}
        told = orjson.dumps({"jsonrpc": "2.0", "id": self._request_id, "error": error})
        await self._send({"type": "http.response.body", "body": b"event: message\r\ndata: %s\r\n\r\n" % told})


def _decoded(raw: bytes | bytearray) -> Body | None:
    """The object a body holds, ``None`` where it holds none. As lenient as the SDK: NaN is refused by who reads it,
    with the name of its field."""
    try:
        value: object = orjson.loads(raw)
    except orjson.JSONDecodeError:
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            return None
    return cast("Body", value) if isinstance(value, dict) else None


def _cancel(session: Session, body: Body) -> None:
    params = body.get("params")
    meant = cast("Body", params).get("requestId") if isinstance(params, dict) else None
    if isinstance(meant, RequestId):
        session.cancel(meant)


def _version_agreed_on(answer: list[Message]) -> str | None:
    """The version that an answer to ``initialize`` names, ``None`` where it is a refusal."""
    written = b"".join([message.get("body", b"") for message in answer])
    try:
        told: Any = orjson.loads(written.partition(b"data: ")[2] or written)
        version = told["result"]["protocolVersion"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return version if isinstance(version, str) else None


async def _refuse(send: Send, error: GatewayError) -> None:
    request_id, status = new_request_id(), status_of_error(error)
    told = error_body(error, request_id)
    code = _INTERNAL if status >= 500 else _INVALID_REQUEST
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": told["message"], "data": told}}
    headers = [(b"content-type", b"application/json"), (b"x-request-id", request_id.encode()), *error_headers(error)]
    if status == 405:
        headers.append((b"allow", b"POST, DELETE"))
    await _answer(send, status, orjson.dumps(body), headers)


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
