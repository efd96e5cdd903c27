"""Cache points stand where Bedrock takes them: four at most, behind enough text, in the order of their lives."""

import json
from typing import Any

import pytest
from bedrock_words import FULL, ask, assistant, card, user

from llm_gateway.backends.bedrock.render import render
from llm_gateway.domain.content import CachePoint, Text, ToolResult, ToolUse
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import ModelCall, ToolSpec

CLAUDE = card(*FULL, "prompt_cache", base_id="anthropic.claude-sonnet-4-5-20250929-v1:0", cache_min_tokens=1_024)
NOVA = card(*FULL, "prompt_cache", cache_min_tokens=1_000)
LONG = "word " * 2_000
TOOL = ToolSpec("look", {"type": "object", "description": LONG})
SMALL = ToolSpec("look", {"type": "object"})
POINT, HOUR = {"cachePoint": {"type": "default"}}, {"cachePoint": {"type": "default", "ttl": "1h"}}


def points_of(call: ModelCall) -> list[str]:
    body: dict[str, Any] = json.loads(render(call).body)
    parts = [("tools", body.get("toolConfig", {}).get("tools", [])), ("system", body.get("system", []))]
    parts += [(f"messages[{at}]", turn["content"]) for at, turn in enumerate(body["messages"])]
    found = [
        (name, part["cachePoint"].get("ttl", "")) for name, blocks in parts for part in blocks if "cachePoint" in part
    ]
    return [f"{name} {ttl}".strip() for name, ttl in found]


def test_a_conversation_is_kept_from_turn_to_turn() -> None:
    call = ask("a", assistant("b"), "c", tools=(TOOL,), system=(Text(LONG),), cache_prompt=True, card=CLAUDE)
    assert points_of(call) == ["tools", "system", "messages[0]", "messages[2]"]
    assert render(call).warnings == ()


def test_a_single_question_is_not_worth_a_point() -> None:
    assert points_of(ask(LONG, cache_prompt=True, card=CLAUDE)) == []
    assert points_of(ask(LONG, system=(Text(LONG),), cache_prompt=True, card=CLAUDE)) == ["system"]


def test_what_is_too_short_gets_no_point() -> None:
    assert points_of(ask("a", system=(Text("b"),), tools=(SMALL,), cache_prompt=True, card=CLAUDE)) == []
    assert points_of(ask("a", assistant("b"), LONG, system=(Text("b"),), cache_prompt=True, card=CLAUDE)) == [
        "messages[2]"
    ]


def test_nova_keeps_no_tools() -> None:
    call = ask("a", assistant("b"), "c", tools=(TOOL,), system=(Text("s"),), cache_prompt=True, card=NOVA)
    assert points_of(call) == ["system", "messages[0]", "messages[2]"]


def test_the_callers_points_count() -> None:
    system = (Text(LONG), CachePoint(), Text("x"), CachePoint(), Text("y"), CachePoint())
    call = ask("a", assistant("b"), "c", system=system, tools=(TOOL,), cache_prompt=True, card=CLAUDE)
    assert points_of(call) == ["system", "system", "system", "messages[2]"]
    call = ask(
        "a", assistant("b"), user("c", CachePoint()), system=(Text(LONG), CachePoint()), cache_prompt=True, card=CLAUDE
    )
    assert points_of(call) == ["system", "messages[0]", "messages[2]"]


def test_ours_live_as_long_as_the_callers_that_follow() -> None:
    call = ask(
        user("a", CachePoint("1h")),
        assistant("b"),
        "c",
        system=(Text(LONG),),
        tools=(TOOL,),
        cache_prompt=True,
        card=CLAUDE,
    )
    assert points_of(call) == ["tools 1h", "system 1h", "messages[0] 1h", "messages[2]"]


def test_the_callers_longest_life_decides_wherever_it_stands() -> None:
    kept = ToolSpec("look", TOOL.input_schema, cache_point=CachePoint("1h"))
    call = ask("a", assistant("b"), "c", system=(Text(LONG),), tools=(kept,), cache_prompt=True, card=CLAUDE)
    assert points_of(call) == ["tools 1h", "system", "messages[0]", "messages[2]"]
    system = (Text(LONG), CachePoint("1h"), Text("x"))
    call = ask("a", assistant("b"), "c", system=system, tools=(TOOL,), cache_prompt=True, card=CLAUDE)
    assert points_of(call) == ["system 1h", "system", "messages[0]", "messages[2]"]


def test_results_of_tools_may_end_the_prefix() -> None:
    call = ask(
        LONG,
        assistant(ToolUse("t", "look", {})),
        user(ToolResult("t", (Text("x"),))),
        tools=(SMALL,),
        cache_prompt=True,
        card=CLAUDE,
    )
    assert points_of(call) == ["messages[0]", "messages[2]"]


def test_without_a_prompt_cache_there_are_no_points_but_a_warning() -> None:
    plain = card(*FULL)
    for call in (
        ask(LONG, assistant("b"), "c", cache_prompt=True, card=plain),
        ask(user(LONG, CachePoint("1h"), "c"), system=(Text("s"), CachePoint("1h")), card=plain),
        ask("a", tools=(ToolSpec("look", {"type": "object"}, cache_point=CachePoint()),), card=plain),
    ):
        assert points_of(call) == []
        assert "prompt caching" in render(call).warnings[0]


def test_a_model_without_a_card_gets_the_callers_points_only() -> None:
    call = ask(user(LONG, CachePoint("1h"), "c"), system=(Text("s"), CachePoint("1h")), cache_prompt=True)
    assert points_of(call) == ["system 1h", "messages[0] 1h"]
    assert "cache_prompt" in render(call).warnings[0]


def test_nova_keeps_everything_for_five_minutes() -> None:
    tools = (ToolSpec("look", {"type": "object"}, cache_point=CachePoint("1h")),)
    call = ask(user(LONG, CachePoint("1h"), "c"), system=(Text("s"), CachePoint("1h")), tools=tools, card=NOVA)
    assert points_of(call) == ["system", "messages[0]"]
    assert len(render(call).warnings) == 2


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (ask(user("a", CachePoint("1h")), system=(Text("s"), CachePoint())), "messages[0].content[1]"),
        (ask("a", system=(Text("s"), CachePoint("5m"), Text("t"), CachePoint("1h"))), "system[3]"),
        (
            ask("a", system=(Text("s"), CachePoint("1h")), tools=(ToolSpec("t", {}, cache_point=CachePoint()),)),
            "system[1]",
        ),
    ],
)
def test_a_longer_life_may_not_follow_a_shorter_one(call: ModelCall, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        render(call)
    assert caught.value.field == field
