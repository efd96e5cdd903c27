"""Bytes of ``application/vnd.amazon.eventstream`` cut into frames. Pure; trusts no byte, whatever the chunking.

A frame is total length, headers length, CRC-32 of these eight bytes, headers, payload, CRC-32 of all before it; numbers
are big-endian. The headers of an event type are the same bytes in every frame, so they are parsed once and looked up.
"""

import struct
from dataclasses import dataclass
from zlib import crc32

MAX_FRAME_BYTES = 24 * 1024 * 1024
"""botocore's own limit of a payload; a longer claim is refused at once, a shorter one is waited for."""

_LENGTHS = struct.Struct(">II")
_CRC = struct.Struct(">I")
_LENGTH = struct.Struct(">H")
_PRELUDE_BYTES = 12
_SMALLEST_FRAME_BYTES = 16
_STRING = 7
_VALUE_BYTES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Length of the value by header type; types 6 (bytes) and 7 (string) carry their own."""
_SIZED = frozenset({6, _STRING})
_KNOWN_HEADS_LIMIT = 256


class BrokenFrame(ValueError):
    """Bytes that are no event stream."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the headers of a frame say.

    ``kind`` is ``event``, ``exception`` or ``error``; ``name`` the event type, exception type or error code;
    ``message`` is set for an ``error`` only.
    """

    kind: str
    name: str
    message: str = ""


Frame = tuple[Head, bytes]

_known_heads: dict[bytes, Head] = {}


class FrameSplitter:
    """Takes chunks as they come, gives whole frames. ``fault`` is set when the bytes are no event stream: the frames
    before the broken one were good and have been given, nothing is given after it."""

    __slots__ = ("_chunks", "_held", "_needed", "fault")

    def __init__(self) -> None:
        self.fault: BrokenFrame | None = None
        self._chunks: list[bytes] = []
        self._held = 0
        self._needed = _PRELUDE_BYTES

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that has begun and is not whole; 0 between frames."""
        return self._held

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames this chunk completes, in order; look at ``fault`` afterwards."""
        if self.fault is not None:
            return []
        held = self._held
        if held:
            self._chunks.append(chunk)
            held += len(chunk)
            if held < self._needed:
                self._held = held
                return []
            chunk = b"".join(self._chunks)
            self._chunks.clear()
        frames: list[Frame] = []
        try:
            at = self._cut(chunk, frames)
        except BrokenFrame as fault:
            self.fault = fault
            return frames
        rest = len(chunk) - at
        self._held = rest
        if rest:
            self._chunks.append(chunk[at:] if at else chunk)
        return frames

    def _cut(self, data: bytes, frames: list[Frame]) -> int:
        """Adds the whole frames; returns where the first frame begins that is not whole."""
        at, end = 0, len(data)
        while end - at >= _PRELUDE_BYTES:
            total, headers_bytes = _LENGTHS.unpack_from(data, at)
            if end - at < total or total < _SMALLEST_FRAME_BYTES + headers_bytes:
                _check_prelude(data, at)
                self._needed = total
                return at
            tail = at + total - 4
            if crc32(data[at:tail]) != _CRC.unpack_from(data, tail)[0]:
                _check_prelude(data, at)
                raise BrokenFrame("the checksum of a frame is wrong")
            payload_at = at + _PRELUDE_BYTES + headers_bytes
            headers = data[at + _PRELUDE_BYTES : payload_at]
            frames.append((_known_heads.get(headers) or _read_head(headers), data[payload_at:tail]))
            at += total
        self._needed = _PRELUDE_BYTES
        return at


def _check_prelude(data: bytes, at: int) -> None:
    """Whether the lengths may be believed. A frame that is there already is checked as a whole, these eight bytes too;
    one that is not must not be waited for in vain."""
    if crc32(data[at : at + 8]) != _CRC.unpack_from(data, at + 8)[0]:
        raise BrokenFrame("the checksum of a frame's prelude is wrong")
    total, headers_bytes = _LENGTHS.unpack_from(data, at)
    if not _SMALLEST_FRAME_BYTES + headers_bytes <= total <= MAX_FRAME_BYTES:
        raise BrokenFrame(f"a frame claims {total} bytes with {headers_bytes} of headers")


def _read_head(data: bytes) -> Head:
    headers = _read_headers(data)
    kind = headers.get(":message-type", "")
    if kind == "event":
        head = Head(kind, headers.get(":event-type", ""))
    elif kind == "exception":
        head = Head(kind, headers.get(":exception-type", ""))
    elif kind == "error":
        return Head(kind, headers.get(":error-code", ""), headers.get(":error-message", ""))  # its text varies
    else:
        raise BrokenFrame(f"a frame is of the message type {kind[:40]!r}")
    if len(_known_heads) < _KNOWN_HEADS_LIMIT:
        _known_heads[data] = head
    return head


def _read_headers(data: bytes) -> dict[str, str]:
    """The string headers; those of other types are passed over."""
    headers: dict[str, str] = {}
    at, end = 0, len(data)
    try:
        while at < end:
            name_at, name_end = at + 1, at + 1 + data[at]
            kind, value_at = data[name_end], name_end + 1
            if kind in _SIZED:
                size = _LENGTH.unpack_from(data, value_at)[0]
                value_at += 2
            else:
                size = _VALUE_BYTES[kind]
            at = value_at + size
            if kind == _STRING:
                headers[data[name_at:name_end].decode()] = data[value_at:at].decode()
    except (LookupError, ValueError, struct.error) as fault:
        raise BrokenFrame("the headers of a frame cannot be read") from fault
    if at > end:
        raise BrokenFrame("a header is longer than all headers of its frame")
    return headers
