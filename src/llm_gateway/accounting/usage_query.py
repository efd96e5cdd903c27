"""What was spent, added up: by day, key, team, agent, model, outcome or run. As transactions that change nothing.

Days, agents and outcomes come from the sums by day, what was ever spent from those of all time, which stay smaller
still; runs come from the ledger, by its index.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from llm_gateway.accounting.schema import SUMS
from llm_gateway.domain.usage import UsageQuestion, UsageRow
from llm_gateway.storage.contract import Row, Transaction

_COLUMNS = {
    "day": "day",
    "key": "key_name",
    "team": "team",
    "agent": "agent",
    "model": "model",
    "model_id": "model_id",
    "region": "region",
    "outcome": "outcome",
    "run": "run_id",
}
_FROM_SUMS = ", ".join(f"CAST(SUM({name}) AS BIGINT)" for name in SUMS)
_FROM_LEDGER = (
    "COUNT(*), CAST(SUM(estimated) AS BIGINT), CAST(SUM(CASE WHEN cost_nano_usd IS NULL THEN 1 ELSE 0 END) AS BIGINT), "
    + ", ".join(f"CAST(SUM({name}) AS BIGINT)" for name in SUMS[3:8])
    + ", CAST(COALESCE(SUM(cost_nano_usd), 0) AS BIGINT)"
)
_DAY_MS = 86_400_000
_KNOWN_EVER = frozenset({"key", "team", "model"})


def usage(question: UsageQuestion) -> Transaction[list[UsageRow]]:
    """The sums, dearest first; by day: in the order of the days."""
    by_run = "run" in question.by or question.run_id is not None
    table, sums = ("ledger", _FROM_LEDGER) if by_run else (_sums_for(question), _FROM_SUMS)
    day = f"(booked_at / {_DAY_MS})" if by_run else "day"
    columns = [day if word == "day" else f"COALESCE({_COLUMNS[word]}, '')" for word in question.by]
    where, parameters = _narrowed(question, "booked_at" if by_run else None)
    grouped = f" GROUP BY {', '.join(str(number + 1) for number in range(len(columns)))}" if columns else ""
    chosen = ", ".join([*columns, sums])
    rows = yield (f"SELECT {chosen} FROM {table}{where}{grouped}", parameters)  # noqa: S608 - our own words only
    found = [_row(row, question.by) for row in rows if row[len(columns)]]
    if "day" in question.by:
        return sorted(found, key=lambda row: row.group)
    return sorted(found, key=lambda row: -row.cost_nano_usd)


def _sums_for(question: UsageQuestion) -> str:
    """The smallest table that knows what is asked for."""
    is_of_all_time = question.since is None and question.until is None
    return "usage_ever" if is_of_all_time and _KNOWN_EVER.issuperset(question.by) else "usage_by_day"


def _narrowed(question: UsageQuestion, instant: str | None) -> tuple[str, list[object]]:
    clauses: list[str] = []
    parameters: list[object] = []
    for column, value in (("key_id", question.key_id), ("team", question.team), ("run_id", question.run_id)):
        if value is not None:
            clauses.append(f"{column} = ?")
            parameters.append(value)
    for sign, bound, more in ((">=", question.since, 0), ("<", question.until, 1)):
        if bound is not None:
            day = (bound - date(1970, 1, 1)).days + more
            clauses.append(f"{instant or 'day'} {sign} ?")
            parameters.append(day * _DAY_MS if instant else day)
    return (" WHERE " + " AND ".join(clauses) if clauses else ""), parameters


def _row(row: Row, by: Sequence[str]) -> UsageRow:
    group = tuple(_shown_day(value) if word == "day" else str(value) for word, value in zip(by, row, strict=False))
    return UsageRow(group=group, **dict(zip(SUMS, row[len(by) :], strict=True)))


def _shown_day(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()
