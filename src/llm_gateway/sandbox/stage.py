"""Performs a play on a real socket. Cancelled by aiohttp when the client leaves; nothing here waits for longer."""

import asyncio
import socket
import struct
from collections.abc import Callable

from aiohttp import web

from llm_gateway.sandbox.plays import HangUp, Play, Reset, Send, Silence, Wait

_LINGER_NOT = struct.pack("ii", 1, 0)


async def perform(
    play: Play, request: web.Request, headers: dict[str, str], sent: Callable[[int], None]
) -> web.StreamResponse:
    """Plays all steps; `sent` hears the status once the head is on its way.

    Raises asyncio.CancelledError when the client leaves first, ConnectionError when that shows while writing.
    """
    if play.length is not None and isinstance(play.steps, tuple) and len(play.steps) == 1:
        (only,) = play.steps
        if isinstance(only, Send) and len(only.data) == play.length:
            sent(play.status)
            return web.Response(status=play.status, headers={**play.headers, **headers}, body=only.data)
    response = web.StreamResponse(status=play.status, headers={**play.headers, **headers})
    response.content_length = play.length
    for step in play.steps:
        match step:
            case Send(data):
                if not response.prepared:
                    await response.prepare(request)
                    sent(play.status)
                if data:
                    await response.write(data)
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Silence():
                await asyncio.Event().wait()
            case Reset():
                _reset(request)
                return response
            case HangUp():
                _hang_up(request)
                return response
    if not response.prepared:
        await response.prepare(request)
        sent(play.status)
    await response.write_eof()
    return response


def _reset(request: web.Request) -> None:
    transport = request.transport
    if transport is None:
        return
    opened = transport.get_extra_info("socket")
    if opened is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
