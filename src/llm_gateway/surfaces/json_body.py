"""The JSON body of an HTTP request, read and decoded within limits.

Law: never holds more than the limit, never waits for ever, and never builds more values than a limit of their own
allows, so that a small body cannot grow into a large one. Of duplicate keys the last one counts. What comes out is
valid Unicode and holds no NaN or infinity.
"""

from collections.abc import Mapping
from typing import cast

import orjson
from starlette.types import Receive

from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.patience import Patience
from llm_gateway.surfaces.door_limits import DoorLimits
from llm_gateway.surfaces.http_body import CallerLeft
from llm_gateway.surfaces.json_values import kind_of

_MOST_CONTAINERS = 300_000  # an empty list is 2 bytes on the wire and 64 in memory
_MOST_VALUES = 1_000_000
_MOST_PASSED_OVER = 256 * 1024 * 1024  # bytes; who sends more is cut off


async def read_json(receive: Receive, headers: Mapping[bytes, bytes], limits: DoorLimits) -> dict[str, object]:
    """The body as a JSON object.

    Raises:
        InvalidRequest: too large, compressed, too slow, no JSON, nested too deep, or no object.
        CallerLeft: the client hung up while it was sending.
    """
    body = await read_body(receive, headers, limits)
    return decode_body(body, limits)


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], limits: DoorLimits) -> bytes | bytearray:
    """The body as it came.

    Raises:
        InvalidRequest: too large, compressed or too slow.
        CallerLeft: the client hung up while it was sending.
    """
    refusal = _refusal(headers, limits)
    if refusal is not None and b"expect" in headers:
        raise refusal  # the client has not begun to send
    try:
        with Patience(limits.body_read_s):
            return await _gather(receive, limits, refusal)
    except TimeoutError:
        raise InvalidRequest(
            f"the body did not arrive within {limits.body_read_s:g} s (BODY_READ_TIMEOUT)", code="request_timeout"
        ) from None


def _refusal(headers: Mapping[bytes, bytes], limits: DoorLimits) -> InvalidRequest | None:
    """Why the body will not be read, as far as its headers tell."""
    if headers.get(b"content-encoding", b"identity") not in (b"identity", b""):
        return InvalidRequest("the body is compressed; send it as plain JSON", code="unsupported_encoding")
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and (len(declared) > 18 or int(declared) > limits.max_body_bytes):
        return _too_large(limits)
    return None


async def _gather(receive: Receive, limits: DoorLimits, refusal: InvalidRequest | None) -> bytes | bytearray:
    """The whole body. One that is refused is passed over to its end, or the client would never see its answer: it
    would be sending still when the connection is closed."""
    message = await receive()
    body: bytes | bytearray = message.get("body", b"")
    size = len(body)
    while message.get("more_body") and size <= _MOST_PASSED_OVER:
        if refusal is None and not isinstance(body, bytearray):
            body = bytearray(body)
        message = await receive()
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > limits.max_body_bytes and refusal is None:
            refusal = _too_large(limits)
        if refusal is None:
            body += piece
        else:
            body = b""
    if message["type"] == "http.disconnect":
        raise CallerLeft
    if size > limits.max_body_bytes and refusal is None:
        refusal = _too_large(limits)
    if refusal is not None:
        raise refusal
    return body


def _too_large(limits: DoorLimits) -> InvalidRequest:
    return InvalidRequest(
        f"the body is larger than {limits.max_body_bytes} bytes (MAX_BODY_BYTES); send less", code="payload_too_large"
    )


def decode_body(body: bytes | bytearray, limits: DoorLimits) -> dict[str, object]:
    """The body as a JSON object.

    Raises:
        InvalidRequest: says where it is no JSON, or which limit it passes.
    """
    containers = count_containers(body)
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise InvalidRequest(f"the body is not JSON in UTF-8: {fault}") from None
    if not isinstance(value, dict):
        raise InvalidRequest(f"the body must be a JSON object; got {kind_of(value)}")
    if containers > limits.max_json_depth:
        check_depth(cast("dict[str, object]", value), limits.max_json_depth)
    return cast("dict[str, object]", value)


def count_containers(body: bytes | bytearray) -> int:
    """How many lists and objects a body can hold at most; none is nested deeper than that.

    Raises:
        InvalidRequest: more values than are ever built.
    """
    containers = body.count(b"{") + body.count(b"[")
    if containers > _MOST_CONTAINERS or (len(body) > _MOST_VALUES and body.count(b",") > _MOST_VALUES):
        raise InvalidRequest("the body holds too many lists, objects or values; send fewer", code="payload_too_large")
    return containers


def check_depth(value: dict[str, object], deepest: int) -> None:
    """Raises:
    InvalidRequest: a member is nested deeper; it is named.
    """
    for name, member in value.items():
        level, depth = _inside([member]), 1
        while level:
            depth += 1
            if depth > deepest:
                field = name[:80]
                raise InvalidRequest(f"{field} is nested deeper than {deepest} levels (MAX_JSON_DEPTH)", field=field)
            level = _inside([inner for item in level for inner in item])


def _inside(values: list[object]) -> list[list[object]]:
    """What the lists and objects among the values hold."""
    found: list[list[object]] = []
    for value in values:
        if isinstance(value, dict):
            found.append(list(cast("dict[str, object]", value).values()))
        elif isinstance(value, list):
            found.append(cast("list[object]", value))
    return found
