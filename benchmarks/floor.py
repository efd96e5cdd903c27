"""What Python can do at the least: raw ASGI, aiohttp, SigV4 with cached keys, a chat answer in JSON or as a stream.

No MCP, no schema, no checks (not even of a frame's checksum), cache, price, metrics or log: it is a floor to stand
beside, no product. Run: ``python -m benchmarks.floor --port N``, with the Bedrock mock's address in the environment.
"""

import argparse
import os
import struct
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from llm_gateway.backends.bedrock.signer import SigV4Signer

MODEL_ID = "us.amazon.nova-micro-v1:0"
_HEADERS = [(b"content-type", b"application/json")]
_STREAM_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8")]
_PRELUDE = struct.Struct(">II")
_DELTA, _STOP, _METADATA = b"contentBlockDelta", b"messageStop", b"metadata"
_NAMES = (_DELTA, _STOP, _METADATA)
_CHUNK = b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":'


class Floor:
    """Asks Bedrock's Converse and ConverseStream. Made inside the running loop."""

    def __init__(self, endpoint: str) -> None:
        path = f"/model/{MODEL_ID.replace(':', '%3A')}/converse"
        self._whole, self._stream = path, path + "-stream"
        self._endpoint = endpoint
        self._signer = SigV4Signer(
            access_key_id="AKIDBENCHMARK",
            secret_access_key="no-secret",
            session_token=None,
            region="us-east-1",
            host=urlsplit(endpoint).netloc,
        )
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )

    def _post(self, path: str, text: str) -> Any:
        body = orjson.dumps(
            {"messages": [{"role": "user", "content": [{"text": text}]}], "inferenceConfig": {"maxTokens": 200}}
        )
        return self._http.post(self._endpoint + path, data=body, headers=self._signer.headers(path, body))

    async def ask(self, text: str) -> bytes:
        """A chat completion in JSON."""
        async with self._post(self._whole, text) as response:
            told = orjson.loads(await response.read())
        message = {"role": "assistant", "content": told["output"]["message"]["content"][0]["text"]}
        return orjson.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": told["usage"]})

    async def ask_stream(self, text: str) -> AsyncGenerator[bytes]:
        """Its chunks: one piece of bytes for each that came."""
        rest = b""
        async with self._post(self._stream, text) as response:
            while data := await response.content.readany():
                events, rest = _events(rest + data)
                if events:
                    yield events

    async def aclose(self) -> None:
        """Closes its connections."""
        await self._http.close()


_kinds: dict[bytes, bytes] = {}


def _events(data: bytes) -> tuple[bytes, bytes]:
    """Frames to server-sent events, and what is left of the bytes; the type is looked up by the header's bytes."""
    at, events = 0, list[bytes]()
    while len(data) - at >= 12:
        total, headers_bytes = _PRELUDE.unpack_from(data, at)
        if len(data) - at < total:
            break
        headers = data[at + 12 : at + 12 + headers_bytes]
        kind = _kinds.get(headers) or _remember(headers)
        payload = data[at + 12 + headers_bytes : at + total - 4]
        if kind is _DELTA:
            text = orjson.dumps(orjson.loads(payload)["delta"]["text"])
            events.append(b'%s{"content":%s},"finish_reason":null}]}\n\n' % (_CHUNK, text))
        elif kind is _STOP:
            events.append(_CHUNK + b'{},"finish_reason":"stop"}]}\n\n')
        elif kind is _METADATA:
            usage = orjson.dumps(orjson.loads(payload)["usage"])
            events.append(b'data: {"choices":[],"usage":%s}\n\ndata: [DONE]\n\n' % usage)
        at += total
    return b"".join(events), data[at:]


def _remember(headers: bytes) -> bytes:
    kind = _kinds[headers] = next((name for name in _NAMES if name in headers), b"other")
    return kind


class Site:
    """ASGI, by hand."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._floor: Floor | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if self._floor is None:
            self._floor = Floor(self._endpoint)
        asked = orjson.loads(body)
        text = asked["messages"][0]["content"]
        await (_send_stream(self._floor, text, send) if asked.get("stream") else _send_whole(self._floor, text, send))


async def _send_whole(floor: Floor, text: str, send: Any) -> None:
    answer = await floor.ask(text)
    length = (b"content-length", str(len(answer)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, length]})
    await send({"type": "http.response.body", "body": answer})


async def _send_stream(floor: Floor, text: str, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
    async for events in floor.ask_stream(text):
        await send({"type": "http.response.body", "body": events, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def serve(port: int) -> None:
    """On uvicorn, as ours."""
    import uvicorn

    site = Site(os.environ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"])
    uvicorn.run(site, port=port, lifespan="off", log_config=None, access_log=False, server_header=False, backlog=2048)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    serve(parser.parse_args().port)
