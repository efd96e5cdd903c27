"""Tools and the choice among them as one model takes them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.content import Message, ToolUse
from llm_gateway.domain.requests import GenerateRequest, ToolChoice, ToolSpec

_EMPTY_SCHEMA: Mapping[str, object] = {"type": "object", "properties": {}}
_AUTO = ToolChoice("auto")


def fit_tools(
    request: GenerateRequest, messages: Sequence[Message], card: ModelCard | None, *, thinks: bool, warnings: list[str]
) -> tuple[tuple[ToolSpec, ...], ToolChoice | None]:
    """The definitions and the choice; a choice only beside definitions."""
    tools, choice = request.tools, request.tool_choice
    used = tools_used(messages)
    if choice is not None and choice.kind == "none":
        if not used:
            return (), None
        if tools:
            warnings.append(
                "tool_choice none cannot be sent while the history holds tool calls: the model may call one"
            )
        choice = None
    if not tools:
        if used:
            warnings.append(f"tools named in the history were declared without a schema: {', '.join(used)}")
        return tuple([ToolSpec(name, _EMPTY_SCHEMA) for name in used]), None
    return tuple([_fit_tool(tool, card, warnings) for tool in tools]), _fit_choice(choice, card, thinks, warnings)


def tools_used(messages: Sequence[Message]) -> list[str]:
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


def takes_forced_tools(card: ModelCard | None, *, thinks: bool) -> bool:
    """Whether a tool may be demanded of the model. Claude takes no demand while it thinks."""
    return card is None or (card.can("forced_tools") and not (thinks and card.provider == "anthropic"))


def _fit_choice(
    choice: ToolChoice | None, card: ModelCard | None, thinks: bool, warnings: list[str]
) -> ToolChoice | None:
    if choice is None or choice.kind == "auto" or takes_forced_tools(card, thinks=thinks):
        return choice
    name = card.name if card else ""
    why = f"{name} takes no demand for a tool" + (
        " while it thinks" if card and thinks and card.can("forced_tools") else ""
    )
    warnings.append(f"tool_choice was changed to auto: {why}")
    return _AUTO


def _fit_tool(tool: ToolSpec, card: ModelCard | None, warnings: list[str]) -> ToolSpec:
    if tool.is_system:
        return tool
    if "type" not in tool.input_schema:
        tool = replace(tool, input_schema={"type": "object", **tool.input_schema})
    if tool.strict is not None and card is not None and not card.can("native_json_schema"):
        if tool.strict:
            warnings.append(f"strict was left out of the tool {tool.name[:80]!r}: {card.name} does not take it")
        tool = replace(tool, strict=None)
    return tool
