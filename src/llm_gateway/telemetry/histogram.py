"""Latencies in a fixed number of buckets: percentiles to within 2.5 %, memory that never grows."""

from collections.abc import Mapping
from itertools import accumulate
from math import log
from typing import Any

_SMALLEST_MS = 0.01
_GROWTH = 1.05
_LOG_GROWTH = log(_GROWTH)
_BUCKETS = 420  # up to about 2 hours


class LatencyHistogram:
    """Counts values in milliseconds; each bucket is 5 % wider than the one before."""

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._count = 0
        self._sum_ms = 0.0

    def add(self, value_ms: float) -> None:
        """Counts one value; what lies beyond either end is counted in the last bucket there."""
        bucket = int(log(value_ms / _SMALLEST_MS) / _LOG_GROWTH) + 1 if value_ms > _SMALLEST_MS else 0
        self._counts[min(bucket, _BUCKETS - 1)] += 1
        self._count += 1
        self._sum_ms += value_ms

    def mean_ms(self) -> float | None:
        """Exact, not from the buckets; ``None`` before the first value."""
        return self._sum_ms / self._count if self._count else None

    def percentile_ms(self, percent: float) -> float | None:
        """The middle of the bucket that holds the value below which ``percent`` of all lie."""
        if not self._count:
            return None
        wanted = max(self._count * percent / 100, 1)
        counted_up_to = accumulate(self._counts)
        bucket = next(bucket for bucket, seen in enumerate(counted_up_to) if seen >= wanted)
        return _SMALLEST_MS * _GROWTH ** (bucket - 0.5) if bucket else _SMALLEST_MS

    def figures(self) -> dict[str, Any]:
        """All of it, as JSON values."""
        return {"counts": [[bucket, seen] for bucket, seen in enumerate(self._counts) if seen], "sum_ms": self._sum_ms}

    def absorb(self, figures: Mapping[str, Any]) -> None:
        """Counts what another one has counted."""
        for bucket, seen in figures["counts"]:
            self._counts[bucket] += seen
            self._count += seen
        self._sum_ms += figures["sum_ms"]
