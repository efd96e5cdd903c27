"""How much passed within any minute: counted by the second, on the cautious side.

The last ``SECONDS + 1`` seconds count, so that no stretch of a minute, wherever it begins, ever holds more than what
was let through. Memory per window is that many numbers at the most.
"""

from collections import deque

SECONDS = 60


class Window:
    """What passed in the last minute. Times are monotonic seconds."""

    __slots__ = ("_slots", "_sum")

    def __init__(self) -> None:
        self._slots: deque[list[int]] = deque()  # [second, amount], oldest first
        self._sum = 0

    def total(self, now: float) -> int:
        """The amount that counts now."""
        oldest = int(now) - SECONDS
        while self._slots and self._slots[0][0] < oldest:
            self._sum -= self._slots.popleft()[1]
        return self._sum

    def add(self, now: float, amount: int) -> int:
        """Counts an amount in; the second it was counted in."""
        second = int(now)
        self.total(now)
        if not self._slots or self._slots[-1][0] != second:
            self._slots.append([second, 0])
        self._slots[-1][1] += amount
        self._sum += amount
        return second

    def correct(self, second: int, amount: int) -> None:
        """Adds to (or takes from) what was counted in that second, if it still counts."""
        for slot in reversed(self._slots):
            if slot[0] == second:
                slot[1] += amount
                self._sum += amount
                return
            if slot[0] < second:
                return

    def room_after_s(self, now: float, limit: int, amount: int) -> float:
        """How long until ``amount`` fits under ``limit``; 0 where it does now. A whole minute where it never will."""
        excess = self.total(now) + amount - limit
        if excess <= 0:
            return 0.0
        for second, passed in self._slots:
            excess -= passed
            if excess <= 0:
                return max(0.0, second + SECONDS + 1 - now)
        return float(SECONDS + 1)
