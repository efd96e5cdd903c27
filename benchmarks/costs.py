"""What a server spends on a call, and how many it answers: of one round of so many calls by so many callers."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Self

from benchmarks.load import Request, call_many, callers
from benchmarks.plan import CALLERS
from benchmarks.processes import Server


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU milliseconds of the server per call, and calls a second by the clock on the wall."""

    cpu_ms: float
    per_s: float

    @classmethod
    def median(cls, rounds: list[Self]) -> "Cost":
        """Of each figure by itself."""
        return Cost(median([each.cpu_ms for each in rounds]), median([each.per_s for each in rounds]))


async def cost_of(
    server: Server,
    request: Request,
    numbers: Iterator[int],
    calls: int,
    check: Callable[[tuple[int, bytes]], None],
    count: int = CALLERS,
) -> Cost:
    """One round, after one call of each caller that warms it up."""
    async with callers(server.port, count) as opened:
        await call_many(opened, request, numbers, count, check)
        before_s, started_at = server.cpu_s(), time.perf_counter()
        await call_many(opened, request, numbers, calls, check)
        took_s = time.perf_counter() - started_at
        return Cost((server.cpu_s() - before_s) * 1000 / calls, calls / took_s)
