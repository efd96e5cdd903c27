"""What Python can do at the least: raw ASGI, aiohttp, SigV4 with cached keys, one JSON chat answer.

No MCP, no schema, cache, price, metrics, log or stream: it is a floor to stand beside, no product.
Run: ``python -m benchmarks.floor --port N``, with the Bedrock mock's address in the environment.
"""

import argparse
import os
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from llm_gateway.backends.bedrock.signer import SigV4Signer

MODEL_ID = "us.amazon.nova-micro-v1:0"
_HEADERS = [(b"content-type", b"application/json")]


class Floor:
    """Asks Bedrock's Converse. Made inside the running loop."""

    def __init__(self, endpoint: str) -> None:
        self._path = f"/model/{MODEL_ID.replace(':', '%3A')}/converse"
        self._url = endpoint + self._path
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

    async def ask(self, text: str) -> bytes:
        """A chat completion in JSON."""
        body = orjson.dumps(
            {"messages": [{"role": "user", "content": [{"text": text}]}], "inferenceConfig": {"maxTokens": 200}}
        )
        headers = self._signer.headers(self._path, body)
        async with self._http.post(self._url, data=body, headers=headers) as response:
            told = orjson.loads(await response.read())
        message = {"role": "assistant", "content": told["output"]["message"]["content"][0]["text"]}
        return orjson.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": told["usage"]})

    async def aclose(self) -> None:
        """Closes its connections."""
        await self._http.close()


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
        answer = await self._floor.ask(orjson.loads(body)["messages"][0]["content"])
        length = (b"content-length", str(len(answer)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, length]})
        await send({"type": "http.response.body", "body": answer})


def serve(port: int) -> None:
    """On uvicorn, as ours."""
    import uvicorn

    site = Site(os.environ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"])
    uvicorn.run(site, port=port, lifespan="off", log_config=None, access_log=False, server_header=False, backlog=2048)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    serve(parser.parse_args().port)
