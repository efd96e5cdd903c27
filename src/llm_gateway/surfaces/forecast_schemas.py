"""What count_tokens, estimate_cost and compare say of themselves, and their JSON schemas."""

from typing import Any, cast

from llm_gateway.surfaces.tool_schemas import GENERATE_INPUT, GENERATE_OUTPUT, Schema

COUNT_TOKENS = (
    "Count the input tokens of a request before sending it: the model's own count where Bedrock has one, else an "
    "estimate by size (estimated: true). Free. Takes what generate takes, or a prompt alone."
)
ESTIMATE_COST = (
    "Tell what generate would cost for these arguments, in US dollars, before anything is spent: low_usd without an "
    "answer, high_usd with one of max_tokens. Free. Null where no price is known."
)
COMPARE = (
    "Ask several models the same at once, and see their answers side by side with cost and latency. Takes models (1 "
    "to 10 names), a prompt or messages, and whatever else generate takes. A model that fails is a row with its error. "
    "Every row is paid for as a call of generate."
)

_PROPERTIES = cast("dict[str, Any]", GENERATE_INPUT["properties"])
_PROMPT: Schema = {"type": "string", "minLength": 1, "description": "One user message, in place of messages."}
_USD: Schema = {"type": ["number", "null"]}


def _wordless(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name not in ("description", "examples")}


def _input(*, without: tuple[str, ...] = (), **first: object) -> Schema:
    """As the input of generate, which explains it: said again without its words, for every agent reads the list."""
    kept = {name: _wordless(part) for name, part in _PROPERTIES.items() if name not in without}
    return {
        "type": "object",
        "properties": {**first, **kept, "prompt": _PROMPT},
        "required": ["models"] if "models" in first else ["model"],
        "additionalProperties": False,
    }


COUNT_INPUT: Schema = _input()
COST_INPUT: Schema = COUNT_INPUT
COMPARE_INPUT: Schema = _input(
    without=("model",),
    models={
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "maxItems": 10,
        "description": "Names of models, as for generate.",
    },
)

_COUNT: dict[str, object] = {
    "model": {"type": "string"},
    "model_id": {"type": "string"},
    "input_tokens": {"type": "integer"},
    "estimated": {"type": "boolean", "description": "True when characters were counted, for Bedrock could not say."},
}
COUNT_OUTPUT: Schema = {"type": "object", "properties": _COUNT, "required": list(_COUNT)}
_COST: dict[str, object] = {
    **_COUNT,
    "max_tokens": {"type": "integer", "description": "The longest answer that high_usd is for."},
    "low_usd": _USD,
    "high_usd": _USD,
}
COST_OUTPUT: Schema = {"type": "object", "properties": _COST, "required": list(_COST)}
_ROW: Schema = {
    "type": "object",
    "properties": {
        **cast("dict[str, object]", GENERATE_OUTPUT["properties"]),
        "asked": {"type": "string", "description": "The name as it was given."},
        "error": {"type": "object", "description": "In place of an answer: code, message, retryable."},
    },
    "required": ["asked"],
}
COMPARE_OUTPUT: Schema = {
    "type": "object",
    "properties": {
        "rows": {"type": "array", "items": _ROW},
        "cheapest": {"type": ["string", "null"]},
        "fastest": {"type": ["string", "null"], "description": "Among those that were not answered from the cache."},
        "total_cost_usd": _USD,
    },
    "required": ["rows", "cheapest", "fastest", "total_cost_usd"],
}
