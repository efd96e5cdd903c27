"""Looking into decoded JSON without trusting it: each question answers with the right type or nothing. Pure."""

from collections.abc import Mapping, Sequence
from typing import cast

import orjson

_NOTHING: Mapping[str, object] = {}


def as_object(value: object) -> Mapping[str, object]:
    """The JSON object, or an empty one for anything else."""
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else _NOTHING


def as_list(value: object) -> Sequence[object]:
    """The JSON array, or an empty one for anything else."""
    return cast("Sequence[object]", value) if isinstance(value, list) else ()


def as_text(value: object) -> str | None:
    """The string, or ``None`` for anything else."""
    return value if isinstance(value, str) else None


def as_count(value: object) -> int | None:
    """The number when it is a whole one from 0 up, else ``None``; ``True`` is no number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def read_object(text: bytes) -> Mapping[str, object]:
    """The JSON object these bytes are, or an empty one for anything else."""
    try:
        return as_object(orjson.loads(text))
    except orjson.JSONDecodeError:
        return _NOTHING
