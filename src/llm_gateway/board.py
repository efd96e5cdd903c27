"""What each serving process shows of itself: what it has under way, when its event loop last ran, how it stands.

In memory that processes can share. Law: a process writes its own seat and reads all; nobody waits for anybody, and a
seat that is read while it is written shows its number of before or of after.
"""

import mmap
import os
import tempfile
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass

_SILENT_S = 5.0
_STATUSES = ("starting", "healthy", "ledger_unavailable", "closing")
_PARTS = ("redis",)
_BEST_FIRST = ("healthy", "ledger_unavailable", "closing", "starting", "unresponsive")
_NUMBER_BYTES = 8
_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """``status`` is starting, healthy, ledger_unavailable, closing or unresponsive; ``degraded`` are the parts that are
    down while requests go on without them."""

    status: str
    degraded: tuple[str, ...] = ()


class Board:
    """A seat for each serving process. ``clock`` is nanoseconds that all processes of the machine count alike."""

    def __init__(
        self, memory: "mmap.mmap | array[int]", *, clock: Callable[[], int] = time.monotonic_ns, fd: int | None = None
    ) -> None:
        numbers = memoryview(memory).cast("B").cast("q")
        seats = len(numbers) // _COLUMNS
        self._under_way, self._seen_at, self._states = [
            numbers[column * seats : (column + 1) * seats] for column in range(_COLUMNS)
        ]
        self._clock = clock
        self.fd = fd

    @classmethod
    def of_one(cls, clock: Callable[[], int] = time.monotonic_ns) -> "Board":
        """For a process that serves alone."""
        return cls(array("q", [0] * _COLUMNS), clock=clock)

    @classmethod
    def for_several(cls, seats: int) -> "Board":
        """One whose ``fd`` other processes may inherit."""
        size = seats * _COLUMNS * _NUMBER_BYTES
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("llm-gateway-board")
        else:  # not on every platform; the file is gone from its folder at once
            fd, name = tempfile.mkstemp()
            os.unlink(name)  # noqa: PTH108 - mkstemp's own words
        os.ftruncate(fd, size)
        return cls.inherited(fd)

    @classmethod
    def inherited(cls, fd: int) -> "Board":
        """The one that another process made."""
        return cls(mmap.mmap(fd, os.fstat(fd).st_size), fd=fd)

    @property
    def under_way(self) -> int:
        """Requests of all processes."""
        return sum(self._under_way)

    def count(self, seat: int, more: int) -> None:
        """That many more, or fewer, are under way."""
        self._under_way[seat] += more

    def show(self, seat: int, standing: Standing) -> None:
        """Shows that this process lives, and how it stands."""
        parts = sum([1 << number for number, part in enumerate(_PARTS) if part in standing.degraded])
        self._states[seat] = _STATUSES.index(standing.status) | parts << 8
        self._seen_at[seat] = self._clock()

    def clear(self, seat: int) -> None:
        """Its process is no more; another may take it."""
        self._under_way[seat] = self._seen_at[seat] = self._states[seat] = 0

    def standings(self) -> list[Standing]:
        """How each process stands now, the best first."""
        found = [self._standing(seat) for seat in range(len(self._states))]
        return sorted(found, key=lambda one: (_BEST_FIRST.index(one.status), len(one.degraded)))

    def _standing(self, seat: int) -> Standing:
        state, seen_at = self._states[seat], self._seen_at[seat]
        if seen_at and self._clock() - seen_at > _SILENT_S * 1e9:
            return Standing("unresponsive")
        return Standing(
            _STATUSES[state & 0xFF], tuple([part for number, part in enumerate(_PARTS) if state >> 8 >> number & 1])
        )
