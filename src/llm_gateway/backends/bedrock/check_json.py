"""Somebody else's JSON, checked before it is sent: a tool's input, a schema, extra fields. Pure."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import cast

from llm_gateway.domain.errors import InvalidRequest

_DEEPEST = 100


def check_json(value: object, field: str) -> None:
    """Somebody else's JSON: no NaN, no infinity, only JSON types, string keys, valid Unicode, not too deep."""
    try:
        json.dumps(value, allow_nan=False, default=_plain)
        return
    except (ValueError, TypeError, RecursionError) as fault:
        found = _first_flaw(value, field, 0)
        raise found or InvalidRequest(f"{field} cannot be written as JSON", field=field) from fault


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    raise TypeError


def _first_flaw(value: object, field: str, depth: int) -> InvalidRequest | None:
    if depth > _DEEPEST:
        return InvalidRequest(f"{field} is nested more than {_DEEPEST} deep", field=field.split(".")[0].split("[")[0])
    if isinstance(value, float) and not math.isfinite(value):
        return InvalidRequest(f"{field} is {value}; JSON has no such number", field=field)
    if isinstance(value, Mapping):
        return _first_of_members(cast("Mapping[object, object]", value), field, depth)
    if isinstance(value, list | tuple):
        parts = cast("Sequence[object]", value)
        found = (_first_flaw(part, f"{field}[{at}]", depth + 1) for at, part in enumerate(parts))
        return next((flaw for flaw in found if flaw), None)
    if value is None or isinstance(value, str | int | float):
        return None
    return InvalidRequest(f"{field} is a {type(value).__name__}; only JSON values are allowed", field=field)


def _first_of_members(value: Mapping[object, object], field: str, depth: int) -> InvalidRequest | None:
    for name, part in value.items():
        if not isinstance(name, str):
            return InvalidRequest(f"{field} has the key {name!r}; JSON keys are strings", field=field)
        flaw = _first_flaw(part, f"{field}.{name}", depth + 1)
        if flaw:
            return flaw
    return None
