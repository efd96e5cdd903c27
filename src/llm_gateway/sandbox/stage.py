"""Performs a play on a real socket. Cancelled by aiohttp when the client leaves; nothing here waits for longer."""

import asyncio
import socket
import struct
from collections.abc import Callable

from aiohttp import web

from llm_gateway.sandbox.plays import HangUp, Play, Reset, Send, Silence, Wait

_LINGER_NOT = struct.pack("ii", 1, 0)


class Stage:
    """One request's socket. `sent` hears the status once the head is on its way."""

    def __init__(self, request: web.Request, headers: dict[str, str], sent: Callable[[int], None]) -> None:
        self._request = request
        self._headers = headers
        self._sent = sent

    async def perform(self, play: Play) -> web.StreamResponse:
        """Raises asyncio.CancelledError when the client leaves first, ConnectionError when writing shows it."""
        headers = {**self._headers, **play.headers}  # a recording brings its own request id
        if isinstance(play.steps, tuple) and len(play.steps) == 1:
            (only,) = play.steps
            if isinstance(only, Send) and len(only.data) == play.length:
                self._sent(play.status)
                return web.Response(status=play.status, headers=headers, body=only.data)
        response = web.StreamResponse(status=play.status, headers=headers)
        response.content_length = play.length
        for step in play.steps:
            match step:
                case Send(data):
                    await self._send(response, data)
                case Wait(seconds):
                    await asyncio.sleep(seconds)
                case Silence():
                    await asyncio.Event().wait()
                case Reset() | HangUp():
                    self._leave(at_once=isinstance(step, Reset))
                    return response
        await self._send(response, b"")
        await response.write_eof()
        return response

    async def _send(self, response: web.StreamResponse, data: bytes) -> None:
        if not response.prepared:
            await response.prepare(self._request)
            self._sent(response.status)
        if data:
            await response.write(data)

    def _leave(self, *, at_once: bool) -> None:
        transport = self._request.transport
        if transport is None:
            return
        if not at_once:
            transport.close()
            return
        opened = transport.get_extra_info("socket")
        if opened is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport.abort()
