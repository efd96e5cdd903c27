"""A connection that waits for nobody for ever: uvicorn's, with limits for what its other side sends and takes.

Law: a head arrives whole, and is of bounded size; a body that nobody reads ends; whoever does not take what is written
is cut. Loaded with uvicorn.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

_TAKEN_MEANWHILE = 16 * 1024
"""Bytes that a reader takes at least in its time: more than a trickle, far less than any network."""
_REASONS = {
    408: ("request_timeout", "the head of the request did not arrive within {limit:g} s (BODY_READ_TIMEOUT)"),
    431: ("header_too_large", "the head of the request is larger than {limit} bytes (MAX_HEADER_BYTES); send less"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """``read_s`` for a head, and for the rest of a body that nobody reads; ``write_s`` for the next bytes of an answer
    to be taken."""

    max_head_bytes: int = 65_536
    read_s: float = 30.0
    write_s: float = 20.0


class BoundedConnection(HttpToolsProtocol):
    """``limits`` are those of the class; see :func:`connections_within`."""

    limits = ConnectionLimits()

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._head_bytes = 0
        self._in_head = True
        self._is_turned_away = False
        self._late: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection on which nothing comes is waited for like a head."""
        super().connection_made(transport)
        self._late = self.loop.call_later(self.limits.read_s, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for any more."""
        self._stop_late()
        self._stop_stuck()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts what belongs to a head, and gives it its time."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        if self._head_bytes > self.limits.max_head_bytes:
            self._turn_away(431, self.limits.max_head_bytes)
        elif self._late is None and self._head_bytes:
            self._late = self.loop.call_later(self.limits.read_s, self._head_is_late)

    def on_message_begin(self) -> None:
        """Another head."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole; one that came at once may still be too large."""
        self._in_head = False
        self._stop_late()
        is_large = self._head_bytes > self.limits.max_head_bytes
        self._head_bytes = 0
        if is_large and sum([len(name) + len(value) for name, value in self.headers]) > self.limits.max_head_bytes:
            self._turn_away(431, self.limits.max_head_bytes)
        elif not self._is_turned_away:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Nothing of a request that was turned away."""
        if not self._is_turned_away:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Another head may come."""
        self._in_head = True
        if not self._is_turned_away:
            self._stop_late()
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """A body that goes on after its answer is passed over, for a while."""
        super().on_response_complete()
        if self.cycle.more_body and not self.transport.is_closing():
            self._stop_late()
            self._late = self.loop.call_later(self.limits.read_s, self.transport.close)

    def pause_writing(self) -> None:
        """There is no room for more: the other side has to read, within its time."""
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        """It has read."""
        self._stop_stuck()
        super().resume_writing()

    def _wait_for_reader(self) -> None:
        self._stop_stuck()
        waiting = self.transport.get_write_buffer_size()
        self._stuck = self.loop.call_later(self.limits.write_s, self._look_at_reader, waiting)

    def _look_at_reader(self, waiting: int) -> None:
        self._stuck = None
        if waiting - self.transport.get_write_buffer_size() >= _TAKEN_MEANWHILE:
            self._wait_for_reader()
            return
        structlog.get_logger().warning("slow_reader_cut", after_s=self.limits.write_s)
        self.transport.abort()

    def _head_is_late(self) -> None:
        self._late = None
        if self.transport.is_closing():
            return
        if self._head_bytes:
            self._turn_away(408, self.limits.read_s)
        else:
            self.transport.close()

    def _turn_away(self, status: int, limit: float) -> None:
        self._is_turned_away = True
        code, reason = _REASONS[status]
        shown = {"message": reason.format(limit=limit), "type": "invalid_request_error", "param": None, "code": code}
        body = orjson.dumps({"error": shown})
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()

    def _stop_late(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _stop_stuck(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None


def connections_within(limits: ConnectionLimits) -> type[BoundedConnection]:
    """The class of connections with these limits, as uvicorn wants it."""
    return type("Connection", (BoundedConnection,), {"limits": limits})
