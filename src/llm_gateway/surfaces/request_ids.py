"""Names for requests that bring none of their own."""

import os


def new_request_id() -> str:
    """``req_`` and 24 hexadecimal digits."""
    return "req_" + os.urandom(12).hex()
