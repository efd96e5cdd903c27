"""A target's breaker: after too many faults it is passed over for a while, then one call finds out. Reads no clock.

Opens after ``allowed_fails`` in a row, or when half of the last ``_LOOKS_BACK`` calls failed (and not fewer than are
allowed in a row). Throttles do not count.
"""

from collections import deque
from typing import Literal

State = Literal["closed", "open", "half-open"]

_LOOKS_BACK = 20


class Breaker:
    """``now`` is monotonic seconds."""

    __slots__ = ("_in_a_row", "_last", "_opened_until", "_probing", "last_code")

    def __init__(self) -> None:
        self._in_a_row = 0
        self._last: deque[bool] = deque(maxlen=_LOOKS_BACK)
        self._opened_until: float | None = None
        self._probing = False
        self.last_code: str | None = None

    @property
    def is_closed(self) -> bool:
        """Whether everybody may pass."""
        return self._opened_until is None

    def state(self, now: float) -> State:
        """For people."""
        if self._opened_until is None:
            return "closed"
        return "open" if now < self._opened_until else "half-open"

    def opens_in_s(self, now: float) -> float:
        """How long until a call may find out; 0 where one may now."""
        if self._opened_until is None:
            return 0.0
        if now < self._opened_until:
            return self._opened_until - now
        return 1.0 if self._probing else 0.0

    def began(self, now: float) -> bool:
        """A call passes; whether it is the one that finds out."""
        if self._opened_until is None or now < self._opened_until:
            return False
        self._probing = True
        return True

    def left(self, probes: bool) -> None:
        """A call ended that says nothing about the target."""
        if probes:
            self._probing = False

    def went_well(self, probes: bool) -> None:
        """The target answered."""
        self._in_a_row = 0
        self._last.append(True)
        if probes:
            self._close()

    def failed(self, now: float, probes: bool, code: str, *, allowed_fails: int, cooldown_s: float) -> None:
        """The target failed."""
        self._in_a_row += 1
        self._last.append(False)
        self.last_code = code
        is_half = self._last.count(False) >= max(_LOOKS_BACK // 2, allowed_fails)
        if probes or (self._opened_until is None and (self._in_a_row >= allowed_fails or is_half)):
            self._opened_until = now + cooldown_s
            self._probing = False

    def _close(self) -> None:
        self._opened_until = None
        self._probing = False
        self._last.clear()
