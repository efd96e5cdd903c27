"""Questions for what was spent, as people and programs ask them, and the answers as they are told. Pure."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import cast

from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.usage import USAGE_GROUPS, UsageQuestion, UsageRow
from llm_gateway.surfaces.money_words import Json, usd


def by_words(value: object, field: str) -> tuple[str, ...]:
    """``model,day`` or a list of such words.

    Raises:
        InvalidRequest: a word that is none, or one twice.
    """
    listed = cast("list[object]", value) if isinstance(value, list) else []
    words = [word.strip() for word in value.split(",")] if isinstance(value, str) else [str(word) for word in listed]
    known = ", ".join(USAGE_GROUPS)
    if not words or len(set(words)) != len(words):
        raise InvalidRequest(f"{field} must name one or more of {known}, each once", field=field)
    for word in words:
        if word not in USAGE_GROUPS:
            raise InvalidRequest(f"{field} knows no {word!r:.40}; there are {known}", field=field)
    return tuple(words)


def a_day(value: object, field: str) -> date | None:
    """A day such as 2026-11-30; ``None`` for none.

    Raises:
        InvalidRequest: it is none.
    """
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        told = f"{field} must be a day such as 2026-11-30; got {value!r:.40}"
        raise InvalidRequest(told, field=field) from None


def encode_usage(question: UsageQuestion, rows: Sequence[UsageRow]) -> Json:
    """The rows with their groups named, and the sum of all; money as exact decimals in text."""
    encoded: list[Json] = []
    for row in rows:
        told = asdict(row)
        told.pop("group")
        cost = told.pop("cost_nano_usd")
        encoded.append({**dict(zip(question.by, row.group, strict=True)), **told, "cost_usd": usd(cost)})
    return {
        "by": list(question.by),
        "rows": encoded,
        "calls": sum([row.calls for row in rows]),
        "total_cost_usd": usd(sum([row.cost_nano_usd for row in rows])),
    }
