"""A Bedrock that costs next to nothing: prebuilt bytes for Converse and ConverseStream, at once or after a fixed delay.

Speaks HTTP/1.1 over a raw asyncio protocol. It checks no signature and reads no body: it is there to be faster than
whoever is measured. Run: ``python -m benchmarks.bedrock_mock --port N [--delay-s S] [--deltas N] [--gap-s S]``; with a
gap the events of a stream are sent one by one, that far apart.
"""

import argparse
import asyncio
import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

import httptools
import orjson
import uvloop

ANSWER = "The quick brown fox jumps over the lazy dog."
_WORDS = [word + " " for word in ANSWER.split(" ")[:-1]] + [ANSWER.split(" ")[-1]]
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


def stream_frames(deltas: int) -> list[bytes]:
    """The events of one answer with so many pieces of text."""
    frames = [frame("messageStart", {"role": "assistant"})]
    for text in itertools.islice(itertools.cycle(_WORDS), deltas):
        frames.append(frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}))
    frames += [
        frame("contentBlockStop", {"contentBlockIndex": 0}),
        frame("messageStop", {"stopReason": "end_turn"}),
        frame("metadata", {"usage": _USAGE, "metrics": {"latencyMs": 1}}),
    ]
    return frames


def _whole_body() -> bytes:
    return orjson.dumps(
        {
            "output": {"message": {"role": "assistant", "content": [{"text": ANSWER}]}},
            "stopReason": "end_turn",
            "usage": _USAGE,
            "metrics": {"latencyMs": 1},
        }
    )


def _head(content_type: str, framing: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nx-amzn-requestid: 0000-mock\r\n{framing}\r\n\r\n"
    return head.encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@dataclass(frozen=True, slots=True)
class Script:
    """What is answered: pieces of bytes, the first after ``delay_s``, the others ``gap_s`` after each other."""

    whole: tuple[bytes, ...]
    stream: tuple[bytes, ...]
    delay_s: float
    gap_s: float


def script(*, delay_s: float, deltas: int, gap_s: float) -> Script:
    """Prebuilt answers."""
    body = _whole_body()
    whole = _head("application/json", f"content-length: {len(body)}") + body
    head = _head("application/vnd.amazon.eventstream", "transfer-encoding: chunked")
    frames = stream_frames(deltas)
    stream = [head + _chunk(frames[0]), *map(_chunk, frames[1:])] if gap_s else [head + _chunk(b"".join(frames))]
    return Script((whole,), (*stream[:-1], stream[-1] + b"0\r\n\r\n"), delay_s, gap_s)


class _Connection(asyncio.Protocol):
    def __init__(self, told: Script) -> None:
        self._told = told
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
        told = self._told
        pieces = iter(told.stream if self._url.endswith(b"/converse-stream") else told.whole)
        if told.delay_s:
            asyncio.get_running_loop().call_later(told.delay_s, self._answer, pieces)
        else:
            self._answer(pieces)

    def _answer(self, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            if self._transport is None:
                return
            self._transport.write(piece)
            if self._told.gap_s:
                asyncio.get_running_loop().call_later(self._told.gap_s, self._answer, pieces)
                return


async def serve(port: int, told: Script) -> None:
    """Until it is killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(told), "127.0.0.1", port, backlog=_BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay-s", type=float, default=0.0)
    parser.add_argument("--deltas", type=int, default=len(_WORDS))
    parser.add_argument("--gap-s", type=float, default=0.0)
    args = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(args.port, script(delay_s=args.delay_s, deltas=args.deltas, gap_s=args.gap_s)))
