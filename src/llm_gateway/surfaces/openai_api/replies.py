"""Whom a request came from, and what leaves on the wire besides an answer's own bytes: headers and errors.

No header is sent before there is something to send, so that an early failure has its status.
"""

import os
import re
import time
from collections.abc import Mapping, Sequence

import orjson
from starlette.types import Send

from llm_gateway.domain.callers import ANYBODY
from llm_gateway.domain.callers import Caller as Identity
from llm_gateway.domain.errors import GatewayError
from llm_gateway.surfaces.http_headers import error_headers
from llm_gateway.surfaces.request_ids import told_request_id
from llm_gateway.surfaces.wire_errors import error_body, status_of_error

Headers = Sequence[tuple[bytes, bytes]]

_UNPRINTABLE = re.compile(r"[^\x21-\x7e]")
_JSON = (b"content-type", b"application/json")


def header_text(text: str) -> bytes:
    """Text as a header's value: what cannot stand there becomes an underscore."""
    return _UNPRINTABLE.sub("_", text[:200]).encode("ascii")


class Caller:
    """Whom one answer goes to. ``begun`` says whether its first bytes have left; ``asked_at_s`` is seconds since the
    epoch."""

    __slots__ = ("_send", "answer_id", "asked_at_s", "begun", "headers", "request_id", "who")

    def __init__(self, headers: Mapping[bytes, bytes], send: Send, who: Identity = ANYBODY) -> None:
        new = os.urandom(12).hex()
        self.headers = headers
        self.who = who
        self.request_id = told_request_id(headers) or "req_" + new
        self.answer_id = "chatcmpl-" + new
        self.asked_at_s = int(time.time())
        self.begun = False
        self._send = send

    async def begin(self, status: int, headers: Headers) -> None:
        """Status and headers; the body must follow."""
        self.begun = True
        told = [*headers, (b"x-request-id", self.request_id.encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": told})

    async def send_piece(self, body: bytes) -> None:
        """A part of the body, and more will come."""
        if body:
            await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def send_last(self, body: bytes) -> None:
        """The end of the body."""
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


async def send_json(caller: Caller, status: int, body: bytes, headers: Headers = ()) -> None:
    """One whole reply."""
    await caller.begin(status, [_JSON, (b"content-length", b"%d" % len(body)), *headers])
    await caller.send_last(body)


async def send_error(caller: Caller, error: GatewayError) -> None:
    """An error instead of the answer, or after its beginning: then nothing comes after it."""
    body = orjson.dumps(_error_json(error, caller.request_id))
    if caller.begun:
        await caller.send_last(b"data: %s\n\n" % body)
        return
    await send_json(caller, status_of_error(error), body, _error_headers(error))


def _error_json(error: GatewayError, request_id: str) -> dict[str, object]:
    told = error_body(error, request_id)
    shown = {"message": told["message"], "type": told["type"], "param": told.get("field"), "code": told["code"]}
    return {"error": shown, "request_id": request_id}


def _error_headers(error: GatewayError) -> Headers:
    """When to come again, to the millisecond where it is known, and when not to."""
    headers = error_headers(error)
    if error.retry_after_s is not None:
        headers.append((b"retry-after-ms", b"%d" % round(error.retry_after_s * 1000)))
    return headers
