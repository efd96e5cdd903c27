"""A request over HTTP as every JSON door reads it: headers, the body within its limit, and whether the caller is there.

Shared by the doors of ``/v1`` (``openai_api``, ``anthropic_api``). Law: a body beyond the limit is refused before it is
held, and a caller that hangs up cancels what was begun for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import cast

import orjson
from starlette.types import Receive, Scope

from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.surfaces.json_values import kind_of


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """How much one request may hold: bytes of its body, messages, content blocks in all, and tools."""

    body_bytes: int = 32 * 1024 * 1024
    messages: int = 10_000
    blocks: int = 50_000
    tools: int = 1_000


class CallerLeft(Exception):
    """The caller hung up before its request was whole; there is nobody to answer."""


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of this name (lower case), or ``None``."""
    for key, value in cast("list[tuple[bytes, bytes]]", scope["headers"]):
        if key == name:
            return value.decode("latin-1")
    return None


async def read_body(scope: Scope, receive: Receive, most_bytes: int) -> bytes:
    """The whole body.

    Raises:
        InvalidRequest: ``payload_too_large`` or ``unsupported_encoding``.
        CallerLeft: it hung up.
    """
    encoding = header(scope, b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in ("", "identity"):
        raise InvalidRequest(
            f"content-encoding {encoding[:40]!r} is not read here; send the body uncompressed",
            field="content-encoding",
            code="unsupported_encoding",
        )
    announced = header(scope, b"content-length")
    if announced is not None and announced.isdecimal() and int(announced[:20]) > most_bytes:
        raise _too_large(most_bytes)
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise CallerLeft
        part: bytes = event.get("body", b"")
        size += len(part)
        if size > most_bytes:
            raise _too_large(most_bytes)
        parts.append(part)
        if not event.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(most_bytes: int) -> InvalidRequest:
    return InvalidRequest(
        f"the body is larger than {most_bytes} bytes; send less, or smaller images and documents",
        field="body",
        code="payload_too_large",
    )


def json_object(body: bytes) -> Mapping[str, object]:
    """The body as one JSON object; of a member that is there twice, the last counts.

    Raises:
        InvalidRequest: it is empty, no UTF-8, no JSON (NaN is none), nested too deeply, or no object.
    """
    if not body:
        raise InvalidRequest("the body is empty; send one JSON object", field="body")
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise InvalidRequest(
            f"the body is no JSON in UTF-8: {fault.msg[:80]}, at character {fault.pos}", field="body"
        ) from None
    if not isinstance(value, dict):
        raise InvalidRequest(f"the body must be a JSON object; got {kind_of(value)}", field="body")
    return cast("Mapping[str, object]", value)


async def while_there(receive: Receive, work: Callable[[], Awaitable[None]]) -> bool:
    """Does the work unless the caller hangs up, which cancels it; says whether it was done.

    Begin only after the body was read: what is received from then on is the caller's leaving.
    """
    here = asyncio.current_task()
    assert here is not None  # noqa: S101 - a coroutine that runs is in a task
    watch = asyncio.ensure_future(_gone(receive))
    left = False

    def leave(_: object) -> None:
        nonlocal left
        if not watch.cancelled():
            left = True
            here.cancel()

    watch.add_done_callback(leave)
    try:
        await work()
    except asyncio.CancelledError:
        if not left or here.uncancel() > 0:
            raise
        return False
    finally:
        watch.remove_done_callback(leave)
        watch.cancel()
    return True


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
