"""A generation as Anthropic's message. Pure."""

from collections.abc import Mapping, Sequence

from llm_gateway.domain.completions import Completion, Generation, Usage
from llm_gateway.domain.content import Block, Native, Reasoning, Text, ToolUse
from llm_gateway.surfaces.anthropic_api.citations import cited_json
from llm_gateway.surfaces.notes import notes_json

Json = dict[str, object]

# Bedrock's stop reasons in Anthropic's words; the rest goes by our own finish reason.
_STOP_REASONS: Mapping[str, str] = {
    "end_turn": "end_turn",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "model_context_window_exceeded": "model_context_window_exceeded",
    "guardrail_intervened": "refusal",
    "content_filtered": "refusal",
}
_BY_FINISH: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_use": "tool_use",
    "content_filter": "refusal",
}
_TIERS = {"default": "standard"}


def message_id(request_id: str) -> str:
    """``msg_`` and the digits of the request's own id."""
    return "msg_" + request_id.removeprefix("req_")


def message_json(generation: Generation, *, asked: str, stops: Sequence[str]) -> Json:
    """The whole answer; ``asked`` is the caller's word for the model, ``stops`` its stop sequences."""
    completion = generation.completion
    notes = notes_json(generation)
    return {
        "id": message_id(generation.request_id),
        "type": "message",
        "role": "assistant",
        "model": asked,
        "content": [block for given in completion.blocks for block in block_json(given)],
        **ending_json(completion, stops),
        "usage": usage_json(completion),
        **({"llm_gateway": notes} if notes else {}),
    }


def ending_json(completion: Completion, stops: Sequence[str]) -> Json:
    """Why it ended. Which of several stop sequences was met Bedrock does not say."""
    reason = stop_reason(completion)
    met = stops[0] if reason == "stop_sequence" and len(stops) == 1 else None
    return {"stop_reason": reason, "stop_sequence": met}


def stop_reason(completion: Completion) -> str:
    """In Anthropic's words."""
    return _STOP_REASONS.get(completion.stop_reason) or _BY_FINISH[completion.finish_reason]


def block_json(block: Block) -> list[Json]:
    """A block of the answer; none for what Anthropic has no block for (a tool of Bedrock's own servers)."""
    if isinstance(block, Text):
        return [{"type": "text", "text": block.text}]
    if isinstance(block, ToolUse):
        if block.type is not None:
            return []
        return [{"type": "tool_use", "id": block.id, "name": block.name, "input": block.input}]
    if isinstance(block, Reasoning):
        if block.redacted is not None:
            return [{"type": "redacted_thinking", "data": block.redacted}]
        return [{"type": "thinking", "thinking": block.text or "", "signature": block.signature or ""}]
    if isinstance(block, Native):
        return cited_json(block)
    return []


def usage_json(completion: Completion) -> Json:
    """Tokens as Anthropic counts them: ``input_tokens`` leaves cached ones out."""
    tier = completion.service_tier or "default"
    return tokens_json(completion.usage) | {
        "cache_creation": {
            "ephemeral_5m_input_tokens": completion.usage.cache_write_5m_tokens,
            "ephemeral_1h_input_tokens": completion.usage.cache_write_1h_tokens,
        },
        "service_tier": _TIERS.get(tier, tier),
    }


def tokens_json(usage: Usage) -> Json:
    """The counts that a stream tells at its end, too."""
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
    }
