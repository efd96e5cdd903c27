"""JSON as the form: the model's own way where it has one, else a tool that must be called, else words. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from llm_gateway.backends.bedrock.fit_tools import takes_forced_tools
from llm_gateway.backends.bedrock.narrow_schema import narrowed
from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.requests import GenerateRequest, ResponseFormat, ToolChoice, ToolSpec

Json = dict[str, object]

_REFUSED_CHARACTERS = re.compile(r"[^a-zA-Z0-9_-]+", re.ASCII)
_LONGEST_NAME = 64
_TOOL_WORDS = "Gives the answer. Call this once, with the whole answer, instead of writing it as text."


@dataclass(frozen=True, slots=True)
class FormatPlan:
    """How the form is asked for: at most one of the three. ``format`` is what the answer is checked against."""

    format: ResponseFormat | None = None
    output_config: Json | None = None
    tool: ToolSpec | None = None
    instruction: str | None = None


NO_FORM = FormatPlan()


def plan_format(request: GenerateRequest, card: ModelCard | None, *, thinks: bool) -> FormatPlan:
    """The way to JSON for this request; none where a tool must be called anyway, for then no text is wanted."""
    wanted, choice = request.response_format, request.tool_choice
    if wanted is None or (request.tools and choice is not None and choice.kind in ("any", "tool")):
        return NO_FORM
    schema = wanted.schema
    if wanted.kind == "json_object" or schema is None:
        return FormatPlan(
            wanted, instruction="Answer with one JSON object and nothing else: no other words, no fences."
        )
    if card is not None and card.can("native_json_schema"):
        narrow = narrowed(schema) if card.provider == "anthropic" else schema
        if narrow is not None:
            return FormatPlan(wanted, output_config=_output_config(wanted, narrow))
    is_forcible = not thinks if card is None else takes_forced_tools(card, thinks=thinks)
    if is_forcible and _is_object(schema):
        return FormatPlan(wanted, tool=_answer_tool(request, wanted, schema))
    written = json.dumps(schema, ensure_ascii=False, separators=(",", ":"), default=dict)
    return FormatPlan(
        wanted,
        instruction="Answer with JSON and nothing else: no other words, no fences. It must fit this JSON schema:\n"
        + written,
    )


def with_answer_tool(
    plan: FormatPlan, tools: tuple[ToolSpec, ...], choice: ToolChoice | None, *, callers_may_be_called: bool
) -> tuple[tuple[ToolSpec, ...], ToolChoice | None]:
    """The tools with the one that takes the answer, which must be called unless one of the caller's is."""
    if plan.tool is None:
        return tools, choice
    forced = ToolChoice("any") if callers_may_be_called else ToolChoice("tool", plan.tool.name)
    return (*tools, plan.tool), forced


def _output_config(wanted: ResponseFormat, schema: Mapping[str, object]) -> Json:
    told: Json = {"schema": json.dumps(schema, ensure_ascii=False, separators=(",", ":"), default=dict)}
    if wanted.name:
        told["name"] = _name(wanted.name)
    if wanted.description:
        told["description"] = wanted.description
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": told}}}


def _answer_tool(request: GenerateRequest, wanted: ResponseFormat, schema: Mapping[str, object]) -> ToolSpec:
    taken = {tool.name for tool in request.tools}
    name = wished = _name(wanted.name or "json_answer")
    number = 1
    while name in taken:
        number += 1
        name = f"{wished[: _LONGEST_NAME - 5]}_{number}"
    words = f"{_TOOL_WORDS} {wanted.description}" if wanted.description else _TOOL_WORDS
    return ToolSpec(name, schema if "type" in schema else {"type": "object", **schema}, words)


def _name(wished: str) -> str:
    return _REFUSED_CHARACTERS.sub("_", wished)[:_LONGEST_NAME].strip("_") or "json_answer"


def _is_object(schema: Mapping[str, object]) -> bool:
    return schema.get("type") == "object" or ("type" not in schema and "properties" in schema)
