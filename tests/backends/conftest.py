"""A sandbox, a backend that asks it, and a server that sends exactly the bytes a test wants."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from bedrock_bytes import QUICK, RawServer

from llm_gateway.backends.bedrock.client import BedrockBackend
from llm_gateway.sandbox.server import Sandbox


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
