"""Money and limits as people and programs write them, and as they are told again. Pure."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import cast

from llm_gateway.administration import BudgetWish, KeyView
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.money import BudgetState, BudgetWindow, Limits

Json = dict[str, object]

_NANO = Decimal(10**9)
_MOST_USD = Decimal(10**9)
_SPAN = re.compile(r"([1-9]\d{0,8})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_WINDOWS = ("day", "month", "lifetime")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}")


def nano_usd(value: object, field: str) -> int:
    """US dollars (a number or its text) as whole nano-dollars.

    Raises:
        InvalidRequest: it is no amount from 0 to a thousand million, or finer than a nano-dollar.
    """
    wrong = InvalidRequest(f"{field} must be US dollars from 0 up, such as 25 or 0.002; got {value!r:.60}", field=field)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise wrong
    try:
        amount = Decimal(str(value).strip()) * _NANO
    except InvalidOperation:
        raise wrong from None
    if not amount.is_finite() or not 0 <= amount <= _MOST_USD * _NANO or amount != amount.to_integral_value():
        raise wrong
    return int(amount)


def usd(nano: int | None) -> str | None:
    """Nano-dollars as an exact decimal of US dollars."""
    return None if nano is None else f"{(Decimal(nano) / _NANO).normalize():f}"


def window_of(value: object, field: str) -> tuple[BudgetWindow, int | None]:
    """``day``, ``month``, ``lifetime``, or a length such as ``12h`` or ``30d`` for a rolling window (in seconds).

    Raises:
        InvalidRequest: it is none of them.
    """
    if value in _WINDOWS:
        return cast("BudgetWindow", value), None
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidRequest(
            f"{field} must be day, month, lifetime, or a length such as 12h or 30d; got {value!r:.60}", field=field
        )
    return "rolling", int(found[1]) * _SECONDS[found[2]]


def budget_wish(amount: object, window: object, alerts: object, prefix: str = "") -> BudgetWish:
    """A budget from its parts; ``alerts`` is a list of percents, ``None`` for 80 and 100.

    Raises:
        InvalidRequest: names the part.
    """
    kind, seconds = window_of("lifetime" if window is None else window, f"{prefix}window")
    return BudgetWish(
        limit_nano_usd=nano_usd(amount, f"{prefix}budget"),
        window=kind,
        window_s=seconds,
        alerts=(80, 100) if alerts is None else _percents(alerts, f"{prefix}alerts"),
    )


def a_key_name(value: object, field: str) -> str:
    """The name of a key or a team.

    Raises:
        InvalidRequest: it is none.
    """
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise InvalidRequest(
            f"{field} must be 1 to 64 of the characters A-Z a-z 0-9 . _ : @ -, beginning with a letter or digit",
            field=field,
        )
    return value


def when(value: object, field: str) -> int:
    """An instant of ISO 8601 as milliseconds since the epoch; UTC where it names no zone.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        told = f"{field} must be a date or time such as 2027-01-31; got {value!r:.60}"
        raise InvalidRequest(told, field=field) from None
    instant = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
    return int(instant.timestamp() * 1000)


def shown_instant(ms: int | None) -> str | None:
    """Milliseconds since the epoch as ISO 8601 in UTC."""
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


def encode_budget(state: BudgetState) -> Json:
    """A budget as it stands; amounts are exact decimals as text."""
    budget = state.budget
    scope_id = budget.scope_id.partition("/")[2] if budget.scope == "run" else budget.scope_id
    return {
        "id": budget.id,
        "scope": budget.scope,
        "scope_id": scope_id,
        "window": budget.window if budget.window_s is None else f"{budget.window_s}s",
        "budget_usd": usd(budget.limit_nano_usd - budget.given_nano_usd),
        "spent_usd": usd(state.spent_nano_usd),
        "reserved_usd": usd(state.held_nano_usd),
        "left_usd": usd(state.room_nano_usd),
        "resets_at": state.resets_at,
    }


def encode_limits(limits: Limits) -> Json:
    """The limits that are set."""
    return {name: value for name, value in asdict(limits).items() if value is not None and value is not False}


def encode_key(view: KeyView) -> Json:
    """A key without its secret."""
    record = view.record
    return {
        "id": record.id,
        "name": record.name,
        "hint": f"sk-…{record.hint}",
        "team": record.team,
        "models": list(record.models),
        "places": list(record.places),
        "tags": dict(record.tags),
        "limits": encode_limits(record.limits),
        "run_budget_usd": usd(record.run_budget_nano_usd),
        "created_at": shown_instant(record.created_at),
        "expires_at": shown_instant(record.expires_at),
        "revoked_at": shown_instant(record.revoked_at),
        "spent_usd": usd(view.spent_nano_usd),
        "budgets": [encode_budget(state) for state in view.budgets],
    }


def decode_limits(value: object, field: str) -> Limits:
    """``{rpm, tpm, input_tpm, output_tpm, concurrent, strict}``, each a whole number from 1 up.

    Raises:
        InvalidRequest: names the member.
    """
    if not isinstance(value, Mapping):
        raise InvalidRequest(f"{field} must be an object such as {{rpm: 60}}", field=field)
    told = cast("Mapping[str, object]", value)
    known = ("rpm", "tpm", "input_tpm", "output_tpm", "concurrent")
    numbers: dict[str, int] = {}
    for name, number in told.items():
        if name == "strict":
            if not isinstance(number, bool):
                raise InvalidRequest(f"{field}.strict must be true or false", field=f"{field}.strict")
        elif name not in known:
            there = ", ".join((*known, "strict"))
            raise InvalidRequest(f"{field} knows no {name!r:.60}; there are {there}", field=f"{field}.{name}"[:80])
        elif number is not None:
            if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number < 2**53:
                raise InvalidRequest(f"{field}.{name} must be a whole number from 1 up", field=f"{field}.{name}")
            numbers[name] = number
    return Limits(**numbers, strict=told.get("strict") is True)


def _percents(value: object, field: str) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidRequest(f"{field} must be a list of percents such as [50, 80, 100]", field=field)
    marks = list(cast("list[object]", value))
    for mark in marks:
        if isinstance(mark, bool) or not isinstance(mark, int) or not 1 <= mark <= 1000:
            raise InvalidRequest(f"{field} holds {mark!r:.40}; give whole percents from 1 up", field=field)
    return tuple(sorted(set(cast("list[int]", marks))))
