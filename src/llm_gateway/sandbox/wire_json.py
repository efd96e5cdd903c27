"""JSON as it comes from strangers: reading it, and looking into it without trusting its shape."""

from typing import Any, cast

import orjson

Json = dict[str, Any]


def dump(value: object) -> bytes:
    return orjson.dumps(value)


def canonical(value: object) -> bytes:
    """The same bytes for the same value, whatever the order of its keys."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def as_object(value: object) -> Json:
    """The value if it is an object, else an empty one."""
    return cast("Json", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def as_text(value: object) -> str:
    return value if isinstance(value, str) else ""


def objects(value: object) -> list[Json]:
    """The members of a list that are objects."""
    return [cast("Json", item) for item in as_list(value) if isinstance(item, dict)]
