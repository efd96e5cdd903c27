"""What ``generate`` takes beside the conversation: what it becomes, and how wrong arguments are refused."""

from typing import Any

import jsonschema
import pytest

from llm_gateway.domain.content import CachePoint
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import (
    GenerateRequest,
    GuardrailWish,
    ReasoningWish,
    ResponseFormat,
    ToolChoice,
    ToolSpec,
)
from llm_gateway.surfaces.call_arguments import MORE_ARGUMENTS
from llm_gateway.surfaces.generate_arguments import decode_generate
from llm_gateway.surfaces.tool_schemas import GENERATE_INPUT

ASKED: dict[str, Any] = {"model": "nova-lite", "messages": [{"role": "user", "content": "hi"}]}
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "integer"}}}
FORM: dict[str, Any] = {"type": "json_schema", "json_schema": {"schema": SCHEMA}}


def decoded(**more: Any) -> GenerateRequest:
    jsonschema.validate(ASKED | more, GENERATE_INPUT)
    return decode_generate(ASKED | more)


def test_null_is_as_good_as_left_out() -> None:
    assert decode_generate(ASKED | dict.fromkeys(MORE_ARGUMENTS)) == decode_generate(ASKED)


def test_the_schema_names_every_argument() -> None:
    properties = GENERATE_INPUT["properties"]
    assert isinstance(properties, dict)
    assert set(MORE_ARGUMENTS) < set(properties)


def test_everything_beside_the_conversation() -> None:
    asked = decoded(
        tools=[{"name": "a.b", "description": "A", "input_schema": SCHEMA, "strict": True}],
        tool_choice="required",
        parallel_tool_calls=False,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "n", "description": "d", "schema": SCHEMA, "strict": True},
        },
        reasoning={"effort": "high"},
        guardrail={"id": "gr", "version": 3, "trace": "enabled", "stream_mode": "async"},
        service_tier="flex",
        latency="optimized",
        metadata={"team": "a"},
        additional_model_request_fields={"top_k": 5},
        cache_prompt=True,
    )
    assert asked.tools == (ToolSpec("a.b", SCHEMA, "A", True),)
    assert asked.tool_choice == ToolChoice("any")
    assert asked.parallel_tool_calls is False
    assert asked.response_format == ResponseFormat("json_schema", SCHEMA, "n", "d", True)
    assert asked.reasoning == ReasoningWish("high")
    assert asked.guardrail == GuardrailWish("gr", "3", "enabled", "async")
    assert (asked.service_tier, asked.latency) == ("flex", "optimized")
    assert asked.metadata == {"team": "a"}
    assert asked.extra_fields == {"top_k": 5}
    assert asked.cache_prompt is True


def test_tools_are_read_in_three_spellings() -> None:
    tool = ToolSpec("look", SCHEMA, "Looks")
    asked = decoded(
        tools=[
            {"name": "look", "description": "Looks", "inputSchema": SCHEMA, "title": "Look", "annotations": {}},
            {"toolSpec": {"name": "look2", "description": "Looks", "inputSchema": {"json": SCHEMA}}},
            {"cachePoint": {"type": "default", "ttl": "1h"}},
            {"type": "function", "function": {"name": "look3", "description": "Looks", "parameters": SCHEMA}},
            {"name": "bare", "description": ""},
            {"cachePoint": {}},
        ]
    )
    assert asked.tools[0] == tool
    assert asked.tools[1] == ToolSpec("look2", SCHEMA, "Looks", cache_point=CachePoint("1h"))
    assert asked.tools[2] == ToolSpec("look3", SCHEMA, "Looks")
    assert asked.tools[3] == ToolSpec("bare", {"type": "object", "properties": {}}, cache_point=CachePoint())


@pytest.mark.parametrize(
    ("written", "choice"),
    [
        ("auto", ToolChoice("auto")),
        ("any", ToolChoice("any")),
        ("none", ToolChoice("none")),
        ({"name": "a"}, ToolChoice("tool", "a")),
        ({"type": "tool", "name": "a"}, ToolChoice("tool", "a")),
        ({"tool": {"name": "a"}}, ToolChoice("tool", "a")),
        ({"type": "function", "function": {"name": "a"}}, ToolChoice("tool", "a")),
        ({"auto": {}}, ToolChoice("auto")),
        ({"any": {}}, ToolChoice("any")),
        ({"type": "none"}, ToolChoice("none")),
    ],
)
def test_a_choice_is_read_in_many_spellings(written: Any, choice: ToolChoice) -> None:
    assert decoded(tool_choice=written).tool_choice == choice


def test_text_is_no_form_and_thinking_needs_no_measure() -> None:
    assert decoded(response_format={"type": "text"}).response_format is None
    assert decoded(response_format={"type": "json_object"}).response_format == ResponseFormat("json_object")
    assert decoded(response_format=FORM).response_format == ResponseFormat("json_schema", SCHEMA)
    assert decoded(reasoning={}).reasoning == ReasoningWish()
    assert decoded(reasoning={"budget_tokens": 2048}).reasoning == ReasoningWish(budget_tokens=2048)
    assert decoded(guardrail={"id": "g", "version": "DRAFT"}).guardrail == GuardrailWish("g", "DRAFT")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an object of tools": ({"tools": {}}, "tools"),
    "a word as tool": ({"tools": ["look"]}, "tools[0]"),
    "a nameless tool": ({"tools": [{}]}, "tools[0].name"),
    "a blank name": ({"tools": [{"name": " "}]}, "tools[0].name"),
    "an odd member": ({"tools": [{"name": "a", "args": {}}]}, "tools[0].args"),
    "a list as schema": ({"tools": [{"name": "a", "input_schema": []}]}, "tools[0].input_schema"),
    "NaN in a schema": ({"tools": [{"name": "a", "input_schema": {"x": float("nan")}}]}, "tools[0].input_schema.x"),
    "a schema of strings": (
        {"tools": [{"name": "a", "input_schema": {"type": "string"}}]},
        "tools[0].input_schema.type",
    ),
    "a number as description": ({"tools": [{"name": "a", "description": 1}]}, "tools[0].description"),
    "a word as strict": ({"tools": [{"name": "a", "strict": "yes"}]}, "tools[0].strict"),
    "two of a name": ({"tools": [{"name": "a"}, {"name": "a"}]}, "tools[1].name"),
    "a toolSpec and more": ({"tools": [{"toolSpec": {}, "x": 1}]}, "tools[0].x"),
    "a toolSpec without a schema": ({"tools": [{"toolSpec": {"name": "a"}}]}, "tools[0].toolSpec.inputSchema"),
    "a function without a name": ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
    "a function that is none": ({"tools": [{"type": "function"}]}, "tools[0].function"),
    "a first cache point": ({"tools": [{"cachePoint": {}}]}, "tools[0]"),
    "a day of caching": ({"tools": [{"name": "a"}, {"cachePoint": {"ttl": "1d"}}]}, "tools[1].cachePoint.ttl"),
    "an odd choice": ({"tool_choice": "maybe"}, "tool_choice"),
    "a number as choice": ({"tool_choice": 1}, "tool_choice"),
    "a choice of nothing": ({"tool_choice": {}}, "tool_choice.name"),
    "an odd type of choice": ({"tool_choice": {"type": "maybe"}}, "tool_choice.type"),
    "a choice of two": ({"tool_choice": {"name": "a", "other": "b"}}, "tool_choice.other"),
    "maybe parallel": ({"parallel_tool_calls": 1}, "parallel_tool_calls"),
    "a word as form": ({"response_format": "json"}, "response_format"),
    "an odd form": ({"response_format": {"type": "xml"}}, "response_format.type"),
    "a form without a schema": ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    "a schema that is none": (
        {"response_format": {"type": "json_schema", "json_schema": {}}},
        "response_format.json_schema.schema",
    ),
    "odd effort": ({"reasoning": {"effort": "some"}}, "reasoning.effort"),
    "no budget": ({"reasoning": {"budget_tokens": 0}}, "reasoning.budget_tokens"),
    "both": ({"reasoning": {"effort": "low", "budget_tokens": 1024}}, "reasoning"),
    "odd thinking": ({"reasoning": {"efort": "low"}}, "reasoning.efort"),
    "a guardrail without an id": ({"guardrail": {"version": "1"}}, "guardrail.id"),
    "a guardrail without a version": ({"guardrail": {"id": "g"}}, "guardrail.version"),
    "version 0": ({"guardrail": {"id": "g", "version": 0}}, "guardrail.version"),
    "an odd trace": ({"guardrail": {"id": "g", "version": "1", "trace": True}}, "guardrail.trace"),
    "an odd mode": ({"guardrail": {"id": "g", "version": "1", "stream_mode": "x"}}, "guardrail.stream_mode"),
    "an odd tier": ({"service_tier": "gold"}, "service_tier"),
    "odd latency": ({"latency": "fast"}, "latency"),
    "17 pairs": ({"metadata": {str(at): "v" for at in range(17)}}, "metadata"),
    "a number as metadata": ({"metadata": {"k": 1}}, "metadata.k"),
    "a list of fields": ({"additional_model_request_fields": []}, "additional_model_request_fields"),
    "maybe cached": ({"cache_prompt": "yes"}, "cache_prompt"),
    "an unknown argument": ({"cache_promt": True}, "cache_promt"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_argument_is_refused_by_name(name: str) -> None:
    more, field = REFUSED[name]
    with pytest.raises(InvalidRequest) as caught:
        decode_generate(ASKED | more)
    assert caught.value.field == field
    assert field.split("[")[0].split(".")[0] in caught.value.message


def test_a_tool_of_bedrock_s_servers_is_named_alone() -> None:
    (tool,) = decoded(tools=[{"systemTool": {"name": "nova_grounding"}}]).tools
    assert (tool.name, tool.is_system) == ("nova_grounding", True)
    with pytest.raises(InvalidRequest) as refused:
        decoded(tools=[{"systemTool": {"name": "nova_grounding", "input": {}}}])
    assert refused.value.field == "tools[0].systemTool.input"
