"""Tools as Bedrock takes them: every name is mapped and mapped back, choices are fitted to the card."""

import json
import re
from typing import Any

from bedrock_words import FULL, ask, assistant, card, user

from llm_gateway.backends.bedrock.render import render
from llm_gateway.backends.bedrock.tool_names import wire_names
from llm_gateway.domain.content import Text, ToolResult, ToolUse
from llm_gateway.domain.requests import ModelCall, ReasoningWish, ToolChoice, ToolSpec

LEGAL = re.compile(r"[a-zA-Z0-9_-]{1,64}")
SCHEMA = {"type": "object"}
LONG = "mcp__github__" + "x" * 80
CLAUDE = card(
    *FULL, "forced_tools", "reasoning", base_id="anthropic.claude-sonnet-4-5-20250929-v1:0", max_output=64_000
)


def config_of(call: ModelCall) -> tuple[dict[str, Any], tuple[str, ...]]:
    rendered = render(call)
    return json.loads(rendered.body)["toolConfig"], rendered.warnings


def test_names_that_bedrock_takes_stay_as_they_are() -> None:
    assert wire_names(["a", "get_weather", "A-1", "a" * 64]) == {}


def test_other_names_become_legal_unique_and_stable() -> None:
    odd = ["a.b", "a/b", "a_b", LONG, LONG + "y", "größe", "...", "日本", "a" * 65]
    names = wire_names(odd)
    assert set(names) == set(odd) - {"a_b"}
    assert all(LEGAL.fullmatch(name) for name in names.values())
    assert len({*names.values(), "a_b"}) == len(odd)
    assert wire_names(["a.b"])["a.b"] == names["a.b"]
    assert names["a.b"].startswith("a_b_")
    taken = names["a.b"]
    assert wire_names(["a.b", taken])["a.b"] not in (taken, "a.b")


def test_definitions_choice_and_history_bear_the_same_name() -> None:
    call = ask(
        "Look",
        assistant(ToolUse("id:1", "a.b", {}), ToolUse("id:2", "plain", {})),
        user(ToolResult("id:1", (Text("x"),)), ToolResult("id:2", (Text("y"),))),
        tools=(ToolSpec("a.b", SCHEMA), ToolSpec("plain", SCHEMA)),
        tool_choice=ToolChoice("tool", "a.b"),
    )
    rendered = render(call)
    body = json.loads(rendered.body)
    sent = body["toolConfig"]["tools"][0]["toolSpec"]["name"]
    assert LEGAL.fullmatch(sent)
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": sent}}
    assert [block["toolUse"]["name"] for block in body["messages"][1]["content"]] == [sent, "plain"]
    assert [block["toolUse"]["toolUseId"] for block in body["messages"][1]["content"]] == ["id:1", "id:2"]
    assert rendered.reading.names == {sent: "a.b"}
    assert rendered.warnings == ()


def test_a_history_without_definitions_is_mapped_too() -> None:
    call = ask("Look", assistant(ToolUse("t", LONG, {})), user(ToolResult("t", (Text("x"),))))
    body = json.loads(render(call).body)
    name = body["toolConfig"]["tools"][0]["toolSpec"]["name"]
    assert body["messages"][1]["content"][0]["toolUse"]["name"] == name
    assert LEGAL.fullmatch(name)


def test_a_demand_for_a_tool_is_dropped_where_the_model_takes_none() -> None:
    for choice in (ToolChoice("any"), ToolChoice("tool", "a")):
        config, warnings = config_of(ask(tools=(ToolSpec("a", SCHEMA),), tool_choice=choice, card=card(*FULL)))
        assert config["toolChoice"] == {"auto": {}}
        assert "tool_choice" in warnings[0]
        config, warnings = config_of(ask(tools=(ToolSpec("a", SCHEMA),), tool_choice=choice, card=CLAUDE))
        assert config["toolChoice"] != {"auto": {}}
        assert warnings == ()


def test_claude_takes_no_demand_for_a_tool_while_it_thinks() -> None:
    config, warnings = config_of(
        ask(tools=(ToolSpec("a", SCHEMA),), tool_choice=ToolChoice("any"), card=CLAUDE, reasoning=ReasoningWish("low"))
    )
    assert config["toolChoice"] == {"auto": {}}
    assert "while it thinks" in warnings[-1]


def test_claude_is_asked_for_one_call_at_a_time() -> None:
    for choice in (None, ToolChoice("auto")):
        call = ask(tools=(ToolSpec("a", SCHEMA),), tool_choice=choice, parallel_tool_calls=False, card=CLAUDE)
        body = json.loads(render(call).body)
        told = {"type": "auto", "disable_parallel_tool_use": True}
        assert body["additionalModelRequestFields"] == {"tool_choice": told}
        assert "toolChoice" not in body["toolConfig"]
        assert render(call).warnings == ()


def test_one_call_at_a_time_is_not_asked_of_a_call_without_tools() -> None:
    for more in ({}, {"tools": (ToolSpec("a", SCHEMA),), "tool_choice": ToolChoice("none")}):
        rendered = render(ask(parallel_tool_calls=False, card=CLAUDE, **more))
        assert not json.loads(rendered.body).keys() & {"additionalModelRequestFields", "toolConfig"}
        assert rendered.warnings == ()


def test_one_call_at_a_time_cannot_be_asked_for_elsewhere() -> None:
    tools = (ToolSpec("a", SCHEMA),)
    old = card(*FULL, "forced_tools", base_id="anthropic.claude-3-haiku-20240307-v1:0")
    for more in ({"card": card(*FULL)}, {"card": old}, {"card": CLAUDE, "tool_choice": ToolChoice("any")}):
        rendered = render(ask(tools=tools, parallel_tool_calls=False, **more))
        assert "parallel_tool_calls" in rendered.warnings[0]
        assert "additionalModelRequestFields" not in json.loads(rendered.body)
    assert config_of(ask(tools=tools, parallel_tool_calls=True, card=CLAUDE))[1] == ()


def test_strict_goes_only_to_models_that_have_it() -> None:
    tools = (ToolSpec("a", SCHEMA, strict=True), ToolSpec("b", SCHEMA, strict=False))
    config, warnings = config_of(ask(tools=tools, card=card(*FULL)))
    assert not [tool for tool in config["tools"] if "strict" in tool["toolSpec"]]
    assert len(warnings) == 1
    config, warnings = config_of(ask(tools=tools, card=card(*FULL, "native_json_schema")))
    assert [tool["toolSpec"]["strict"] for tool in config["tools"]] == [True, False]
    assert warnings == ()


def test_a_schema_without_a_type_is_an_objects() -> None:
    config, _ = config_of(ask(tools=(ToolSpec("a", {"properties": {"x": {}}}), ToolSpec("b", {}))))
    assert [tool["toolSpec"]["inputSchema"]["json"]["type"] for tool in config["tools"]] == ["object", "object"]


def test_the_cache_point_of_a_tool_stands_behind_it() -> None:
    from llm_gateway.domain.content import CachePoint

    config, _ = config_of(ask(tools=(ToolSpec("a", SCHEMA, cache_point=CachePoint("1h")), ToolSpec("b", SCHEMA))))
    assert [*map(list, config["tools"])] == [["toolSpec"], ["cachePoint"], ["toolSpec"]]
    assert config["tools"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}


def test_a_tool_of_the_model_s_own_server_goes_out_by_its_name_alone() -> None:
    tools = (ToolSpec("look", SCHEMA), ToolSpec("nova_code_interpreter", {}, is_system=True))
    config, warnings = config_of(ask("Look", tools=tools, tool_choice=ToolChoice("any")))
    assert [list(entry) for entry in config["tools"]] == [["toolSpec"], ["systemTool"]]
    assert config["tools"][1] == {"systemTool": {"name": "nova_code_interpreter"}}
    assert warnings == ()
