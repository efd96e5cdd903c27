"""JSON schemas of what ``generate`` takes beside the conversation, and of what it gives beside text."""

Schema = dict[str, object]

_WORD: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}


def _closed(properties: dict[str, object], *required: str) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


MORE_INPUT: Schema = {
    "tools": {
        "type": "array",
        "items": {"type": "object"},
        "description": "Tools the model may call: {name, description, input_schema}, as MCP lists them; Converse's "
        "{toolSpec} and OpenAI's {type: 'function', function} are read too. Any name is taken.",
    },
    "tool_choice": {
        "anyOf": [
            {"type": "string", "enum": ["auto", "any", "required", "none"]},
            {"type": "object", "description": "{name}: this one must be called."},
        ],
        "description": "auto: the model decides; any (or required): it must call one; none: it may not.",
    },
    "parallel_tool_calls": {**_FLAG, "description": "False asks for at most one call a turn, where that can be asked."},
    "response_format": {
        "type": "object",
        "description": "{type: 'json_schema', json_schema: {name, schema}} or {type: 'json_object'}: the answer's "
        "content is JSON of that form, checked: see format_valid.",
        "properties": {
            "type": {"type": "string", "enum": ["text", "json_object", "json_schema"]},
            "json_schema": {"type": "object"},
        },
        "required": ["type"],
    },
    "reasoning": {
        **_closed(
            {
                "effort": {"type": "string", "enum": ["none", "minimal", "low", "medium", "high", "max"]},
                "budget_tokens": {"type": "integer", "minimum": 1},
            }
        ),
        "description": "How much to think first, by effort or by budget; {} is the model's own measure.",
    },
    "guardrail": {
        **_closed(
            {
                "id": _WORD,
                "version": {"type": ["string", "integer"]},
                "trace": {"type": "string", "enum": ["enabled", "disabled", "enabled_full"]},
                "stream_mode": {"type": "string", "enum": ["sync", "async"]},
            },
            "id",
            "version",
        ),
        "description": "A Bedrock guardrail by id or ARN, and its version (a number or DRAFT).",
    },
    "service_tier": {"type": "string", "enum": ["default", "priority", "flex", "reserved"]},
    "latency": {"type": "string", "enum": ["standard", "optimized"]},
    "metadata": {
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": _WORD,
        "description": "Pairs for AWS's invocation logs.",
    },
    "additional_model_request_fields": {
        "type": "object",
        "description": "Fields of the model's vendor, passed on unread, such as {top_k: 50}.",
    },
    "idempotency_key": {
        "type": ["string", "null"],
        "description": "Your own name for this call, 1 to 255 characters. Asked again under the same name within 24 "
        "hours, the same answer comes back and nothing is paid twice; another request under it is an error.",
    },
    "run_id": {
        "type": ["string", "null"],
        "description": "The run this call belongs to, so that its cost can be told and its budget kept.",
    },
    "parent_run_id": {"type": ["string", "null"], "description": "The run that started this run; it pays as well."},
    "agent": {"type": ["string", "null"], "description": "The agent that asks, for spend by agent."},
    "cache_prompt": {
        **_FLAG,
        "description": "True puts prompt-cache points where the model takes them: a long prompt that comes again is "
        "cheaper. usage says what was read and written.",
    },
}

MORE_OUTPUT: Schema = {
    "tool_calls": {
        "type": "array",
        "description": "Calls to make; answer each with a toolResult block of its id in the next user message.",
        "items": {
            "type": "object",
            "properties": {"id": _WORD, "name": _WORD, "input": {}},
            "required": ["id", "name", "input"],
        },
    },
    "reasoning": {
        "type": "array",
        "description": "What the model thought: {text, signature} or {redacted}.",
        "items": {"type": "object", "properties": {"text": _WORD, "signature": _WORD, "redacted": _WORD}},
    },
    "content_blocks": {
        "type": "array",
        "description": "The whole answer where it is more than one text: send it back as the assistant's content.",
        "items": {"type": "object"},
    },
    "format_valid": {**_FLAG, "description": "Whether content is what response_format asked for."},
    "format_fault": {**_WORD, "description": "Why it is not."},
    "guardrail_trace": {"type": "object", "description": "What the guardrail found, where its trace was asked for."},
}
