"""What the model can't take is settled here, by its card, and said in warnings. Pure.

A request for a model without a card goes as it was asked, but for the bounds that hold for every model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llm_gateway.backends.bedrock.fit_turns import fit_turns
from llm_gateway.backends.bedrock.json_shape import as_count, as_object
from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.content import Block, Message, ToolUse
from llm_gateway.domain.requests import (
    DEFAULT_MAX_TOKENS,
    DEFAULT_TEMPERATURE,
    GenerateRequest,
    ModelCall,
    ToolChoice,
    ToolSpec,
)

BEDROCK_MAX_TEMPERATURE = 1.0
_EMPTY_SCHEMA: Mapping[str, object] = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A request as one model takes it; ``None`` is not sent."""

    messages: tuple[Message, ...]
    system: tuple[Block, ...]
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    stop_sequences: tuple[str, ...]
    tools: tuple[ToolSpec, ...]
    tool_choice: ToolChoice | None
    extra_fields: Mapping[str, object] | None
    warnings: tuple[str, ...] = ()


def fit(call: ModelCall) -> Fitted:
    """The call as its model takes it.

    Raises:
        InvalidRequest: the conversation cannot be mended with certainty.
    """
    request, card, warnings = call.request, call.model.card, list[str]()
    messages, system = fit_turns(request, card, warnings)
    temperature, top_p = _sampling(request, card, warnings)
    tools, tool_choice = _tools(request, messages, warnings)
    return Fitted(
        messages=messages,
        system=system,
        max_tokens=_max_tokens(request, card, warnings),
        temperature=temperature,
        top_p=top_p,
        stop_sequences=request.stop_sequences,
        tools=tools,
        tool_choice=tool_choice,
        extra_fields=request.extra_fields,
        warnings=tuple(warnings),
    )


def _max_tokens(request: GenerateRequest, card: ModelCard | None, warnings: list[str]) -> int | None:
    asked = request.max_tokens
    wanted = DEFAULT_MAX_TOKENS if asked is None else asked
    extra = request.extra_fields
    if asked is None and extra:
        if _reasons_at_full_effort(extra):
            return None
        budget = as_count(as_object(extra.get("thinking")).get("budget_tokens")) or 0
        if budget >= wanted:
            wanted += budget
            warnings.append(f"max_tokens was set to {wanted}: thinking may take {budget} of them")
    if card is not None and wanted > card.max_output_tokens:
        if asked is not None:
            warnings.append(
                f"max_tokens was lowered from {asked} to {card.max_output_tokens}, the most {card.name} gives"
            )
        return card.max_output_tokens
    return wanted


def _sampling(
    request: GenerateRequest, card: ModelCard | None, warnings: list[str]
) -> tuple[float | None, float | None]:
    temperature, top_p = request.temperature, request.top_p
    if temperature is not None and temperature > BEDROCK_MAX_TEMPERATURE:
        warnings.append(f"temperature was lowered from {temperature:g} to 1: Bedrock takes 0 to 1")
        temperature = BEDROCK_MAX_TEMPERATURE
    if card is not None and card.can("no_sampling_params"):
        for name, value in (("temperature", temperature), ("top_p", top_p)):
            if value is not None:
                warnings.append(f"{name} was left out: {card.name} takes no sampling parameters")
        return None, None
    if _thinks(request.extra_fields, card):
        if temperature not in (None, 1):
            warnings.append("temperature was left out: a model that thinks takes none but 1")
        return None, top_p
    if top_p is not None and card is not None and card.can("one_sampling_param"):
        if temperature is not None:
            warnings.append(f"top_p was left out: {card.name} takes either temperature or top_p")
            return temperature, None
        return None, top_p
    return (DEFAULT_TEMPERATURE if temperature is None else temperature), top_p


def _thinks(extra: Mapping[str, object] | None, card: ModelCard | None) -> bool:
    """Claude's thinking, or Nova's at full effort: a temperature beside it is refused."""
    if card is not None and card.can("thinking_always_on") and card.provider == "anthropic":
        return True
    if not extra:
        return False
    return as_object(extra.get("thinking")).get("type") in ("enabled", "adaptive") or _reasons_at_full_effort(extra)


def _reasons_at_full_effort(extra: Mapping[str, object]) -> bool:
    told = as_object(extra.get("reasoningConfig"))
    return told.get("type") == "enabled" and told.get("maxReasoningEffort") == "high"


def _tools(
    request: GenerateRequest, messages: Sequence[Message], warnings: list[str]
) -> tuple[tuple[ToolSpec, ...], ToolChoice | None]:
    tools, choice = request.tools, request.tool_choice
    used = _tools_used(messages)
    if choice is not None and choice.kind == "none":
        if not used:
            return (), None
        if tools:
            warnings.append(
                "tool_choice none cannot be sent while the history holds tool calls: the model may call one"
            )
        choice = None
    if not tools:
        choice = None
        if used:
            tools = tuple([ToolSpec(name, _EMPTY_SCHEMA) for name in used])
            warnings.append(f"tools named in the history were declared without a schema: {', '.join(used)}")
    return tools, choice


def _tools_used(messages: Sequence[Message]) -> list[str]:
    """Names of the tools called in the conversation, each once, in order."""
    return list(
        dict.fromkeys(
            [
                block.name
                for message in messages
                for block in message.content
                if isinstance(block, ToolUse) and block.type is None
            ]
        )
    )
