"""Asking for at most one tool call a turn. Pure.

Converse has no word for it. Claude from 4.5 on takes its own through the vendor's fields, but only where ``toolConfig``
makes no choice: Bedrock refuses a choice that is made in both places. So a demand for a tool goes without it.
"""

from collections.abc import Mapping

from llm_gateway.backends.bedrock.reasoning import merged
from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.requests import ToolChoice

_UNKNOWN = ("claude-3", "claude-instant", "claude-v2", "claude-opus-4-1", "claude-opus-4-2025", "claude-sonnet-4-2025")
"""Parts of the ids of older Claudes: whether they take it is not known."""


def ask_for_one_call(
    choice: ToolChoice | None, extra: Mapping[str, object] | None, card: ModelCard | None, warnings: list[str]
) -> tuple[ToolChoice | None, Mapping[str, object] | None]:
    """The choice and the vendor's fields; a caller's own ``tool_choice`` among those stays as it is."""
    if card is None or card.provider != "anthropic" or any([word in card.id for word in _UNKNOWN]):
        name = card.name if card else "this model"
        warnings.append(f"parallel_tool_calls was left out: {name} has no way to ask for one call at a time")
        return choice, extra
    if choice is not None and choice.kind != "auto":
        warnings.append("parallel_tool_calls was left out: Bedrock takes it with tool_choice auto only")
        return choice, extra
    return None, merged({"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, extra)
