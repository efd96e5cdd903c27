"""AWS's own word on what was used: lines of a Cost and Usage Report 2.0, and CloudWatch's token metrics. Pure.

Forms, as AWS documents them:

- Cost and Usage Report 2.0: ``line_item_usage_type`` such as ``USE1-Claude4.6Sonnet-input-tokens`` or
  ``USW2-NovaLite-cache-read-input-token-count`` (Bedrock user guide, "Understanding your Amazon Bedrock Cost and Usage
  Report data"); models sold by AWS Marketplace have ``USE1-MP:USE1_InputTokenCount-Units`` and their name in the
  product. How many tokens a unit is, ``pricing_unit`` says.
- CloudWatch: what ``aws cloudwatch get-metric-data`` prints, each query labelled ``MODEL_ID METRIC``.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, cast

TOKEN_CLASSES = ("input", "output", "cache_read", "cache_write")
NEEDED = ("line_item_usage_type", "line_item_usage_start_date", "line_item_usage_amount", "pricing_unit")
_USED = frozenset({"Usage", "DiscountedUsage", "SavingsPlanCoveredUsage", ""})
_CLASSES = (
    ("cache_read", re.compile(r"-?(?:mantle-)?cache-?read-?(?:input-?)?token", re.IGNORECASE)),
    ("cache_write", re.compile(r"-?(?:mantle-)?cache-?write-?(?:(?:1h|5m)-?)?(?:input-?)?token", re.IGNORECASE)),
    ("input", re.compile(r"-?(?:mantle-)?input-?token", re.IGNORECASE)),
    ("output", re.compile(r"-?(?:mantle-)?output-?token", re.IGNORECASE)),
)
_UNITS = (
    (re.compile(r"1?\s*m(?:illion)?\s*tokens?|units?", re.IGNORECASE), 1_000_000),
    (re.compile(r"1?\s*k\s*tokens?|thousand\s*tokens?|1,?000\s*tokens?", re.IGNORECASE), 1_000),
    (re.compile(r"tokens?|count", re.IGNORECASE), 1),
)
_WAYS = re.compile(r"(?:-(?:flex|priority|batch|reserved|standard|latency-optimized|cross-region|global|geo))+$")
"""How a call was served, which stands behind some models' names."""
_METRICS = {
    "InputTokenCount": "input",
    "OutputTokenCount": "output",
    "CacheReadInputTokens": "cache_read",
    "CacheReadInputTokenCount": "cache_read",
    "CacheWriteInputTokens": "cache_write",
    "CacheWriteInputTokenCount": "cache_write",
}


class UnreadableReport(Exception):
    """A report that is none; the message names the place and the column."""


@dataclass(frozen=True, slots=True)
class Billed:
    """Tokens of one class that AWS says one model used on one day, UTC. ``cost_usd`` is ``None`` from CloudWatch."""

    day: date
    model: str
    token_class: str
    tokens: Decimal
    cost_usd: Decimal | None = None


def from_cost_report(columns: Sequence[str], lines: Iterable[Mapping[str, str | None]], where: str) -> Iterable[Billed]:
    """The lines that are tokens of Bedrock; all others are passed over. ``where`` names the file.

    Raises:
        UnreadableReport: a column is missing, or a value is none of its kind.
    """
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise UnreadableReport(
            f"{where}: no column {', '.join(missing)}; it must be a Cost and Usage Report 2.0 with these columns chosen"
        )
    for number, line in enumerate(lines, 2):
        if not _is_bedrock(line) or (line.get("line_item_line_item_type") or "") not in _USED:
            continue
        usage_type = line.get("line_item_usage_type") or ""
        found = _class_of(usage_type)
        if found is None:
            continue
        token_class, model = found
        place = f"{where}, line {number}"
        unit = line.get("pricing_unit") or ""
        factor = next((factor for form, factor in _UNITS if form.fullmatch(unit.strip())), None)
        if factor is None:
            raise UnreadableReport(
                f"{place}: pricing_unit {unit!r:.60} is not known; it should be 1K tokens or 1M tokens"
            )
        yield Billed(
            _day(line.get("line_item_usage_start_date"), place),
            model or _product_name(line) or usage_type,
            token_class,
            _number(line.get("line_item_usage_amount"), f"{place}: line_item_usage_amount") * factor,
            _number(line.get("line_item_unblended_cost") or "0", f"{place}: line_item_unblended_cost"),
        )


def from_cloudwatch(text: str | bytes, where: str) -> Iterable[Billed]:
    """What get-metric-data gave.

    Raises:
        UnreadableReport: it is not that, or a label names no model and metric.
    """
    try:
        told: Any = json.loads(text)
        results = cast("list[dict[str, Any]]", told["MetricDataResults"])
    except (ValueError, TypeError, KeyError):
        raise UnreadableReport(
            f"{where}: not the JSON of `aws cloudwatch get-metric-data` (there is no MetricDataResults)"
        ) from None
    for result in results:
        words = str(result.get("Label", "")).split()
        metric = next((word for word in words if word in _METRICS), None)
        models = [word for word in words if word != metric]
        if metric is None or len(models) != 1:
            raise UnreadableReport(
                f"{where}: the label {result.get('Label')!r:.80} must be a model id and one of {', '.join(_METRICS)}"
            )
        for instant, value in zip(result.get("Timestamps", ()), result.get("Values", ()), strict=False):
            yield Billed(
                _day(str(instant), where), models[0], _METRICS[metric], _number(str(value), f"{where}: Values")
            )


def signature(name: str) -> tuple[str, tuple[str, ...]]:
    """What two spellings of a model's name have in common: its letters and its numbers, whatever their order."""
    bare = re.sub(r"\(.*?\)", "", name)
    numbers = [number.lstrip("0") for number in re.findall(r"\d+", bare)]
    return "".join(sorted(re.sub(r"[^a-z]", "", bare.lower()))), tuple(sorted(number for number in numbers if number))


def _is_bedrock(line: Mapping[str, str | None]) -> bool:
    code, product = line.get("line_item_product_code") or "", _product_name(line)
    return code.startswith("AmazonBedrock") or "Bedrock" in product or (not code and not product)


def _product_name(line: Mapping[str, str | None]) -> str:
    """In CUR 2.0 ``product`` is a map, printed as JSON; exports that were flattened have a column of its own."""
    flat = line.get("product_product_name") or line.get("product_name")
    if flat:
        return flat
    try:
        told: Any = json.loads(line.get("product") or "{}")
    except ValueError:
        return ""
    return str(cast("dict[str, Any]", told).get("product_name", "")) if isinstance(told, dict) else ""


def _class_of(usage_type: str) -> tuple[str, str] | None:
    """Class and model of a usage type; the model is empty where the product has its name."""
    for token_class, form in _CLASSES:
        found = form.search(usage_type)
        if found is not None:
            before = usage_type[: found.start()]
            return token_class, "" if ":" in before else _WAYS.sub("", before.partition("-")[2])
    return None


def _day(value: str | None, place: str) -> date:
    try:
        instant = datetime.fromisoformat((value or "").strip().replace(" UTC", "+00:00"))
    except ValueError:
        raise UnreadableReport(f"{place}: {value!r:.40} is no date and time") from None
    return instant.astimezone(UTC).date() if instant.tzinfo is not None else instant.date()


def _number(value: str | None, place: str) -> Decimal:
    try:
        number = Decimal((value or "").strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise UnreadableReport(f"{place}: {value!r:.40} is no number")
    return number
