"""Converse's ``usage`` to ours, and its stop reasons to ours. Pure.

``inputTokens`` leaves cached tokens out; members we do not know are passed over.
"""

from collections.abc import Mapping

from llm_gateway.backends.bedrock.json_shape import as_count, as_list, as_object
from llm_gateway.domain.completions import FinishReason, Usage

FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_use",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}

MALFORMED_STOPS = frozenset({"malformed_model_output", "malformed_tool_use"})
"""Stop reasons that say that the model failed: what it gave is of no use."""

CUT_STOPS = frozenset({"max_tokens", "model_context_window_exceeded"})
"""Stop reasons after which the last block may be unfinished."""


def read_usage(value: object) -> Usage | None:
    """The token counts; ``None`` when they are missing or no counts. Writes without a ttl are counted as 5m."""
    told = as_object(value)
    input_tokens, output_tokens = as_count(told.get("inputTokens")), as_count(told.get("outputTokens"))
    if input_tokens is None or output_tokens is None:
        return None
    written = as_count(told.get("cacheWriteInputTokens")) or 0
    written_1h = 0
    for detail in as_list(told.get("cacheDetails")):
        if as_object(detail).get("ttl") == "1h":
            written_1h += as_count(as_object(detail).get("inputTokens")) or 0
    written_1h = min(written_1h, written)
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_tokens=as_count(told.get("cacheReadInputTokens")) or 0,
        cache_write_5m_tokens=written - written_1h,
        cache_write_1h_tokens=written_1h,
    )
