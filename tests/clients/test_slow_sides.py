"""Callers who send or take too slowly, through real sockets: each is cut in its time, and costs nobody anything."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import httpx2
import pytest

from llm_gateway.sandbox.log import ABORTED_BY_CLIENT
from llm_gateway.sandbox.server import Sandbox
from processes import Running, running_gateway, until

CHAT = '{"model": "nova-lite", "stream": %s, "messages": [{"role": "user", "content": "%s"}]}'
HEAD = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
PATIENCE_S = 30


async def knock(gateway: Running) -> socket.socket:
    """A connection that keeps little of what it has not read."""
    address = httpx2.URL(gateway.url)
    knocking = socket.socket()
    knocking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    knocking.setblocking(False)
    await asyncio.get_running_loop().sock_connect(knocking, (address.host, address.port))
    return knocking


@asynccontextmanager
async def connected(
    gateway: Running, limit: int = 2**16
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(sock=await knock(gateway), limit=limit)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def trickled(gateway: Running, first: bytes, piece: bytes) -> bytes:
    """Sends so much, and then piece after piece until it is cut; what it was answered. Over a bare socket: a stream
    would lose what has arrived when the other side is gone."""
    answer: list[bytes] = []
    with await knock(gateway) as knocking:
        receiving = asyncio.ensure_future(_received(knocking, answer))
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.get_running_loop().sock_sendall(knocking, first)
            while not receiving.done():
                await asyncio.wait((receiving,), timeout=0.05)
                with contextlib.suppress(ConnectionError):
                    await asyncio.get_running_loop().sock_sendall(knocking, piece)
    return b"".join(answer)


async def _received(knocking: socket.socket, answer: list[bytes]) -> None:
    with contextlib.suppress(ConnectionError):
        while received := await asyncio.get_running_loop().sock_recv(knocking, 65536):
            answer.append(received)


def resident_mb(gateway: Running, what: str = "VmRSS") -> float:
    lines = Path(f"/proc/{gateway.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) / 1024


async def test_a_head_that_trickles_is_cut(sandbox: Sandbox, tmp_path: Path) -> None:
    async with running_gateway(sandbox.url, tmp_path, BODY_READ_TIMEOUT="0.5") as gateway:
        answer = await trickled(gateway, b"POST /v1/chat/completions HTTP/1.1\r\nx-a: ", b"a")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"request_timeout" in answer
        assert await trickled(gateway, b"", b"") == b""  # who never says anything


async def test_the_second_head_of_a_connection_is_cut_too(sandbox: Sandbox, tmp_path: Path) -> None:
    health = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
    async with running_gateway(sandbox.url, tmp_path, BODY_READ_TIMEOUT="0.5") as gateway:
        answer = await trickled(gateway, health, b"G")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 4" in answer


async def test_a_body_that_trickles_is_cut(sandbox: Sandbox, tmp_path: Path) -> None:
    async with running_gateway(sandbox.url, tmp_path, BODY_READ_TIMEOUT="0.5") as gateway:
        for path in ("/v1/chat/completions", "/v1/messages", "/mcp", "/health"):
            head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            answer = await trickled(gateway, f"{head}content-length: 1000000\r\n\r\n".encode(), b" ")
            assert answer.startswith(b"HTTP/1.1 405 " if path == "/health" else b"HTTP/1.1 408 "), (path, answer)


async def test_a_head_that_is_too_large_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    async with running_gateway(sandbox.url, tmp_path, MAX_HEADER_BYTES="4096") as gateway:
        for rest in (b"", b"\r\n\r\n"):
            answer = await trickled(gateway, HEAD.encode() + b"x-large: " + b"x" * 5000 + rest, b"")
            assert answer.startswith(b"HTTP/1.1 431 "), answer
            assert b"MAX_HEADER_BYTES" in answer
        answer = await trickled(gateway, HEAD.encode() + b"x-large: ", b"x" * 300_000)  # ends, whatever it hears
        assert answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 ")) or not answer
        small = await trickled(gateway, HEAD.encode() + b"connection: close\r\ncontent-length: 2\r\n\r\n{}", b"")
        assert small.startswith(b"HTTP/1.1 400 ")


async def test_who_does_not_read_is_cut_and_costs_others_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    body = CHAT % ("true", "[[fault:endless:0]] go on")
    async with (
        running_gateway(sandbox.url, tmp_path, SLOW_READER_TIMEOUT="2", CACHE_ENABLED="false") as gateway,
        aiohttp.ClientSession() as http,
    ):
        await others(http, gateway)
        before = resident_mb(gateway)
        async with connected(gateway, limit=1) as (reader, writer):
            writer.write(f"{HEAD}content-length: {len(body)}\r\n\r\n{body}".encode())
            assert await reader.read(1) == b"H"
            await until(lambda: sandbox.open_now == 1, PATIENCE_S)
            while sandbox.open_now:
                await others(http, gateway)
        after = resident_mb(gateway)
        await until(lambda: bool(gateway.log("slow_reader_cut")), PATIENCE_S)
        await until(lambda: any(entry["outcome"] != "ok" for entry in gateway.log("request")), PATIENCE_S)
        outcomes = [entry["outcome"] for entry in gateway.log("request") if entry["outcome"] != "ok"]
    print(f"resident {before:.1f} -> {after:.1f} MB")  # noqa: T201
    assert outcomes == ["client_disconnect"]
    assert ABORTED_BY_CLIENT in {record.outcome for record in sandbox.log}
    assert after - before < 20


async def others(http: aiohttp.ClientSession, gateway: Running) -> None:
    async with http.post(f"{gateway.url}/v1/chat/completions", data=CHAT % ("false", "Say: hi")) as answer:
        assert answer.status == 200


async def test_who_reads_slowly_but_steadily_gets_all_of_it(sandbox: Sandbox, tmp_path: Path) -> None:
    text = "all of it " * 100_000
    body = CHAT % ("false", f"Say: {text}")
    async with running_gateway(sandbox.url, tmp_path, SLOW_READER_TIMEOUT="2") as gateway:
        async with asyncio.timeout(120), connected(gateway, limit=4096) as (reader, writer):
            head = f"{HEAD}connection: close\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write((head + body).encode())
            received = 0
            while piece := await reader.read(32_768):
                received += len(piece)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await asyncio.Event().wait()
        assert not gateway.log("slow_reader_cut")
    assert received > 1000


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/mcp"])
@pytest.mark.parametrize("is_declared", [True, False], ids=["declared", "chunked"])
async def test_an_oversized_body_is_passed_over_not_kept(
    path: str, is_declared: bool, sandbox: Sandbox, tmp_path: Path
) -> None:
    pieces, piece = 160, b" " * 2**18

    async def chunks() -> AsyncGenerator[bytes]:
        for _ in range(pieces):
            yield piece

    async with running_gateway(sandbox.url, tmp_path) as gateway, aiohttp.ClientSession() as http:
        await others(http, gateway)
        before = resident_mb(gateway, "VmHWM")
        headers = {"content-type": "application/json"}
        if is_declared:
            headers["content-length"] = str(pieces * len(piece))
        async with http.post(gateway.url + path, data=chunks(), headers=headers) as answer:
            assert answer.status == 413
        after = resident_mb(gateway, "VmHWM")
    print(f"{path}: {before:.1f} -> {after:.1f} MB at most")  # noqa: T201
    assert after - before < 50
