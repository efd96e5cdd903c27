"""Event-stream frames: bytes of `application/vnd.amazon.eventstream`, both ways. Pure.

A frame is total length, headers length, CRC of these eight bytes, headers, payload, CRC of all before it; numbers are
big-endian, every header of Bedrock is a string (type 7). Each event carries a padding member `p`, as the real ones do.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import orjson

from llm_gateway.sandbox.wire_json import Json

EVENT_STREAM = "application/vnd.amazon.eventstream"
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_STRING = 7


class BrokenFrame(ValueError):
    """Bytes that are no event stream: a CRC that does not fit, or a frame that is cut."""


@dataclass(frozen=True, slots=True)
class Frame:
    headers: dict[str, str]
    payload: bytes


def event_frame(kind: str, payload: Json, *, claims: int | None = None) -> bytes:
    """An event of the given `:event-type`; the padding is drawn from the payload, so equal events are equal bytes.

    `claims` lies about the length of the frame, with a prelude CRC that fits the lie.
    """
    bare = orjson.dumps(payload)
    padding = _PADDING[: 3 + zlib.crc32(bare) % (len(_PADDING) - 3)]
    return _frame(
        _header_bytes((":event-type", kind), (":content-type", "application/json"), (":message-type", "event")),
        b'%s%s"p":"%s"}' % (bare[:-1], b"," if len(bare) > 2 else b"", padding.encode()),
        claims,
    )


def exception_frame(kind: str, message: str, **facts: object) -> bytes:
    """A modelled exception in mid-stream; `kind` is lowerCamel, as `throttlingException`."""
    headers = _header_bytes(
        (":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception")
    )
    return _frame(headers, orjson.dumps({"message": message, **facts}))


def error_frame(code: str, message: str) -> bytes:
    """An unmodelled error: the facts stand in the headers, the payload is empty."""
    return _frame(_header_bytes((":message-type", "error"), (":error-code", code), (":error-message", message)), b"")


def split_frames(data: bytes) -> Iterator[Frame]:
    """All frames of a whole stream. Raises BrokenFrame."""
    at = 0
    while at < len(data):
        if len(data) - at < 16:
            raise BrokenFrame("the stream ends within a frame")
        total, headers_length, prelude_crc = struct.unpack_from(">III", data, at)
        if zlib.crc32(data[at : at + 8]) != prelude_crc:
            raise BrokenFrame("the prelude's CRC does not fit")
        end = at + total
        if end > len(data):
            raise BrokenFrame("the stream ends within a frame")
        if zlib.crc32(data[at : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise BrokenFrame("the frame's CRC does not fit")
        payload_at = at + 12 + headers_length
        yield Frame(_read_headers(data[at + 12 : payload_at]), data[payload_at : end - 4])
        at = end


def _frame(headers: bytes, payload: bytes, claims: int | None = None) -> bytes:
    prelude = struct.pack(">II", claims or 16 + len(headers) + len(payload), len(headers))
    message = b"%s%s%s%s" % (prelude, struct.pack(">I", zlib.crc32(prelude)), headers, payload)
    return message + struct.pack(">I", zlib.crc32(message))


@lru_cache(maxsize=256)
def _header_bytes(*headers: tuple[str, str]) -> bytes:
    parts: list[bytes] = []
    for name, value in headers:
        encoded_name, encoded = name.encode(), value.encode()
        parts.append(bytes((len(encoded_name),)) + encoded_name + bytes((_STRING,)))
        parts.append(struct.pack(">H", len(encoded)) + encoded)
    return b"".join(parts)


def _read_headers(data: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    at = 0
    while at < len(data):
        name_end = at + 1 + data[at]
        if data[name_end] != _STRING:
            raise BrokenFrame("a header that is no string")
        (size,) = struct.unpack_from(">H", data, name_end + 1)
        value_at = name_end + 3
        headers[data[at + 1 : name_end].decode()] = data[value_at : value_at + size].decode()
        at = value_at + size
    return headers
