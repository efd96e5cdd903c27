"""Whether an answer's text is the JSON that was asked for. Pure; loads jsonschema on first use (0.2 s: see ``load``).

References to other documents are never fetched. Patterns are not tried: a caller's expression may take for ever on a
short text, and would hold up everybody.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, cast

import orjson

from llm_gateway.domain.requests import ResponseFormat

_LOADED_LATE = ("jsonschema.validators", "jsonschema.exceptions", "referencing")
_LONGEST_REASON = 200
_DEEPEST = 100


def load() -> None:
    """Loads what the check needs; meant for a thread."""
    for module in _LOADED_LATE:
        import_module(module)


def format_fault(text: str, wanted: ResponseFormat) -> tuple[str | None, tuple[str, ...]]:
    """What is wrong with the text, ``None`` for nothing; and warnings, where it could not be told."""
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError as fault:
        return f"it is no JSON ({fault})"[:_LONGEST_REASON], ()
    if wanted.kind == "json_object":
        return (None if isinstance(value, dict) else "it is JSON, but no object"), ()
    if wanted.schema is None:
        return None, ()
    try:
        return _schema_fault(value, wanted.schema), ()
    except Exception as fault:  # noqa: BLE001 - jsonschema raises many kinds for a schema it cannot follow
        return None, (f"the answer could not be checked against the schema: {type(fault).__name__}",)


def _schema_fault(value: object, schema: Mapping[str, object]) -> str | None:
    validators, exceptions = import_module("jsonschema.validators"), import_module("jsonschema.exceptions")
    registry = import_module("referencing").Registry()  # empty, and fetches nothing
    plain = _without_patterns(schema, 0)
    validator = validators.validator_for(plain, default=validators.Draft202012Validator)
    validator.check_schema(plain)
    found: Any = exceptions.best_match(validator(plain, registry=registry).iter_errors(value))
    if found is None:
        return None
    path: list[object] = list(found.absolute_path)
    where = "".join([f"[{part}]" if isinstance(part, int) else f".{part}" for part in path])
    return f"{where.lstrip('.') or 'the whole'}: {found.message}"[:_LONGEST_REASON]


def _without_patterns(schema: object, depth: int) -> object:
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(schema, Mapping):
        members = dict(cast("Mapping[str, object]", schema))
        if isinstance(members.get("pattern"), str):
            del members["pattern"]
        if isinstance(members.get("patternProperties"), Mapping):
            del members["patternProperties"]
            members.pop("additionalProperties", None)
        return {name: _without_patterns(part, depth + 1) for name, part in members.items()}
    if isinstance(schema, list | tuple):
        return [_without_patterns(part, depth + 1) for part in cast("Sequence[object]", schema)]
    return schema
