"""When a purse is filled again. Pure; times are milliseconds since the epoch, days and months are UTC's.

Spending is kept by period. A day, a month and a lifetime have one period at a time; a rolling window is cut into
``SLICES`` and the last ``SLICES + 1`` of them count, so that no stretch as long as the window ever holds more.
"""

from datetime import UTC, datetime

from llm_gateway.domain.money import Budget

SLICES = 60
_DAY_MS = 86_400_000


def period_of(budget: Budget, now_ms: int) -> int:
    """The period that is spent in now."""
    if budget.window == "day":
        return now_ms // _DAY_MS
    if budget.window == "month":
        today = datetime.fromtimestamp(now_ms / 1000, UTC)
        return today.year * 12 + today.month - 1
    if budget.window == "rolling":
        return now_ms // _slice_ms(budget)
    return 0


def first_period(budget: Budget, period: int) -> int:
    """The oldest period that counts with ``period``."""
    return period - SLICES if budget.window == "rolling" else period


def resets_at(budget: Budget, now_ms: int) -> str | None:
    """When the window ends (a rolling one: when its oldest slice leaves it), ISO 8601; ``None`` for a lifetime."""
    if budget.window == "lifetime":
        return None
    period = period_of(budget, now_ms)
    if budget.window == "day":
        end_ms = (period + 1) * _DAY_MS
    elif budget.window == "rolling":
        end_ms = (period + 1) * _slice_ms(budget)
    else:
        year, month = divmod(period + 1, 12)
        return datetime(year, month + 1, 1, tzinfo=UTC).isoformat()
    return datetime.fromtimestamp(end_ms / 1000, UTC).isoformat()


def _slice_ms(budget: Budget) -> int:
    return max(1, (budget.window_s or 1) * 1000 // SLICES)
