"""A sandbox on a real socket, boto3 in a thread, and a bare HTTP client for what boto3 hides."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import boto3
import botocore.eventstream
import pytest
from botocore.config import Config
from yarl import URL

from llm_gateway.sandbox.server import Sandbox

SIGNED = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/bedrock/aws4_request, Signature=0"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@dataclass
class Aws:
    """boto3 against the sandbox, called off the event loop, with no retries."""

    client: Any

    async def converse(self, text: str = "Hello", model: str = "us.amazon.nova-pro-v1:0", **more: Any) -> dict:
        messages = more.pop("messages", None) or [{"role": "user", "content": [{"text": text}]}]
        return await asyncio.to_thread(self.client.converse, modelId=model, messages=messages, **more)

    async def stream(self, text: str = "Hello", model: str = "us.amazon.nova-pro-v1:0", **more: Any) -> list[dict]:
        messages = more.pop("messages", None) or [{"role": "user", "content": [{"text": text}]}]

        def read() -> list[dict]:
            return list(self.client.converse_stream(modelId=model, messages=messages, **more)["stream"])

        return await asyncio.to_thread(read)

    async def call(self, operation: str, **arguments: Any) -> dict:
        return await asyncio.to_thread(getattr(self.client, operation), **arguments)


@pytest.fixture
def aws_at() -> Iterator[Callable[..., Aws]]:
    clients = []

    def make(url: str, service: str = "bedrock-runtime", key: str = "AKIDEXAMPLE") -> Aws:
        client = boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id=key,
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=10, parameter_validation=False),
        )
        clients.append(client)
        return Aws(client)

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def aws(sandbox: Sandbox, aws_at: Callable[..., Aws]) -> Aws:
    return aws_at(sandbox.url)


@dataclass
class Heard:
    """What came over the wire; `ended` is how: `whole`, or the name of the client's exception."""

    status: int
    headers: dict[str, str]
    data: bytes
    ended: str
    chunks: list[bytes]

    @property
    def events(self) -> list[tuple[str, bytes]]:
        """By botocore's own reader: (event, exception or error type, payload)."""
        buffer = botocore.eventstream.EventStreamBuffer()
        buffer.add_data(self.data)
        kinds = (":event-type", ":exception-type", ":error-code")
        return [
            (next(message.headers[kind] for kind in kinds if kind in message.headers), message.payload)
            for message in buffer
        ]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]


@dataclass
class Wire:
    http: aiohttp.ClientSession
    url: str

    async def post(
        self, model: str, operation: str, body: Any, *, authorization: str | None = SIGNED, patience_s: float = 5
    ) -> Heard:
        target = URL(f"{self.url}/model/{quote(model, safe='')}/{operation}", encoded=True)
        headers = {"authorization": authorization} if authorization else {}
        data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        chunks: list[bytes] = []
        status, got, ended = 0, {}, "whole"
        try:
            async with asyncio.timeout(patience_s), self.http.post(target, headers=headers, data=data) as response:
                status, got = response.status, {name.lower(): value for name, value in response.headers.items()}
                async for chunk in response.content.iter_any():
                    chunks.append(chunk)
        except (aiohttp.ClientError, TimeoutError) as fault:
            ended = type(fault).__name__
        return Heard(status, got, b"".join(chunks), ended, chunks)

    async def ask(
        self, text: str, operation: str = "converse", model: str = "amazon.nova-pro-v1:0", **more: Any
    ) -> Heard:
        patience_s = more.pop("patience_s", 5)
        return await self.post(
            model,
            operation,
            {"messages": [{"role": "user", "content": [{"text": text}]}], **more},
            patience_s=patience_s,
        )

    async def page(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        async with self.http.request(method, self.url + path, **more) as response:
            return response.status, await response.json()


@pytest.fixture
async def wire(sandbox: Sandbox) -> AsyncIterator[Wire]:
    async with aiohttp.ClientSession(auto_decompress=True) as http:
        yield Wire(http, sandbox.url)
