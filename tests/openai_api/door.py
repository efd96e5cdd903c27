"""The OpenAI-compatible door on a real socket before a sandbox, and clients to knock with."""

import asyncio
import io
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import uvicorn

from houses import CATALOG, Notebook, build_gateway
from llm_gateway.backends.bedrock.client import BedrockBackend
from llm_gateway.backends.bedrock.timeouts import Timeouts
from llm_gateway.backends.contract import Backend, Embedder
from llm_gateway.caching.memory_cache import MemoryCache
from llm_gateway.reports import Reports
from llm_gateway.sandbox.server import Sandbox
from llm_gateway.surfaces.door_limits import DoorLimits
from llm_gateway.surfaces.openai_api.routes import OpenAiDoor
from llm_gateway.telemetry.metrics import MetricsTracker

QUICK = Timeouts(connect_s=30, first_event_s=1, idle_s=1, total_s=10)
"""For tests of the waits themselves."""
PATIENT = Timeouts(connect_s=30, first_event_s=60, idle_s=60, total_s=120)
"""For all others: a busy machine is no failure."""


@dataclass
class Door:
    """What a test needs: where the door is, what was counted behind it."""

    url: str
    http: aiohttp.ClientSession
    notebook: Notebook
    asgi: OpenAiDoor
    more: dict[str, Any] = field(default_factory=dict)

    async def post(self, body: Any, *, path: str = "/v1/chat/completions", **options: Any) -> aiohttp.ClientResponse:
        """The response with its body read."""
        send = {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body}
        async with self.http.post(self.url + path, **send, **options) as response:
            await response.read()
            return response

    async def ask(self, text: str = "Hello", *, model: str = "nova-pro", **more: Any) -> aiohttp.ClientResponse:
        """One user message."""
        headers = more.pop("headers", None)
        return await self.post({"model": model, "messages": [user(text)], **more}, headers=headers)


async def until(is_so: Callable[[], bool]) -> None:
    """Waits for something that is about to happen elsewhere."""
    give_up_at = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < give_up_at
        await asyncio.sleep(0.01)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


@asynccontextmanager
async def door_before(
    backend: Backend, limits: DoorLimits | None = None, embedder: Embedder | None = None
) -> AsyncIterator[Door]:
    notebook, metrics = Notebook(), MetricsTracker()
    cache = MemoryCache(max_size=100, ttl_s=60)
    gateway = build_gateway(backend, cache, (notebook, metrics), embedder)
    reports = Reports(models=CATALOG, metrics=metrics, cache=cache)
    asgi = OpenAiDoor(gateway=gateway, reports=reports, limits=limits or DoorLimits())
    async with listening(asgi) as url, aiohttp.ClientSession() as http:
        try:
            yield Door(url, http, notebook, asgi)
        finally:
            await gateway.aclose()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_open = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_open.set()


@asynccontextmanager
async def listening(asgi: Any) -> AsyncIterator[str]:
    """The app behind uvicorn, in this loop; the address."""
    bound = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        asgi, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1, timeout_keep_alive=75
    )
    server = _Server(config)
    serving = asyncio.create_task(server._serve([bound]))  # serve() would take the signals of the test run
    await server.is_open.wait()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        bound.close()


@asynccontextmanager
async def sandbox_door(
    limits: DoorLimits | None = None, timeouts: Timeouts = PATIENT, **sandbox: Any
) -> AsyncIterator[Door]:
    async with Sandbox(**sandbox) as running:
        backend = BedrockBackend(
            region="us-east-1",
            access_key_id="AKIDEXAMPLE",
            secret_access_key="secret",
            endpoint_url=running.url,
            timeouts=timeouts,
        )
        async with door_before(backend, limits, backend) as door:
            door.more["sandbox"] = running
            yield door
