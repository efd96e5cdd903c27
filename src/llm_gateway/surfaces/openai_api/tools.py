"""Tools, the choice among them, and the form of the answer, to domain values. Pure."""

from collections.abc import Mapping

from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import ResponseFormat, ToolChoice, ToolSpec
from llm_gateway.surfaces.json_values import a_list, a_string, a_word, an_object, filled_text, kind_of
from llm_gateway.surfaces.omissions import Omissions
from llm_gateway.surfaces.openai_api.content_parts import cache_point

_NO_PARAMETERS: Mapping[str, object] = {"type": "object", "properties": {}}
_TOOL = frozenset({"type", "function", "cache_control"})
_FUNCTION = frozenset({"name", "description", "parameters", "strict"})
_SCHEMA = frozenset({"name", "description", "schema", "strict"})
_CHOICES: Mapping[str, ToolChoice] = {
    "auto": ToolChoice("auto"),
    "required": ToolChoice("any"),
    "any": ToolChoice("any"),
    "none": ToolChoice("none"),
}


def decode_tools(value: object, most: int, omissions: Omissions) -> tuple[ToolSpec, ...]:
    """Raises InvalidRequest: not a list of function tools, two of one name, or too many."""
    if value is None:
        return ()
    items = a_list(value, "tools", "function tools")
    if len(items) > most:
        raise InvalidRequest(f"tools holds {len(items)}, more than {most} (MAX_TOOLS)", field="tools")
    tools: dict[str, ToolSpec] = {}
    for number, item in enumerate(items):
        tool = _tool(item, f"tools[{number}]", omissions)
        if tool.name in tools:
            field = f"tools[{number}].function.name"
            raise InvalidRequest(f"{field} is {tool.name[:80]!r}, as another tool's; names must differ", field=field)
        tools[tool.name] = tool
    return tuple(tools.values())


def _tool(value: object, field: str, omissions: Omissions) -> ToolSpec:
    tool = an_object(value, field)
    if "systemTool" in tool:  # Converse's own word: the API has none for a tool of Bedrock's servers
        own = an_object(tool["systemTool"], f"{field}.systemTool")
        return ToolSpec(filled_text(own.get("name"), f"{field}.systemTool.name"), {}, is_system=True)
    a_word(tool.get("type"), f"{field}.type", ("function",))
    inside = f"{field}.function"
    function = an_object(tool.get("function"), inside)
    if not tool.keys() <= _TOOL:
        omissions.drop_all(tool.keys() - _TOOL, inside="tools[].", field=field)
    if not function.keys() <= _FUNCTION:
        omissions.drop_all(function.keys() - _FUNCTION, inside="tools[].function.", field=inside)
    description, parameters = function.get("description"), function.get("parameters")
    schema = _NO_PARAMETERS if parameters is None else an_object(parameters, f"{inside}.parameters")
    return ToolSpec(
        name=filled_text(function.get("name"), f"{inside}.name"),
        input_schema=schema if "type" in schema else {"type": "object", **schema},
        description=None if description is None else a_string(description, f"{inside}.description") or None,
        strict=a_flag(function.get("strict"), f"{inside}.strict") or None,
        cache_point=cache_point(tool.get("cache_control"), f"{field}.cache_control"),
    )


def a_flag(value: object, field: str) -> bool:
    """``true`` or ``false``; null counts as false."""
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidRequest(f"{field} must be true or false; got {kind_of(value)}", field=field)


def decode_tool_choice(value: object, tools: tuple[ToolSpec, ...]) -> ToolChoice | None:
    """Raises InvalidRequest: an unknown choice, or one that needs tools that are not there."""
    if value is None:
        return None
    if isinstance(value, dict):
        return _named(an_object(value, "tool_choice"), tools)  # pyright: ignore[reportUnknownArgumentType]
    choice = _CHOICES[a_word(value, "tool_choice", tuple(_CHOICES))]
    if choice.kind == "any" and not tools:
        raise InvalidRequest(f"tool_choice is {value!r} but there are no tools; send tools", field="tool_choice")
    return choice


def _named(choice: Mapping[str, object], tools: tuple[ToolSpec, ...]) -> ToolChoice:
    a_word(choice.get("type"), "tool_choice.type", ("function",))
    function = an_object(choice.get("function"), "tool_choice.function")
    name = filled_text(function.get("name"), "tool_choice.function.name")
    if not any([tool.name == name for tool in tools]):
        field = "tool_choice.function.name"
        raise InvalidRequest(f"{field} is {name[:80]!r}, which no tool in tools is called", field=field)
    return ToolChoice("tool", name)


def decode_response_format(value: object, omissions: Omissions) -> ResponseFormat | None:
    """Raises InvalidRequest: an unknown form, or a schema that is missing."""
    if value is None:
        return None
    told = an_object(value, "response_format")
    kind = a_word(told.get("type"), "response_format.type", ("text", "json_object", "json_schema"))
    if kind != "json_schema":
        return ResponseFormat("json_object") if kind == "json_object" else None
    field = "response_format.json_schema"
    form = an_object(told.get("json_schema"), field)
    if not form.keys() <= _SCHEMA:
        omissions.drop_all(form.keys() - _SCHEMA, inside=f"{field}.", field=field)
    name, description = form.get("name"), form.get("description")
    return ResponseFormat(
        "json_schema",
        schema=an_object(form.get("schema"), f"{field}.schema"),
        name=None if name is None else filled_text(name, f"{field}.name"),
        description=None if description is None else a_string(description, f"{field}.description") or None,
        strict=a_flag(form.get("strict"), f"{field}.strict") or None,
    )
