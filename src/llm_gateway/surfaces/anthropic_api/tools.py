"""Tools and the choice among them as Anthropic's clients write them. Pure."""

from collections.abc import Mapping

from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import ToolChoice, ToolSpec
from llm_gateway.surfaces.anthropic_api.blocks import Reader
from llm_gateway.surfaces.json_values import (
    a_list,
    a_string,
    a_word,
    an_object,
    filled_text,
    kind_of,
    plain_json,
)

_MEMBERS = frozenset({"type", "name", "description", "input_schema", "cache_control", "strict"})


def read_tools(value: object, reader: Reader, most: int) -> tuple[ToolSpec, ...]:
    """The caller's own tools. Those that only Anthropic's servers (or their models' training) know are dropped."""
    if value is None:
        return ()
    items = a_list(value, "tools", "tools")
    if len(items) > most:
        raise InvalidRequest(f"tools holds {len(items)}, more than {most} (MAX_TOOLS)", field="tools")
    tools: list[ToolSpec] = []
    for number, item in enumerate(items):
        field = f"tools[{number}]"
        body = an_object(item, field)
        kind = body.get("type")
        kind = "custom" if kind is None else filled_text(kind, f"{field}.type")
        if kind == "custom":
            tools.append(_tool(body, field, reader))
        else:
            reader.omissions.drop(f"tools.{kind}", field=f"{field}.type")
    return tuple(tools)


def _tool(body: Mapping[str, object], field: str, reader: Reader) -> ToolSpec:
    reader.known_only(body, _MEMBERS, field, "tools")
    description, strict = body.get("description"), body.get("strict")
    schema = an_object(body.get("input_schema"), f"{field}.input_schema")
    plain_json(schema, f"{field}.input_schema")
    if strict is not None and not isinstance(strict, bool):
        raise InvalidRequest(f"{field}.strict must be true or false; got {kind_of(strict)}", field=f"{field}.strict")
    return ToolSpec(
        name=filled_text(body.get("name"), f"{field}.name"),
        input_schema=schema,
        description=None if description is None else a_string(description, f"{field}.description") or None,
        strict=strict,
        cache_point=reader.cache_point(body, field),
    )


def read_tool_choice(value: object, reader: Reader) -> tuple[ToolChoice | None, bool | None]:
    """The choice, and whether several calls in one turn are welcome (``None``: not said)."""
    if value is None:
        return None, None
    body = an_object(value, "tool_choice")
    reader.known_only(body, frozenset({"type", "name", "disable_parallel_tool_use"}), "tool_choice", "tool_choice")
    kind = a_word(body.get("type"), "tool_choice.type", ("auto", "any", "tool", "none"))
    disabled = body.get("disable_parallel_tool_use")
    if disabled is not None and not isinstance(disabled, bool):
        field = "tool_choice.disable_parallel_tool_use"
        raise InvalidRequest(f"{field} must be true or false; got {kind_of(disabled)}", field=field)
    parallel = False if disabled else None
    if kind == "tool":
        return ToolChoice("tool", filled_text(body.get("name"), "tool_choice.name")), parallel
    return _CHOICES[kind], parallel


_CHOICES = {
    "auto": ToolChoice("auto"),
    "any": ToolChoice("any"),
    "none": ToolChoice("none"),
}
