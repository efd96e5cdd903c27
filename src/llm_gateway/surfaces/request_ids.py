"""Names of requests: the caller's own where it tells a good one."""

import os
import re
from collections.abc import Mapping

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


def new_request_id() -> str:
    """``req_`` and 24 hexadecimal digits."""
    return "req_" + os.urandom(12).hex()


def told_request_id(headers: Mapping[bytes, bytes]) -> str | None:
    """What ``x-request-id`` says, if it can go into a header and a log as it is."""
    told = headers.get(b"x-request-id")
    return told.decode() if told and _REQUEST_ID.fullmatch(told) else None
