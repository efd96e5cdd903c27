"""Frames: the same as botocore's, whatever the chunking; no byte is trusted."""

import struct
import zlib
from itertools import pairwise

import botocore.eventstream
import pytest
from bedrock_bytes import STREAM, delta, metadata, start, stop
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway.backends.bedrock.event_stream import MAX_FRAME_BYTES, FrameSplitter, Head
from llm_gateway.sandbox.frames import error_frame, exception_frame


def frame(headers: bytes, payload: bytes = b"{}") -> bytes:
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def text_header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()


EVENT = text_header(":message-type", "event") + text_header(":event-type", "metadata")


def split(*chunks: bytes) -> tuple[list[tuple[Head, bytes]], FrameSplitter]:
    splitter = FrameSplitter()
    return [found for chunk in chunks for found in splitter.feed(chunk)], splitter


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_frames_do_not_depend_on_the_chunks(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    found, splitter = split(*[STREAM[a:b] for a, b in pairwise(edges)])
    assert found == split(STREAM)[0]
    assert splitter.fault is None
    assert splitter.pending_bytes == 0


def test_frames_are_botocores() -> None:
    oracle = botocore.eventstream.EventStreamBuffer()
    data = STREAM + exception_frame("throttlingException", "slow down")
    oracle.add_data(data)
    theirs = [
        (message.headers.get(":event-type") or message.headers[":exception-type"], message.payload)
        for message in oracle
    ]
    assert [(head.name, payload) for head, payload in split(data)[0]] == theirs


def test_all_kinds_of_frames_are_told_apart() -> None:
    heads = [head for head, _ in split(start() + exception_frame("xException", "a") + error_frame("Boom", "b"))[0]]
    assert heads == [Head("event", "messageStart"), Head("exception", "xException"), Head("error", "Boom", "b")]
    assert split(error_frame("Boom", "c"))[0][0][0].message == "c"


@settings(max_examples=300)
@given(st.integers(0, len(STREAM) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_noticed(at: int, bit: int) -> None:
    broken = bytearray(STREAM)
    broken[at] ^= 1 << bit
    found, splitter = split(bytes(broken))
    good = split(STREAM)[0]
    assert found == good[: len(found)]
    assert len(found) < len(good)
    assert splitter.fault is not None or splitter.pending_bytes
    assert splitter.feed(STREAM) == [] or splitter.fault is None


@given(st.binary(max_size=400))
def test_rubbish_never_raises(data: bytes) -> None:
    found, splitter = split(data)
    assert len(data) < 12 or splitter.fault is not None or splitter.pending_bytes or found


def test_good_frames_before_a_broken_one_are_given() -> None:
    found, splitter = split(start() + delta("a") + b"\x00" * 16 + stop())
    assert [head.name for head, _ in found] == ["messageStart", "contentBlockDelta"]
    assert splitter.fault is not None
    assert splitter.feed(metadata()) == []


def test_a_claim_beyond_the_limit_is_refused_at_once() -> None:
    prelude = struct.pack(">II", MAX_FRAME_BYTES + 1, 0)
    _, splitter = split(prelude + struct.pack(">I", zlib.crc32(prelude)))
    assert splitter.fault is not None
    prelude = struct.pack(">II", MAX_FRAME_BYTES, 0)
    _, splitter = split(prelude + struct.pack(">I", zlib.crc32(prelude)))
    assert splitter.fault is None
    assert splitter.pending_bytes == 12


def test_headers_of_other_types_are_passed_over() -> None:
    others = b"".join(
        [
            b"\x01a\x00",
            b"\x01b\x01",
            b"\x01c\x02\x09",
            b"\x01d\x03\x00\x09",
            b"\x01e\x04\x00\x00\x00\x09",
            b"\x01f\x05" + b"\x00" * 8,
            b"\x01g\x06\x00\x02hi",
            b"\x01h\x08" + b"\x00" * 8,
            b"\x01i\x09" + b"\x00" * 16,
        ]
    )
    found, splitter = split(frame(others + EVENT))
    assert splitter.fault is None
    assert found == [(Head("event", "metadata"), b"{}")]


@pytest.mark.parametrize(
    "headers",
    [
        b"",
        b"\x01a\x0a",
        b"\x09abc",
        b"\x01a\x07\x00",
        text_header(":message-type", "event")[:-1],
        text_header(":message-type", "surprise"),
        b"\x01\xff\x07\x00\x01\xff",
    ],
)
def test_headers_that_cannot_be_read_are_a_fault(headers: bytes) -> None:
    found, splitter = split(frame(headers))
    assert found == []
    assert splitter.fault is not None


def test_many_kinds_of_headers_stay_in_bounded_memory() -> None:
    from llm_gateway.backends.bedrock import event_stream

    for number in range(600):
        head = text_header(":message-type", "event") + text_header(":event-type", f"kind{number}")
        assert split(frame(head))[0][0][0].name == f"kind{number}"
    assert len(event_stream._known_heads) <= 256


def test_a_megabyte_in_small_chunks_is_joined_once() -> None:
    big = frame(EVENT, b"x" * 1_000_000)
    found, _ = split(*[big[at : at + 1_000] for at in range(0, len(big), 1_000)])
    assert len(found[0][1]) == 1_000_000
