"""Callers of ``/mcp`` and ``/v1``: raw connections, prebuilt bodies, every answer checked.

The wire of 2025-11-25 is used in a session where the server gives one; 2026-07-28 as its envelope asks.
"""

import asyncio
import contextlib
import http.client
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from typing import Literal

import httptools
import orjson

Era = Literal["2025-11-25", "2026-07-28"]
ERAS: tuple[Era, ...] = ("2025-11-25", "2026-07-28")
Request = Callable[[int], bytes]
_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
_ROUTING = (
    "accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\n"
)
_NUMBER = "@NUMBER@"
_serial = itertools.count(1)


def http_post(path: str, headers: str, body: bytes) -> bytes:
    """One request in bytes."""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n{headers}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def http_get(path: str, headers: str) -> bytes:
    """One request in bytes."""
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}\r\n".encode()


def tool_call(name: str, key: str) -> bytes:
    """A tool that needs no arguments, over MCP, by whoever has that key."""
    headers = f"{_ROUTING}mcp-name: {name}\r\nauthorization: Bearer {key}\r\n"
    params = {"name": name, "arguments": {}, "_meta": _META}
    return http_post(
        "/mcp", headers, orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    )


def open_session(port: int) -> str:
    """The header of a fresh MCP session, empty where the server gives none."""
    about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "benchmark", "version": "1"}}
    body = orjson.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about})
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("POST", "/mcp", body, headers)
        given = connection.getresponse().headers.get("mcp-session-id")
    return f"mcp-session-id: {given}\r\n" if given else ""


def tools_call(era: Era, session: str = "") -> Request:
    """``generate`` over MCP; equal numbers ask for equal answers."""
    arguments = {
        "model": "nova-micro",
        "messages": [{"role": "user", "content": f"Say something about the fox of number {_NUMBER}, in one sentence."}],
        "temperature": 0.5,
        "max_tokens": 200,
    }
    params: dict[str, object] = {"name": "generate", "arguments": arguments}
    headers = f"accept: application/json, text/event-stream\r\nmcp-protocol-version: {era}\r\n{session}"
    if era == "2026-07-28":
        headers += "mcp-method: tools/call\r\nmcp-name: generate\r\n"
        params["_meta"] = _META
    template = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    before, after = template.split(_NUMBER.encode())
    return lambda number: http_post("/mcp", headers, before + b"%09d" % number + after)


def chat(*, stream: bool = False, model: str = "nova-micro", headers: str = "") -> Request:
    """A chat completion; equal numbers ask for equal answers."""
    asked: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": f"Say something about the fox of number {_NUMBER}, in one sentence."}],
        "temperature": 0.5,
        "max_tokens": 200,
    }
    before, after = orjson.dumps(asked | {"stream": True} if stream else asked).split(_NUMBER.encode())
    return lambda number: http_post("/v1/chat/completions", headers, before + b"%09d" % number + after)


def fresh_numbers() -> Iterator[int]:
    """Numbers nobody has asked with in this run."""
    return _serial


class Caller(asyncio.Protocol):
    """One kept-open connection; one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[tuple[int, bytes]] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self.first_body_at: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(ConnectionError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if not self._body:
            self.first_body_at = time.perf_counter()
        self._body.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self._body)
        status = self._parser.get_status_code()
        self._body.clear()
        self._parser = httptools.HttpResponseParser(self)
        if self._answered is not None and not self._answered.done():
            self._answered.set_result((status, body))

    def send(self, request: bytes) -> "asyncio.Future[tuple[int, bytes]]":
        """Status and body, later."""
        assert self._transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answered

    def close(self) -> None:
        """Hangs up."""
        if self._transport is not None:
            self._transport.close()


def check_tool_answer(answer: tuple[int, bytes]) -> None:
    """Raises when it is not a good result of ``generate``."""
    status, body = answer
    if status != 200 or b'"finish_reason"' not in body or b'"isError":true' in body:
        raise RuntimeError(f"a call failed with status {status}: {body[:500]!r}")


def check_chat(answer: tuple[int, bytes]) -> None:
    """Raises when it is not a whole chat completion."""
    if answer[0] != 200 or b'"finish_reason":"stop"' not in answer[1]:
        raise RuntimeError(f"a chat failed with status {answer[0]}: {answer[1][:500]!r}")


def check_stream(answer: tuple[int, bytes]) -> None:
    """Raises when it is not a stream that came to its end."""
    if answer[0] != 200 or not answer[1].endswith(b"data: [DONE]\n\n"):
        raise RuntimeError(f"a stream failed with status {answer[0]}: {answer[1][-500:]!r}")


def check_status(answer: tuple[int, bytes]) -> None:
    """Raises when it is not a 200."""
    if answer[0] != 200:
        raise RuntimeError(f"status {answer[0]}: {answer[1][:500]!r}")


@asynccontextmanager
async def callers(port: int, count: int):
    """That many open connections."""
    loop = asyncio.get_running_loop()
    opened: list[Caller] = []
    try:
        for _ in range(count):
            _, caller = await loop.create_connection(Caller, "127.0.0.1", port)
            opened.append(caller)
        yield opened
    finally:
        for caller in opened:
            caller.close()


async def call_many(
    opened: list[Caller],
    request: Request,
    numbers: Iterator[int],
    calls: int,
    check: Callable[[tuple[int, bytes]], None] = check_tool_answer,
) -> None:
    """So many calls in all, each caller asking again as soon as it is answered."""
    left = itertools.repeat(None, calls)

    async def ask_on(caller: Caller) -> None:
        for _ in left:
            check(await caller.send(request(next(numbers))))

    async with asyncio.TaskGroup() as group:
        for caller in opened:
            group.create_task(ask_on(caller))


async def times_ms(
    opened: list[Caller], request: Request, numbers: Iterator[int], *, calls: int, within_s: float
) -> list[float]:
    """What each of so many calls took. The callers begin one after the other within that time, and stay apart."""
    left = itertools.repeat(None, calls)
    took_ms: list[float] = []

    async def ask_on(caller: Caller, after_s: float) -> None:
        await asyncio.sleep(after_s)
        for _ in left:
            started_at = time.perf_counter()
            check_status(await caller.send(request(next(numbers))))
            took_ms.append((time.perf_counter() - started_at) * 1000)

    async with asyncio.TaskGroup() as group:
        for number, caller in enumerate(opened):
            group.create_task(ask_on(caller, number * within_s / len(opened)))
    return took_ms
