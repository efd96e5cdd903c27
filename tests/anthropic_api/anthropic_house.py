"""The whole gateway on a real socket before a sandbox, asked by Anthropic's own client or in plain HTTP."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import uvicorn

from llm_gateway.app import App, create_app
from llm_gateway.fetching.contract import MediaFetcher
from llm_gateway.sandbox.server import Sandbox
from llm_gateway.settings import Settings

HAIKU = "claude-haiku-4-5"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK: dict[str, Any] = {"name": "get_time", "input_schema": {"type": "object", "properties": {}}}


@dataclass(frozen=True)
class Street:
    """A gateway at ``url`` and the sandbox it asks."""

    url: str
    app: App
    sandbox: Sandbox

    def asked(self) -> list[dict[str, Any]]:
        """The Converse bodies the sandbox got."""
        return [dict(record.body or {}) for record in self.sandbox.log]


class _Quiet(uvicorn.Server):
    """Leaves signals to pytest."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def open_street(fetcher: MediaFetcher | None = None, **settings: Any) -> AsyncGenerator[Street]:
    """Settings beside those of the sandbox, such as ``strict_params=True``."""
    async with Sandbox() as sandbox:
        given: dict[str, Any] = {
            "aws_endpoint_url_bedrock_runtime": sandbox.url,
            "aws_access_key_id": "AKIDEXAMPLE",
            "aws_secret_access_key": "secret",
            "aws_region": "us-east-1",
            "cache_enabled": False,
            "bedrock_first_event_timeout": 1.0,
            "bedrock_idle_timeout": 0.5,
            "log_level": "CRITICAL",
        }
        app = create_app(Settings(_env_file=None, **(given | settings)), fetcher)  # type: ignore[call-arg]
        bound = socket.create_server(("127.0.0.1", 0))
        server = _Quiet(uvicorn.Config(app.http_site("127.0.0.1"), log_config=None, access_log=False))
        serving = asyncio.ensure_future(server.serve(sockets=[bound]))
        try:
            await until(lambda: server.started or serving.done())
            yield Street(f"http://127.0.0.1:{bound.getsockname()[1]}", app, sandbox)
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def posting(street: Street, body: Any, path: str = "/v1/messages") -> AsyncGenerator[aiohttp.ClientResponse]:
    """A plain POST; ``body`` as JSON unless it is bytes."""
    given = {"data": body} if isinstance(body, bytes) else {"json": body}
    async with aiohttp.ClientSession() as session, session.post(street.url + path, **given) as response:
        yield response


def ask(text: str = "Hello", **more: Any) -> dict[str, Any]:
    """The body of a plain request."""
    return {"model": HAIKU, "max_tokens": 200, "messages": [{"role": "user", "content": text}], **more}


def client_of(street: Street, **more: Any) -> Any:
    """Anthropic's own client; a test that asks for it skips, saying so, where the package is missing."""
    anthropic = pytest.importorskip("anthropic", reason="the anthropic package is not installed; pip install anthropic")
    return anthropic.AsyncAnthropic(api_key="any", base_url=street.url, **({"max_retries": 0} | more))


async def said(client: Any, streaming: bool, messages: list[dict[str, Any]], **more: Any) -> Any:
    """The whole message, streamed or not."""
    asked = {"model": HAIKU, "max_tokens": 4000, "messages": messages, **more}
    if not streaming:
        return await client.messages.create(**asked)
    async with client.messages.stream(**asked) as stream:
        return await stream.get_final_message()


async def until(is_so: Callable[[], bool]) -> None:
    """Waits for what another task brings about; 20 s at most."""
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 - the sandbox tells nobody when a call ends
            await asyncio.sleep(0.005)
