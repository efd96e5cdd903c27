"""A sandbox, a backend that asks it, and a server that sends exactly the bytes a test wants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from llm_gateway.backends.bedrock.client import BedrockBackend, Timeouts
from llm_gateway.sandbox.server import Sandbox

QUICK = Timeouts(connect_s=2, first_event_s=0.4, idle_s=0.3, total_s=1.2)
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture
async def backend_at() -> AsyncIterator[Callable[..., BedrockBackend]]:
    made: list[BedrockBackend] = []

    def make(url: str, **more: Any) -> BedrockBackend:
        given = {
            "region": "us-east-1",
            "access_key_id": "AKIDEXAMPLE",
            "secret_access_key": "secret",
            "timeouts": QUICK,
        }
        backend = BedrockBackend(endpoint_url=url, **(given | more))
        made.append(backend)
        return backend

    yield make
    for backend in made:
        await backend.aclose()


@pytest.fixture
def backend(sandbox: Sandbox, backend_at: Callable[..., BedrockBackend]) -> BedrockBackend:
    return backend_at(sandbox.url)


class RawServer:
    """Answers each request with the next script; the last one stays. Keeps what was asked."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.requests: list[tuple[bytes, dict[str, str], bytes]] = []
        self.connections = 0
        self.lost = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                line, *lines = head.decode().split("\r\n")
                headers = {n.lower(): v.strip() for n, _, v in (row.partition(":") for row in lines if row)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append((line.encode(), headers, body))
                script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
                await script(reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.lost.set()
        finally:
            writer.close()


@pytest.fixture
async def raw_server() -> AsyncIterator[RawServer]:
    raw = RawServer()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(raw.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield raw
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
