"""Answers as bytes, for servers that send exactly these."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from llm_gateway.backends.bedrock.client import Timeouts
from llm_gateway.sandbox.frames import event_frame

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
QUICK = Timeouts(connect_s=2, first_event_s=0.4, idle_s=0.3, total_s=1.2)
USAGE = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}
EVENT_STREAM = "application/vnd.amazon.eventstream"


def delta(text: str, index: int = 0) -> bytes:
    return event_frame("contentBlockDelta", {"contentBlockIndex": index, "delta": {"text": text}})


def start() -> bytes:
    return event_frame("messageStart", {"role": "assistant"})


def stop(reason: str = "end_turn") -> bytes:
    return event_frame("messageStop", {"stopReason": reason})


def metadata(**more: Any) -> bytes:
    return event_frame("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}, **more})


STREAM = start() + delta("Hel") + delta("lo") + stop() + metadata()


def whole(text: str = "Hello") -> bytes:
    return json.dumps(
        {
            "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
            "stopReason": "end_turn",
            "usage": USAGE,
        }
    ).encode()


def http(body: bytes, *, status: int = 200, content_type: str = "application/json", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"content-type: {content_type}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def stream(body: bytes = STREAM) -> bytes:
    return http(body, content_type=EVENT_STREAM)


def refusal(status: int, kind: str, message: str, **headers: str) -> bytes:
    body = json.dumps({"message": message}).encode()
    return http(body, status=status, x_amzn_errortype=f"{kind}:http://x/", x_amzn_requestid="id-9", **headers)


def says(data: bytes) -> Script:
    """Writes this and waits for the next request."""

    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return script


def says_and_hangs_up(data: bytes) -> Script:
    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    return script


def chunks(*pieces: bytes, ends: bool = True) -> Script:
    """A chunked event stream, every piece its own chunk; without an end it stays open."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {EVENT_STREAM}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        for piece in pieces:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(0)
        if ends:
            writer.write(b"0\r\n\r\n")
        else:
            await reader.read(1)

    return script


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
