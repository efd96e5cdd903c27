"""A Bedrock that costs next to nothing: prebuilt bytes for Converse and ConverseStream, at once or after a fixed delay.

Speaks HTTP/1.1 over a raw asyncio protocol. It checks no signature and reads no body: it is there to be faster than
whoever is measured. Run: ``python -m benchmarks.bedrock_mock --port N [--delay-s S]``.
"""

import argparse
import asyncio
import struct
from functools import partial
from zlib import crc32

import httptools
import orjson
import uvloop

ANSWER = "The quick brown fox jumps over the lazy dog."
_DELTAS = [word + " " for word in ANSWER.split(" ")[:-1]] + [ANSWER.split(" ")[-1]]
_USAGE = {"inputTokens": 12, "outputTokens": 10, "totalTokens": 22}
_BACKLOG = 4096


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return bytes([len(key)]) + key + b"\x07" + struct.pack(">H", len(text)) + text


def frame(event_type: str, payload: object) -> bytes:
    """One event of ``application/vnd.amazon.eventstream``."""
    headers = (
        _header(":event-type", event_type)
        + _header(":content-type", "application/json")
        + _header(":message-type", "event")
    )
    body = orjson.dumps(payload)
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    unsealed = prelude + struct.pack(">I", crc32(prelude)) + headers + body
    return unsealed + struct.pack(">I", crc32(unsealed))


def _stream_body() -> bytes:
    frames = [frame("messageStart", {"role": "assistant"})]
    frames += [frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}) for text in _DELTAS]
    frames += [
        frame("contentBlockStop", {"contentBlockIndex": 0}),
        frame("messageStop", {"stopReason": "end_turn"}),
        frame("metadata", {"usage": _USAGE, "metrics": {"latencyMs": 1}}),
    ]
    return b"".join(frames)


def _whole_body() -> bytes:
    return orjson.dumps(
        {
            "output": {"message": {"role": "assistant", "content": [{"text": ANSWER}]}},
            "stopReason": "end_turn",
            "usage": _USAGE,
            "metrics": {"latencyMs": 1},
        }
    )


def _response(content_type: str, body: bytes, *, chunked: bool) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nx-amzn-requestid: 0000-mock\r\n"
    if chunked:
        return f"{head}transfer-encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


STREAM = _response("application/vnd.amazon.eventstream", _stream_body(), chunked=True)
WHOLE = _response("application/json", _whole_body(), chunked=False)


class _Connection(asyncio.Protocol):
    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_message_complete(self) -> None:
        answer = STREAM if self._url.endswith(b"/converse-stream") else WHOLE
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, self._answer, answer)
        else:
            self._answer(answer)

    def _answer(self, answer: bytes) -> None:
        if self._transport is not None:
            self._transport.write(answer)


async def serve(port: int, delay_s: float) -> None:
    """Until it is killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(_Connection, delay_s), "127.0.0.1", port, backlog=_BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay-s", type=float, default=0.0)
    args = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(args.port, args.delay_s))
