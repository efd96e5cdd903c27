"""The ledger held against AWS's word, by day, model and class of tokens; each difference has a likely cause. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from llm_gateway.accounting.aws_report import TOKEN_CLASSES, Billed
from llm_gateway.domain.usage import UsageRow

_FRESH = timedelta(days=2)  # AWS completes a day's lines within 24 hours, and refines them after
_CUT = frozenset({"client_disconnect", "crashed"})
Named = Callable[[str], str]
"""The catalog's short name for AWS's word; the word itself where it has none."""


@dataclass(slots=True)
class Side:
    """What one side says of a day and a model."""

    tokens: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    cost_usd: Decimal | None = None
    estimated_calls: int = 0
    cut_calls: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """One comparison; ``token_class`` is a class, or ``cost`` (then both sides are US dollars)."""

    day: date
    model: str
    token_class: str
    ledger: Decimal
    aws: Decimal
    cause: str

    @property
    def more(self) -> Decimal:
        """How much more AWS says."""
        return self.aws - self.ledger


def compare(
    ledger: Iterable[UsageRow], billed: Iterable[Billed], *, named: Named, today: date, since: date, until: date
) -> list[Difference]:
    """Every comparison in the order of days and models; ``cause`` is empty where both say the same. ``ledger`` is
    grouped by day, model and outcome."""
    ours, theirs = _ledger_side(ledger), _aws_side(billed, named, since, until)
    found: list[Difference] = []
    for day, model in sorted(set(ours) | set(theirs)):
        mine, other = ours.get((day, model), Side()), theirs.get((day, model), Side())
        for name in TOKEN_CLASSES:
            if mine.tokens[name] or other.tokens[name]:
                cause = _cause(name, mine, other, day, today)
                found.append(Difference(day, model, name, mine.tokens[name], other.tokens[name], cause))
        if other.cost_usd is not None:
            ours_usd = mine.cost_usd or Decimal()
            found.append(Difference(day, model, "cost", ours_usd, other.cost_usd, _cost_cause(mine, other)))
    return found


def _ledger_side(rows: Iterable[UsageRow]) -> dict[tuple[date, str], Side]:
    sides: dict[tuple[date, str], Side] = defaultdict(Side)
    for row in rows:
        day, model, outcome = row.group
        side = sides[date.fromisoformat(day), model]
        side.tokens["input"] += row.input_tokens
        side.tokens["output"] += row.output_tokens
        side.tokens["cache_read"] += row.cache_read_tokens
        side.tokens["cache_write"] += row.cache_write_5m_tokens + row.cache_write_1h_tokens
        side.cost_usd = (side.cost_usd or Decimal()) + Decimal(row.cost_nano_usd).scaleb(-9)
        side.estimated_calls += row.estimated_calls
        side.cut_calls += row.calls if outcome in _CUT or outcome.startswith("upstream") else 0
    return sides


def _aws_side(billed: Iterable[Billed], named: Named, since: date, until: date) -> dict[tuple[date, str], Side]:
    sides: dict[tuple[date, str], Side] = defaultdict(Side)
    for line in billed:
        if not since <= line.day <= until:
            continue
        side = sides[line.day, named(line.model)]
        side.tokens[line.token_class] += line.tokens
        if line.cost_usd is not None:
            side.cost_usd = (side.cost_usd or Decimal()) + line.cost_usd
    return sides


def _cause(name: str, mine: Side, other: Side, day: date, today: date) -> str:
    ours, theirs = mine.tokens[name], other.tokens[name]
    if ours == theirs:
        return ""
    elsewhere = _booked_elsewhere(name, mine.tokens, other.tokens)
    if elsewhere:
        return f"counted as {elsewhere} on the other side"
    if theirs < ours and day > today - _FRESH:
        return "the report of this day is not complete yet"
    if not any(mine.tokens.values()):
        return "calls that did not pass through this gateway, or were booked in another ledger"
    if not any(other.tokens.values()):
        return "another account or region than the report's, or an endpoint that is not AWS's"
    if theirs > ours and mine.cut_calls:
        told = f"answers were cut off ({mine.cut_calls}), and AWS bills what the model still said"
        return f"{told}; ON_DISCONNECT=drain reads that"
    if mine.estimated_calls:
        return f"estimates ({mine.estimated_calls}): the model did not say what it used"
    if theirs > ours:
        return "calls that did not pass through this gateway"
    return "calls of another account, or lines that the report leaves out"


def _booked_elsewhere(name: str, mine: Mapping[str, Decimal], other: Mapping[str, Decimal]) -> str:
    """The class that differs by just as much the other way."""
    more = other[name] - mine[name]
    return next((each for each in TOKEN_CLASSES if each != name and mine[each] - other[each] == more), "")


def _cost_cause(mine: Side, other: Side) -> str:
    ours, theirs = mine.cost_usd or Decimal(), other.cost_usd or Decimal()
    if abs(ours - theirs) <= max(Decimal("0.000001"), abs(theirs) * Decimal("0.0001")):
        return ""
    if any(mine.tokens[name] != other.tokens[name] for name in TOKEN_CLASSES):
        return "other tokens, see the lines above"
    if theirs and Decimal("1.08") < ours / theirs < Decimal("1.12"):
        return "booked with the premium of a geographic profile that AWS did not charge"
    if ours and Decimal("1.08") < theirs / ours < Decimal("1.12"):
        return "charged with the premium of a geographic profile that was not booked"
    if theirs < ours:
        return "a discount, a credit, or a price that has fallen; see usage reprice"
    return "a price that has risen, or a service tier that was not booked; see usage reprice"
