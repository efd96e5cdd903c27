"""Makes a JSON value that fits a JSON schema, out of dice. Knows the keywords that tool schemas use. Pure."""

from typing import Any

from llm_gateway.sandbox.wire_json import Json, as_list, as_object, as_text, objects
from llm_gateway.sandbox.words import Dice

_DEEPEST = 12
_WORDS = ("amber", "birch", "coral", "delta", "ember", "fjord", "grove", "harbor")
_FORMATS = {
    "date": "2026-01-15",
    "date-time": "2026-01-15T12:00:00Z",
    "time": "12:00:00",
    "email": "sandbox@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
}


def value_for(schema: Json, dice: Dice) -> Any:
    """Required members only, except where nothing is required: then all of them."""
    return _value(schema, schema, dice, 0)


def _value(schema: Json, root: Json, dice: Dice, depth: int) -> Any:
    schema = _resolved(schema, root)
    if depth > _DEEPEST:
        return None
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][dice.number(len(schema["enum"]))]
    for keyword in ("anyOf", "oneOf"):
        choices = objects(schema.get(keyword))
        if choices:
            return _value(_not_null(choices, root), root, dice, depth + 1)
    return _of_type(_type_of(schema), schema, root, dice, depth)


def _of_type(kind: str, schema: Json, root: Json, dice: Dice, depth: int) -> Any:
    match kind:
        case "object":
            return _object(schema, root, dice, depth)
        case "array":
            item = as_object(schema.get("items"))
            wanted = max(1, int(schema.get("minItems", 1)))
            return [
                _value(item, root, dice, depth + 1) for _ in range(min(wanted, int(schema.get("maxItems", wanted))))
            ]
        case "integer" | "number":
            return _number(kind, schema, dice)
        case "boolean":
            return dice.number(2) == 1
        case "null":
            return None
        case _:
            return _text(schema, dice)


def _object(schema: Json, root: Json, dice: Dice, depth: int) -> Json:
    properties = as_object(schema.get("properties"))
    names = [as_text(name) for name in as_list(schema.get("required"))] or list(properties)
    return {name: _value(as_object(properties.get(name)), root, dice, depth + 1) for name in names}


def _number(kind: str, schema: Json, dice: Dice) -> int | float:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    if "exclusiveMinimum" in schema:
        low += 1 if kind == "integer" else 0.5
    high = schema.get("maximum", schema.get("exclusiveMaximum", low + 9))
    if "exclusiveMaximum" in schema:
        high -= 1 if kind == "integer" else 0.5
    drawn = low + dice.number(max(1, int(high - low) + 1))
    return int(drawn) if kind == "integer" else float(drawn)


def _text(schema: Json, dice: Dice) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    text = dice.one_of(_WORDS)
    text = text.ljust(int(schema.get("minLength", 0)), "a")
    return text[: int(schema.get("maxLength", len(text)))]


def _type_of(schema: Json) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in as_list(schema["type"]) if each != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "string"


def _not_null(choices: list[Json], root: Json) -> Json:
    return next((choice for choice in choices if _resolved(choice, root).get("type") != "null"), choices[0])


def _resolved(schema: Json, root: Json) -> Json:
    """Follows `$ref` within the document and folds `allOf`; a reference that leads nowhere is an empty schema."""
    for _ in range(_DEEPEST):
        reference = as_text(schema.get("$ref"))
        if not reference.startswith("#"):
            break
        schema = root
        for part in reference.strip("#/").split("/") if reference.strip("#/") else ():
            schema = as_object(schema.get(part))
    for part in objects(schema.get("allOf")):
        merged = {**as_object(schema.get("properties")), **as_object(_resolved(part, root).get("properties"))}
        schema = {**schema, **_resolved(part, root), "properties": merged, "allOf": None}
    return schema
