"""How much is measured, and how one line of the result looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

CALLERS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Sizes of the measures; all of them are of one round where there are rounds."""

    stdio_starts: int
    stdio_rounds: int
    stdio_calls: int
    http_rounds: int
    http_calls: int
    slow_calls: int
    slow_s: float
    slow_arrival_s: float
    memory_first: int
    memory_last: int
    v1_rounds: int
    v1_calls: int
    v1_streams: int
    v1_firsts: int
    wait_callers: int
    wait_calls: int
    wait_rounds: int
    wait_s: float
    floor_rounds: int
    floor_calls: int
    ledger_rows: int


FULL = Plan(
    stdio_starts=7,
    stdio_rounds=7,
    stdio_calls=100,
    http_rounds=9,
    http_calls=600,
    slow_calls=1000,
    slow_s=2.0,
    slow_arrival_s=1.0,
    memory_first=10_000,
    memory_last=100_000,
    v1_rounds=9,
    v1_calls=1500,
    v1_streams=500,
    v1_firsts=200,
    wait_callers=100,
    wait_calls=2000,
    wait_rounds=3,
    wait_s=0.2,
    floor_rounds=7,
    floor_calls=1500,
    ledger_rows=1_000_000,
)
QUICK = Plan(
    stdio_starts=3,
    stdio_rounds=3,
    stdio_calls=60,
    http_rounds=3,
    http_calls=300,
    slow_calls=1000,
    slow_s=2.0,
    slow_arrival_s=1.0,
    memory_first=1_000,
    memory_last=10_000,
    v1_rounds=5,
    v1_calls=800,
    v1_streams=300,
    v1_firsts=60,
    wait_callers=100,
    wait_calls=1000,
    wait_rounds=1,
    wait_s=0.2,
    floor_rounds=3,
    floor_calls=600,
    ledger_rows=200_000,
)
TINY = Plan(
    stdio_starts=1,
    stdio_rounds=1,
    stdio_calls=3,
    http_rounds=1,
    http_calls=40,
    slow_calls=40,
    slow_s=0.3,
    slow_arrival_s=0.1,
    memory_first=50,
    memory_last=100,
    v1_rounds=1,
    v1_calls=40,
    v1_streams=40,
    v1_firsts=3,
    wait_callers=10,
    wait_calls=20,
    wait_rounds=1,
    wait_s=0.05,
    floor_rounds=1,
    floor_calls=40,
    ledger_rows=2_000,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table. ``met`` is ``None`` where there is no target."""

    measure: str
    ours: str
    bare: str = ""
    ratio: str = ""
    target: str = ""
    met: bool | None = None


def ratio_line(measure: str, ours: Sequence[float], bare: Sequence[float], *, most: float, unit: str = "ms") -> Line:
    """Medians beside each other; ``ours`` may be ``most`` times ``bare``."""
    mine, theirs = median(ours), median(bare)
    ratio = mine / theirs
    return Line(
        measure=measure,
        ours=f"{mine:.3f} {unit}",
        bare=f"{theirs:.3f} {unit}",
        ratio=f"{ratio:.2f}",
        target=f"≤ {most:g} ×",
        met=ratio <= most,
    )
