"""OpenAI's published form of chat completions, chunks, errors and lists, as JSON Schema: what its documents require.

Members it does not know may stand beside its own; members it knows must have its types.
"""

from typing import Any

from jsonschema import Draft202012Validator

_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_TIER = {"enum": ["auto", "default", "flex", "scale", "priority", None]}
_FINISH = ["stop", "length", "tool_calls", "content_filter", "function_call"]


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": required | (optional or {})}


_USAGE = _object(
    {"prompt_tokens": _COUNT, "completion_tokens": _COUNT, "total_tokens": _COUNT},
    {
        "prompt_tokens_details": _object({}, {"cached_tokens": _COUNT, "audio_tokens": _COUNT}),
        "completion_tokens_details": _object({}, {"reasoning_tokens": _COUNT, "audio_tokens": _COUNT}),
    },
)
_CALL = _object({"id": _TEXT, "type": {"const": "function"}, "function": _object({"name": _TEXT, "arguments": _TEXT})})
_MESSAGE = _object(
    {"role": {"const": "assistant"}, "content": _TEXT_OR_NULL, "refusal": _TEXT_OR_NULL},
    {"tool_calls": {"type": "array", "items": _CALL, "minItems": 1}, "annotations": {"type": "array"}},
)
_CHOICE = _object(
    {
        "index": _COUNT,
        "message": _MESSAGE,
        "logprobs": {"type": ["object", "null"]},
        "finish_reason": {"enum": _FINISH},
    }
)
CHAT_COMPLETION = _object(
    {
        "id": _TEXT,
        "object": {"const": "chat.completion"},
        "created": _COUNT,
        "model": _TEXT,
        "choices": {"type": "array", "items": _CHOICE, "minItems": 1, "maxItems": 1},
    },
    {"usage": _USAGE, "service_tier": _TIER, "system_fingerprint": _TEXT_OR_NULL},
)
_CALL_PIECE = _object(
    {"index": _COUNT},
    {"id": _TEXT, "type": {"const": "function"}, "function": _object({}, {"name": _TEXT, "arguments": _TEXT})},
)
_DELTA = _object(
    {},
    {
        "role": {"enum": ["developer", "system", "user", "assistant", "tool"]},
        "content": _TEXT_OR_NULL,
        "refusal": _TEXT_OR_NULL,
        "tool_calls": {"type": "array", "items": _CALL_PIECE},
    },
)
CHUNK = _object(
    {
        "id": _TEXT,
        "object": {"const": "chat.completion.chunk"},
        "created": _COUNT,
        "model": _TEXT,
        "choices": {
            "type": "array",
            "maxItems": 1,
            "items": _object(
                {"index": _COUNT, "delta": _DELTA, "finish_reason": {"enum": [*_FINISH, None]}},
                {"logprobs": {"type": ["object", "null"]}},
            ),
        },
    },
    {"usage": {"anyOf": [_USAGE, {"type": "null"}]}, "service_tier": _TIER, "system_fingerprint": _TEXT_OR_NULL},
)
ERROR = _object({"error": _object({"message": _TEXT, "type": _TEXT, "param": _TEXT_OR_NULL, "code": _TEXT_OR_NULL})})
_MODEL = _object({"id": _TEXT, "object": {"const": "model"}, "created": {"type": "integer"}, "owned_by": _TEXT})
MODELS = _object({"object": {"const": "list"}, "data": {"type": "array", "items": _MODEL, "minItems": 1}})
EMBEDDINGS = _object(
    {
        "object": {"const": "list"},
        "model": _TEXT,
        "data": {
            "type": "array",
            "items": _object(
                {
                    "index": _COUNT,
                    "object": {"const": "embedding"},
                    "embedding": {"anyOf": [{"type": "array", "items": {"type": "number"}}, _TEXT]},
                }
            ),
        },
        "usage": _object({"prompt_tokens": _COUNT, "total_tokens": _COUNT}),
    }
)


def check(value: Any, schema: dict[str, Any]) -> None:
    """Raises ValidationError. Answers and chunks are held to OpenAI's own types too, which are made from its
    specification; strictly, so that no text passes for a number."""
    Draft202012Validator(schema).validate(value)
    name = "ChatCompletion" if schema is CHAT_COMPLETION else "ChatCompletionChunk" if schema is CHUNK else None
    if name:
        from openai.types import chat

        getattr(chat, name).model_validate(value, strict=True)
