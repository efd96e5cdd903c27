"""The ledger priced anew: what today's prices would have made of it, and why. Changes nothing.

A row holds all that its price was made of: tokens by class, the id that was invoked (profile and region with it) and
the tier that served it. So a row whose price has not changed comes out as it was booked, to the nano-dollar.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from llm_gateway.accounting.contract import Price
from llm_gateway.domain.completions import Usage
from llm_gateway.storage.contract import Row, Transaction

_AT_ONCE = 2_000
_COLUMNS = (
    *("id", "booked_at", "model", "model_id", "region", "service_tier", "price_source", "price_checked_on"),
    *("cost_nano_usd", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens"),
    "cache_write_1h_tokens",
)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM ledger"  # noqa: S608 - our own names
_CORRECTS = "+"  # the mark of a row that corrects another, see ledger.correction

Pricing = Callable[["BookedRow", Usage], Price | None]
"""Today's price of such a call."""


@dataclass(frozen=True, slots=True)
class BookedRow:
    """Of a row, what its price was made of, and what was booked. ``before`` is what it corrects, if it does."""

    id: str
    booked_at: int
    model: str
    model_id: str
    region: str
    service_tier: str | None
    price_source: str | None
    price_checked_on: str | None
    cost_nano_usd: int | None
    usage: Usage
    before: Usage | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where a reading of the ledger stands."""

    booked_at: int
    id: str = ""


@dataclass(slots=True)
class Repriced:
    """Rows of one model that changed, or did not, for one reason. Amounts are whole nano-dollars."""

    model: str
    model_id: str
    why: str
    calls: int = 0
    booked_nano_usd: int = 0
    repriced_nano_usd: int = 0

    @property
    def difference_nano_usd(self) -> int:
        """How much more it would have been."""
        return self.repriced_nano_usd - self.booked_nano_usd


@dataclass(slots=True)
class Repricing:
    """Adds up rows as they come."""

    price: Pricing
    calls: int = 0
    _found: dict[tuple[str, str, str], Repriced] = field(default_factory=dict[tuple[str, str, str], Repriced])

    def take(self, rows: Iterable[BookedRow]) -> None:
        """Prices these rows anew."""
        for row in rows:
            self.calls += 1
            now, priced = self._now(row)
            why = _why(row, now, priced)
            key = (row.model, row.model_id, why)
            group = self._found.get(key)
            if group is None:
                group = self._found[key] = Repriced(*key)
            group.calls += 1
            group.booked_nano_usd += row.cost_nano_usd or 0
            group.repriced_nano_usd += now or 0

    def told(self) -> list[Repriced]:
        """What came of it, the largest difference first."""
        return sorted(self._found.values(), key=lambda each: (-abs(each.difference_nano_usd), each.model, each.why))

    def _now(self, row: BookedRow) -> tuple[int | None, Price | None]:
        if row.before is None:
            priced = self.price(row, row.usage)
            return (None if priced is None else priced.nano_usd), priced
        whole, part = self.price(row, _sum(row.before, row.usage)), self.price(row, row.before)
        return (None if whole is None else whole.nano_usd - (0 if part is None else part.nano_usd)), whole


def page(
    start: Position, until_ms: int | None, model: str | None
) -> Transaction[tuple[list[BookedRow], Position | None]]:
    """The next rows in the order they were booked, and where the reading goes on; ``None``: it is at its end."""
    clauses = ["(booked_at > ? OR (booked_at = ? AND id > ?))", "booked_at >= ?"]
    parameters: list[object] = [start.booked_at, start.booked_at, start.id, start.booked_at]
    if until_ms is not None:
        clauses.append("booked_at < ?")
        parameters.append(until_ms)
    if model is not None:
        clauses.append("model = ?")
        parameters.append(model)
    where = " AND ".join(clauses)
    found = yield (f"{_SELECT} WHERE {where} ORDER BY booked_at, id LIMIT {_AT_ONCE}", parameters)
    rows: list[BookedRow] = []
    for each in found:
        row = _row(each)
        if row.id.endswith(_CORRECTS):
            corrected = yield (f"{_SELECT} WHERE id = ?", (row.id.removesuffix(_CORRECTS),))
            row = replace(row, before=_row(corrected[0]).usage) if corrected else row
        rows.append(row)
    return rows, Position(rows[-1].booked_at, rows[-1].id) if len(rows) == _AT_ONCE else None


def _row(told: Row) -> BookedRow:
    plain: Sequence[object] = told[:9]
    return BookedRow(*plain, usage=Usage(*told[9:]))  # pyright: ignore[reportArgumentType] - the columns in their order


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        one.cache_read_tokens + other.cache_read_tokens,
        one.cache_write_5m_tokens + other.cache_write_5m_tokens,
        one.cache_write_1h_tokens + other.cache_write_1h_tokens,
    )


def _why(row: BookedRow, now: int | None, priced: Price | None) -> str:
    if now == row.cost_nano_usd:
        return "unchanged" if now is not None else "no price is known, then or now"
    if priced is None or now is None:
        return f"no price is known now; booked by {_named(row.price_source, row.price_checked_on)}"
    today = _named(priced.source, priced.checked_on.isoformat() if priced.checked_on else None)
    if row.cost_nano_usd is None:
        return f"had no price; now {today}"
    booked = _named(row.price_source, row.price_checked_on)
    return f"{today} instead of {booked}" if today != booked else f"another price under the same source, {today}"


def _named(source: str | None, checked_on: str | None) -> str:
    return " of ".join(word for word in (source, checked_on) if word)
