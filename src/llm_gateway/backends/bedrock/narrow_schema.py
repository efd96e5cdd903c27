"""A JSON schema as Claude's own structured output takes it. Pure.

It wants every object closed (``additionalProperties: false``) and knows no bounds of numbers, texts and lists. Objects
that nobody has opened on purpose are closed; bounds move into the description, for the model to read. The answer is
checked against the caller's schema, bounds and all. Source: Anthropic's documentation of structured outputs.
"""

from collections.abc import Mapping, Sequence
from typing import cast

Json = dict[str, object]

_OF_NAMES = frozenset({"properties", "$defs", "definitions"})
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SINGLE = frozenset({"items", "not", "if", "then", "else", "contains"})
_BOUNDS = frozenset(
    [
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
    ]
)
_DEEPEST = 100


class _OpenObject(Exception):
    """An object that takes any member; or a schema that nobody can follow."""


def narrowed(schema: Mapping[str, object]) -> Mapping[str, object] | None:
    """The schema to send; ``None`` where it cannot be said that way."""
    try:
        return _schema(schema, 0)
    except _OpenObject:
        return None


def _schema(schema: Mapping[str, object], depth: int) -> Json:
    if depth > _DEEPEST or "patternProperties" in schema:
        raise _OpenObject
    found: Json = {}
    bounds: list[str] = []
    for name, part in schema.items():
        if name in _BOUNDS and not (name == "minItems" and part in (0, 1)):
            bounds.append(f"{name}: {part}")
        else:
            found[name] = _part(name, part, depth)
    if bounds:
        said = found.get("description")
        found["description"] = " ".join([*([said] if isinstance(said, str) else []), f"({', '.join(bounds)})"])
    if schema.get("type") == "object":
        if not schema.get("properties") or schema.get("additionalProperties") not in (None, False):
            raise _OpenObject
        found["additionalProperties"] = False
    return found


def _part(name: str, part: object, depth: int) -> object:
    if name in _OF_NAMES and isinstance(part, Mapping):
        return {key: _any(each, depth + 1) for key, each in cast("Mapping[str, object]", part).items()}
    if name in _LISTS and isinstance(part, list | tuple):
        return [_any(each, depth + 1) for each in cast("Sequence[object]", part)]
    return _any(part, depth + 1) if name in _SINGLE else part


def _any(schema: object, depth: int) -> object:
    """A schema may also be ``true`` or ``false``."""
    return _schema(cast("Mapping[str, object]", schema), depth) if isinstance(schema, Mapping) else schema
