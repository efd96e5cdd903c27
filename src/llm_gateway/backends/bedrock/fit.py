"""What the model can't take is settled here, by its card, and said in warnings. Pure.

A request for a model without a card goes as it was asked, but for the bounds that hold for every model.
"""

from collections.abc import Mapping
from typing import NamedTuple

from llm_gateway.backends.bedrock import tool_names
from llm_gateway.backends.bedrock.fit_media import fit_media
from llm_gateway.backends.bedrock.fit_results import fit_results
from llm_gateway.backends.bedrock.fit_tools import fit_tools
from llm_gateway.backends.bedrock.fit_turns import fit_turns
from llm_gateway.backends.bedrock.json_shape import as_count, as_object
from llm_gateway.backends.bedrock.one_call import ask_for_one_call
from llm_gateway.backends.bedrock.past_thoughts import fit_thoughts
from llm_gateway.backends.bedrock.prompt_cache import fit_cache_points, has_cache_points
from llm_gateway.backends.bedrock.reading import PLAIN, Reading
from llm_gateway.backends.bedrock.reasoning import merged, plan_thinking
from llm_gateway.backends.bedrock.structured import FormatPlan, plan_format, with_answer_tool
from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.content import Block, CachePoint, Media, Message, Reasoning, Text, ToolResult, ToolUse
from llm_gateway.domain.errors import UnsupportedFeature
from llm_gateway.domain.requests import (
    DEFAULT_MAX_TOKENS,
    DEFAULT_TEMPERATURE,
    GenerateRequest,
    ModelCall,
    ToolChoice,
    ToolSpec,
)

BEDROCK_MAX_TEMPERATURE = 1.0
_CALLS = (ToolUse, ToolResult)


class Fitted(NamedTuple):
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
    output_config: Mapping[str, object] | None = None
    reading: Reading = PLAIN
    warnings: tuple[str, ...] = ()


def fit(call: ModelCall) -> Fitted:
    """The call as its model takes it.

    Raises:
        InvalidRequest: the conversation cannot be mended with certainty.
        UnsupportedFeature: the card says that the model cannot take a part of it.
    """
    request, card, warnings = call.request, _answering(call.model.card), list[str]()
    kinds = {type(block) for message in request.messages for block in message.content}
    messages = _fit_blocks(request.messages, kinds, card, warnings)
    thinking = plan_thinking(request, card, messages, warnings)
    extra = merged(thinking.fields, request.extra_fields)
    thinks = _thinks(extra, card)
    form = plan_format(request, card, thinks=thinks)
    system = (*request.system, Text(form.instruction)) if form.instruction else request.system
    messages, system = fit_turns(messages, system, card, warnings, has_calls=not kinds.isdisjoint(_CALLS))
    if ToolResult in kinds:
        messages = fit_results(messages, card, warnings)
    temperature, top_p = _sampling(request, extra, card, warnings)
    max_tokens = _max_tokens(thinking.max_tokens, extra, card, warnings)
    if call.answer_cap_tokens is not None:
        max_tokens = call.answer_cap_tokens if max_tokens is None else min(max_tokens, call.answer_cap_tokens)
    tools, tool_choice = request.tools, request.tool_choice
    if tools or tool_choice is not None or ToolUse in kinds:
        tools, tool_choice = fit_tools(request, messages, card, thinks=thinks, warnings=warnings)
    names: Mapping[str, str] = {}
    if tools:
        names = tool_names.wire_names(tool_names.names_in(tools, messages))
    if names:
        tools, tool_choice = tool_names.renamed_tools(tools, names), tool_names.renamed_choice(tool_choice, names)
        messages = tool_names.renamed_calls(messages, names)
    tools, tool_choice = _with_form(form, request, tools, tool_choice)
    if request.parallel_tool_calls is False and request.tools and tools:
        tool_choice, extra = ask_for_one_call(tool_choice, extra, card, warnings)
    if request.cache_prompt or CachePoint in kinds or ((tools or system) and has_cache_points(request)):
        parts = (tools, system, messages)
        tools, system, messages = fit_cache_points(parts, card, place=request.cache_prompt, warnings=warnings)
    return Fitted(
        messages=messages,
        system=system,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        stop_sequences=request.stop_sequences,
        tools=tools,
        tool_choice=tool_choice,
        extra_fields=extra,
        output_config=form.output_config,
        reading=_reading(form, names),
        warnings=tuple(warnings),
    )


def _answering(card: ModelCard | None) -> ModelCard | None:
    """The card of a model that gives text."""
    if card is None or card.answers:
        return card
    raise UnsupportedFeature(
        f"{card.name} makes vectors and gives no text; ask it by embed or /v1/embeddings",
        model=card.name,
        feature="text",
        field="model",
    )


def _fit_blocks(
    messages: tuple[Message, ...], kinds: set[type[Block]], card: ModelCard | None, warnings: list[str]
) -> tuple[Message, ...]:
    if Media in kinds or ToolResult in kinds:
        messages = fit_media(messages, card, warnings)
    return fit_thoughts(messages, card, warnings) if Reasoning in kinds else messages


def _with_form(
    form: FormatPlan, request: GenerateRequest, tools: tuple[ToolSpec, ...], choice: ToolChoice | None
) -> tuple[tuple[ToolSpec, ...], ToolChoice | None]:
    if form.tool is None:
        return tools, choice
    may_be_called = bool(request.tools) and (request.tool_choice is None or request.tool_choice.kind != "none")
    return with_answer_tool(form, tools, choice, callers_may_be_called=may_be_called)


def _reading(form: FormatPlan, names: Mapping[str, str]) -> Reading:
    if form.format is None and not names:
        return PLAIN
    return Reading(
        names={wire: name for name, wire in names.items()},
        text_tool=form.tool.name if form.tool else None,
        format=form.format,
        bare=form.instruction is not None,
    )


def _max_tokens(
    asked: int | None, extra: Mapping[str, object] | None, card: ModelCard | None, warnings: list[str]
) -> int | None:
    wanted = DEFAULT_MAX_TOKENS if asked is None else asked
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
    request: GenerateRequest, extra: Mapping[str, object] | None, card: ModelCard | None, warnings: list[str]
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
    if _thinks(extra, card):
        if temperature not in (None, 1):
            warnings.append("temperature was left out: a model that thinks takes none but 1")
        if top_p is not None:
            warnings.append("top_p was left out: a model that thinks takes none")
        return None, None
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
