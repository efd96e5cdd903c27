"""What comes of an address, good or bad. The texts of failures are ours and may be shown."""

from typing import NamedTuple


class Unreachable(Exception):
    """The other side is to blame; ``retryable`` where it may be better in a while."""

    def __init__(self, said: str, *, retryable: bool = False) -> None:
        super().__init__(said)
        self.said = said
        self.retryable = retryable


class Forbidden(Exception):
    """The way leads where nobody is led."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


class TooLarge(Exception):
    """More came, or was announced, than may. ``most_bytes`` is the bound."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(most_bytes)
        self.most_bytes = most_bytes


class Brought(NamedTuple):
    """The bytes of an address, what its server calls them, and the path they came from in the end."""

    body: bytes
    media_type: str
    path: str
