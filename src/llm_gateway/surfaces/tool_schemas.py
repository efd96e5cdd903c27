"""What the tools say of themselves: descriptions and JSON schemas, written for the models that read them."""

from collections.abc import Mapping
from typing import cast

from llm_gateway.surfaces.call_schemas import MORE_INPUT, MORE_OUTPUT

Schema = dict[str, object]

INSTRUCTIONS = (
    "Ask any Amazon Bedrock model. Call list_models to choose one by price, context window and capabilities, "
    "generate to ask it, compare to ask several at once, count_tokens and estimate_cost to know before, get_stats to "
    "see what was spent. Every answer says what it cost and whether it was cached."
)

GENERATE = (
    "Ask a language model on Amazon Bedrock and get its answer, with tokens and cost. "
    "Give a short model name from list_models ('nova-lite', 'claude-haiku-4-5') or any Bedrock model id, "
    "inference-profile id or ARN, and the conversation as messages. An equal request is answered from the cache at no "
    "cost; use cache='bypass' to get a fresh answer. What the model cannot take is adjusted and said in `warnings`. "
    "An error result holds error.code, error.message (how to mend the call), error.field and error.retryable."
)
LIST_MODELS = (
    "List the models that generate can ask: name, price in US dollars per 1,000 tokens, context window, longest "
    "answer, capabilities, lifecycle. Filter by provider ('amazon', 'anthropic', 'meta', 'mistral' ...), "
    "capability ('tools', 'vision', 'documents', 'reasoning', 'prompt_cache' ...) or lifecycle."
)
GET_STATS = (
    "Show what this gateway process has done since it started: requests, errors by code, tokens, cost in US dollars "
    "(in all and by model), cache hits, latency percentiles in milliseconds, and how full the cache is."
)


def _object(properties: Mapping[str, object], *required: str) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _open_object(properties: Mapping[str, object], *required: str) -> Schema:
    return {"type": "object", "properties": dict(properties), "required": list(required)}


def or_an_error(result: Schema) -> Schema:
    """The schema of a result in whose place an error may stand.

    Some clients (the TypeScript SDK 1) hold results with ``isError`` to the output schema too, and would show their
    own complaint instead of ours.
    """
    closed = {name: part for name, part in result.items() if name != "required"}
    properties = cast("Mapping[str, object]", result["properties"])
    return {
        **closed,
        "properties": {**properties, "error": _ERROR},
        "anyOf": [{"required": result["required"]}, {"required": ["error"]}],
    }


def _maybe(kind: str) -> Schema:
    return {"type": [kind, "null"]}


_ERROR = {
    **_open_object(
        {
            "code": {"type": "string"},
            "message": {"type": "string"},
            "field": {"type": "string"},
            "retryable": {"type": "boolean"},
            "retry_after_ms": _maybe("integer"),
            "request_id": {"type": "string"},
        },
        *("code", "message", "retryable", "request_id"),
    ),
    "description": "Instead of all else, when the call failed.",
}

_MESSAGE = _object(
    {
        "role": {"type": "string", "enum": ["system", "user", "assistant"]},
        "content": {
            "description": "Text, or a list of content blocks: {type: 'text', text}, {type: 'image', data, mimeType}, "
            "{type: 'resource_link', uri} for what is at an https address (where the server fetches), "
            "or a Converse block such as {image: ...}, {document: ...}, {toolUse: ...}, {toolResult: ...}.",
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "object"}, "minItems": 1},
            ],
        },
    },
    "role",
    "content",
)

GENERATE_INPUT = _object(
    {
        "model": {
            "type": "string",
            "description": "Short name, alias, Bedrock model id, inference-profile id or ARN.",
            "examples": ["nova-lite", "us.anthropic.claude-haiku-4-5-20251001-v1:0"],
        },
        "messages": {
            "type": "array",
            "minItems": 1,
            "description": "The conversation, oldest first; at least one user message.",
            "items": _MESSAGE,
        },
        "temperature": {
            "type": "number",
            "minimum": 0,
            "maximum": 2,
            "default": 0.7,
            "description": "0 is steady, higher varies more. Bedrock's own top is 1: more is lowered to it.",
        },
        "max_tokens": {
            "type": "integer",
            "minimum": 1,
            "default": 2000,
            "description": "Longest answer, in tokens; lowered to what the model can give.",
        },
        "top_p": {"type": "number", "minimum": 0, "maximum": 1, "description": "Nucleus sampling."},
        "stop_sequences": {
            "type": "array",
            "items": {"type": "string", "minLength": 1},
            "description": "The answer ends before the first of these.",
        },
        "system": {"type": "string", "description": "System prompt; stands before system messages."},
        "cache": {
            "type": "string",
            "enum": ["use", "refresh", "bypass"],
            "default": "use",
            "description": "use: an equal request's answer if there is one; refresh: ask anew and keep that; "
            "bypass: ask anew and keep nothing.",
        },
        **MORE_INPUT,
    },
    "model",
    "messages",
)

_USAGE = _open_object(
    {
        "input_tokens": {"type": "integer", "description": "Without tokens read from or written to the prompt cache."},
        "output_tokens": {"type": "integer"},
        "total_tokens": {"type": "integer"},
        "cache_read_tokens": {"type": "integer"},
        "cache_write_tokens": {"type": "integer"},
        "estimated": {"type": "boolean", "description": "True when the model did not say and characters were counted."},
    },
    *("input_tokens", "output_tokens", "total_tokens"),
)

GENERATE_OUTPUT = _open_object(
    {
        "content": {"type": "string", "description": "The answer's text."},
        "model": {"type": "string", "description": "Short name of the model that answered."},
        "model_id": {"type": "string", "description": "The id that was invoked; the price belongs to it."},
        "usage": _USAGE,
        "finish_reason": {"type": "string", "enum": ["stop", "length", "tool_use", "content_filter"]},
        "cached": {"type": "boolean", "description": "True when no model was paid for this answer."},
        "cache_tier": {
            "type": "string",
            "description": "Where it was kept: memory, sqlite, redis, flight, repeat.",
        },
        "cache_age_s": {"type": "integer", "description": "For how many seconds it was kept."},
        "latency_ms": {"type": "number"},
        "estimated_cost_usd": {
            **_maybe("number"),
            "description": "US dollars for this call: 0 when cached, null when no price is known.",
        },
        "request_id": {"type": "string"},
        "warnings": {"type": "array", "items": {"type": "string"}, "description": "What was adjusted, and why."},
        "route": {
            "type": "object",
            "description": "How the answer came to be: candidates, why the first of them, attempts with errors and ms.",
        },
        **MORE_OUTPUT,
    },
    *("content", "model", "model_id", "usage", "finish_reason", "cached", "latency_ms"),
    *("estimated_cost_usd", "request_id", "warnings"),
)

LIST_MODELS_INPUT = _object(
    {
        "provider": {"type": "string", "description": "Only this provider's models, such as 'anthropic'."},
        "capability": {"type": "string", "description": "Only models that can do this, such as 'tools' or 'vision'."},
        "lifecycle": {
            "type": "string",
            "enum": ["active", "legacy", "retired"],
            "description": "Only models in this state; retired ones are refused by generate.",
        },
    }
)

_CARD = _open_object(
    {
        "name": {"type": "string"},
        "model_id": {"type": "string"},
        "description": {"type": "string"},
        "provider": {"type": "string"},
        "context_window": {"type": "integer", "description": "Tokens."},
        "max_tokens": {"type": "integer", "description": "Longest answer, in tokens."},
        "input_cost_per_1k": {**_maybe("number"), "description": "US dollars per 1,000 tokens; null when not known."},
        "output_cost_per_1k": _maybe("number"),
        "cache_read_cost_per_1k": _maybe("number"),
        "cache_write_cost_per_1k": _maybe("number"),
        "supports_system": {"type": "boolean"},
        "input_modalities": {"type": "array", "items": {"type": "string"}},
        "output_modalities": {"type": "array", "items": {"type": "string"}},
        "capabilities": {"type": "array", "items": {"type": "string"}},
        "profiles": {
            "type": "object",
            "description": "Inference-profile prefix to its prices: a short name is asked through your region's.",
            "additionalProperties": _open_object(
                {"input_cost_per_1k": _maybe("number"), "output_cost_per_1k": _maybe("number")}
            ),
        },
        "lifecycle": _open_object(
            {
                "status": {"type": "string", "enum": ["active", "legacy", "retired"]},
                "ends_on": _maybe("string"),
                "successor": _maybe("string"),
                "note": _maybe("string"),
            },
            "status",
        ),
        "price_source": _maybe("string"),
        "price_checked_on": _maybe("string"),
    },
    *("name", "model_id", "description", "provider", "context_window", "max_tokens"),
    *("input_cost_per_1k", "output_cost_per_1k", "supports_system", "capabilities", "lifecycle"),
)

# A tool's structured result must be an object: the list stands under "result", where MCP clients expect a wrapped list.
LIST_MODELS_OUTPUT = {
    **_open_object({"result": {"type": "array", "items": _CARD}}, "result"),
    "x-fastmcp-wrap-result": True,
}

GET_STATS_INPUT = _object({})

_COUNTS = {"type": "object", "additionalProperties": {"type": "integer"}}
_METRICS = _open_object(
    {
        "enabled": {"type": "boolean"},
        "since": {"type": "string", "description": "ISO 8601, UTC."},
        **{
            name: {"type": "integer"}
            for name in (
                *("total_requests", "successful_requests", "errors", "total_tokens"),
                *("unpriced_calls", "cache_hits", "cache_misses"),
            )
        },
        **{
            name: {"type": "number"}
            for name in ("error_rate_percent", "total_cost_usd", "cache_hit_rate_percent", "average_latency_ms")
        },
        "latency_ms": _open_object({name: {"type": "number"} for name in ("p50", "p95", "p99")}, "p50", "p95", "p99"),
        "requests_by_model": _COUNTS,
        "tokens_by_model": _COUNTS,
        "cost_by_model": {"type": "object", "additionalProperties": {"type": "number"}},
        "errors_by_code": _COUNTS,
    },
    *("total_requests", "successful_requests", "errors", "error_rate_percent", "total_tokens", "total_cost_usd"),
    *("cache_hits", "cache_misses", "cache_hit_rate_percent", "average_latency_ms", "latency_ms"),
    *("requests_by_model", "tokens_by_model", "cost_by_model", "errors_by_code", "since"),
)
GET_STATS_OUTPUT = _open_object(
    {
        "metrics": _METRICS,
        "cache": _open_object(
            {
                "current_size": {"type": "integer"},
                "max_size": {"type": "integer"},
                "ttl": {"type": "number", "description": "Seconds."},
                "enabled": {"type": "boolean"},
            },
            *("current_size", "max_size", "ttl", "enabled"),
        ),
        "workers": {"type": "integer", "description": "Processes whose metrics these are."},
        "all_time": {
            "type": ["object", "null"],
            "description": "What the ledger holds, all servers that share it and all restarts together (with a key: of "
            "that key); null without a ledger.",
            "properties": {
                "calls": {"type": "integer"},
                "total_tokens": {"type": "integer"},
                "total_cost_usd": {"type": "string", "description": "An exact decimal."},
            },
        },
    },
    *("metrics", "cache"),
)
