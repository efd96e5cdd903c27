"""Tools, the choice among them and the form of the answer, as callers of ``generate`` write them. Pure.

A tool is read in three spellings: ours (``{name, description, input_schema}``, as MCP lists tools), Converse's
(``{toolSpec: {...}}``) and OpenAI's (``{type: "function", function: {...}}``).
"""

from collections.abc import Mapping

from llm_gateway.domain.content import CachePoint
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import ResponseFormat, ToolChoice, ToolSpec
from llm_gateway.surfaces.json_values import (
    a_list,
    a_string,
    a_word,
    an_object,
    filled_text,
    kind_of,
    only,
    plain_json,
    shown,
)

_NO_PARAMETERS: Mapping[str, object] = {"type": "object", "properties": {}}
_OURS = ("name", "description", "input_schema", "inputSchema", "strict", "title", "annotations")
_WORDS: Mapping[str, ToolChoice] = {
    "auto": ToolChoice("auto"),
    "any": ToolChoice("any"),
    "required": ToolChoice("any"),
    "none": ToolChoice("none"),
}
_FORMS = ("text", "json_object", "json_schema")


def decode_tools(value: object) -> tuple[ToolSpec, ...]:
    """Raises InvalidRequest: names the tool and what belongs there."""
    tools: list[ToolSpec] = []
    for number, item in enumerate(a_list(value, "tools", "{name, description, input_schema} objects")):
        field = f"tools[{number}]"
        tool = an_object(item, field)
        if "cachePoint" in tool:
            tools.append(_kept(tools, tool, field))
            continue
        decoded = _tool(tool, field)
        if any([decoded.name == other.name for other in tools]):
            raise InvalidRequest(f"{field} is called {shown(decoded.name)}, as another tool is", field=f"{field}.name")
        tools.append(decoded)
    return tuple(tools)


def _tool(tool: Mapping[str, object], field: str) -> ToolSpec:
    if "systemTool" in tool:
        only(tool, ("systemTool",), field)
        own = an_object(tool["systemTool"], f"{field}.systemTool")
        only(own, ("name",), f"{field}.systemTool")
        return ToolSpec(filled_text(own.get("name"), f"{field}.systemTool.name"), {}, is_system=True)
    if "toolSpec" in tool:
        only(tool, ("toolSpec",), field)
        field = f"{field}.toolSpec"
        spec = an_object(tool["toolSpec"], field)
        only(spec, ("name", "description", "inputSchema", "strict"), field)
        schema = an_object(spec.get("inputSchema"), f"{field}.inputSchema").get("json")
        return _spec(spec, schema, field, f"{field}.inputSchema.json")
    if "function" in tool or tool.get("type") == "function":
        only(tool, ("type", "function"), field)
        field = f"{field}.function"
        function = an_object(tool.get("function"), field)
        only(function, ("name", "description", "parameters", "strict"), field)
        return _spec(function, function.get("parameters"), field, f"{field}.parameters")
    only(tool, _OURS, field)
    name = "inputSchema" if "inputSchema" in tool else "input_schema"
    return _spec(tool, tool.get(name), field, f"{field}.{name}")


def _spec(told: Mapping[str, object], schema: object, field: str, schema_field: str) -> ToolSpec:
    description = told.get("description")
    return ToolSpec(
        name=filled_text(told.get("name"), f"{field}.name"),
        input_schema=_NO_PARAMETERS if schema is None else _schema(schema, schema_field),
        description=None if description is None else a_string(description, f"{field}.description") or None,
        strict=None if told.get("strict") is None else a_flag(told["strict"], f"{field}.strict"),
    )


def _schema(value: object, field: str) -> Mapping[str, object]:
    schema = an_object(plain_json(value, field), field)
    if schema.get("type", "object") != "object":
        raise InvalidRequest(f"{field}.type must be object; got {shown(schema['type'])}", field=f"{field}.type")
    return schema


def _kept(tools: list[ToolSpec], entry: Mapping[str, object], field: str) -> ToolSpec:
    """The tool before a Converse cache point, with that point."""
    only(entry, ("cachePoint",), field)
    if not tools:
        raise InvalidRequest(f"{field} is a cache point without a tool before it", field=field)
    point = an_object(entry["cachePoint"], f"{field}.cachePoint")
    only(point, ("type", "ttl"), f"{field}.cachePoint")
    ttl = a_word(point["ttl"], f"{field}.cachePoint.ttl", ("5m", "1h")) if "ttl" in point else None
    before = tools.pop()
    return ToolSpec(before.name, before.input_schema, before.description, before.strict, CachePoint(ttl))


def decode_tool_choice(value: object) -> ToolChoice:
    """A word, ``{"name": ...}``, or what Converse and OpenAI write. Raises InvalidRequest for anything else."""
    if isinstance(value, str):
        return _WORDS[a_word(value, "tool_choice", tuple(_WORDS))]
    if not isinstance(value, dict):
        raise InvalidRequest(
            f"tool_choice must be one of {', '.join(_WORDS)}, or an object with a name; got {kind_of(value)}",
            field="tool_choice",
        )
    choice = an_object(value, "tool_choice")  # pyright: ignore[reportUnknownArgumentType]
    for nested in ("tool", "function"):
        if nested in choice:
            field = f"tool_choice.{nested}"
            return ToolChoice("tool", filled_text(an_object(choice[nested], field).get("name"), f"{field}.name"))
    for word in ("auto", "any"):
        if word in choice:
            return _WORDS[word]
    if "name" not in choice and isinstance(choice.get("type"), str):
        return _WORDS[a_word(choice["type"], "tool_choice.type", tuple(_WORDS))]
    only(choice, ("name", "type"), "tool_choice")
    return ToolChoice("tool", filled_text(choice.get("name"), "tool_choice.name"))


def decode_response_format(value: object) -> ResponseFormat | None:
    """OpenAI's ``response_format``; ``None`` for ``text``. Raises InvalidRequest: names the member."""
    told = an_object(value, "response_format")
    only(told, ("type", "json_schema"), "response_format")
    kind = a_word(told.get("type"), "response_format.type", _FORMS)
    if kind != "json_schema":
        return ResponseFormat("json_object") if kind == "json_object" else None
    field = "response_format.json_schema"
    form = an_object(told.get("json_schema"), field)
    only(form, ("name", "description", "schema", "strict"), field)
    name, description, strict = form.get("name"), form.get("description"), form.get("strict")
    return ResponseFormat(
        "json_schema",
        schema=an_object(plain_json(form.get("schema"), f"{field}.schema"), f"{field}.schema"),
        name=None if name is None else filled_text(name, f"{field}.name"),
        description=None if description is None else a_string(description, f"{field}.description") or None,
        strict=None if strict is None else a_flag(strict, f"{field}.strict"),
    )


def a_flag(value: object, field: str) -> bool:
    """``true`` or ``false``."""
    if not isinstance(value, bool):
        raise InvalidRequest(f"{field} must be true or false; got {kind_of(value)}", field=field)
    return value
