"""Frames are read as strictly as botocore reads them."""

import struct
import zlib

import botocore.eventstream
import pytest

from llm_gateway.sandbox.frames import BrokenFrame, error_frame, event_frame, exception_frame, split_frames

GOOD = event_frame("messageStart", {"role": "assistant"})


def test_botocore_reads_the_same_frames():
    data = (
        GOOD
        + event_frame("empty", {})
        + exception_frame("throttlingException", "No", original=1)
        + error_frame("E", "m")
    )
    oracle = botocore.eventstream.EventStreamBuffer()
    oracle.add_data(data)
    assert [(message.headers, message.payload) for message in oracle] == [
        (frame.headers, frame.payload) for frame in split_frames(data)
    ]


def test_equal_events_are_equal_bytes():
    assert event_frame("messageStart", {"role": "assistant"}) == GOOD


def with_a_number_header() -> bytes:
    headers = b"\x01a\x04" + struct.pack(">i", 1)
    prelude = struct.pack(">II", 16 + len(headers), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers
    return message + struct.pack(">I", zlib.crc32(message))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (GOOD[:10], "within a frame"),
        (GOOD[:-5], "within a frame"),
        (b"\x01" + GOOD[1:], "prelude"),
        (GOOD[:-1] + b"\x00", "frame's CRC"),
        (with_a_number_header(), "no string"),
    ],
)
def test_a_broken_frame_is_an_error(data, words):
    with pytest.raises(BrokenFrame, match=words):
        list(split_frames(data))
