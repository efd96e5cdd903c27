"""Whatever Converse would refuse is refused before AWS is asked, with its field."""

import json
import math
from typing import Any

import pytest
from bedrock_words import ask, assistant, user

from llm_gateway.backends.bedrock.converse_json import read_message, read_request
from llm_gateway.backends.bedrock.render import render
from llm_gateway.domain.content import (
    Block,
    CachePoint,
    Media,
    Message,
    Native,
    Reasoning,
    Text,
    ToolResult,
    ToolUse,
)
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import ModelCall, ToolChoice, ToolSpec

SCHEMA = {"type": "object"}
DEEP: Any = []
for _ in range(150):
    DEEP = [DEEP]
DEEPER: Any = []
for _ in range(100_000):
    DEEPER = [DEEPER]

REFUSED: dict[str, tuple[ModelCall, str]] = {
    "no model": (ask(model=""), "model"),
    "a long model": (ask(model="m" * 2_049), "model"),
    "a negative temperature": (ask(temperature=-0.1), "temperature"),
    "a high temperature": (ask(temperature=2.1), "temperature"),
    "NaN as temperature": (ask(temperature=math.nan), "temperature"),
    "truth as temperature": (ask(temperature=True), "temperature"),
    "a word as temperature": (ask(temperature="hot"), "temperature"),
    "infinite top_p": (ask(top_p=math.inf), "top_p"),
    "a high top_p": (ask(top_p=1.1), "top_p"),
    "no tokens": (ask(max_tokens=0), "max_tokens"),
    "true tokens": (ask(max_tokens=True), "max_tokens"),
    "half a token": (ask(max_tokens=1.5), "max_tokens"),
    "too many stops": (ask(stop_sequences=("x",) * 2_501), "stop_sequences"),
    "an empty stop": (ask(stop_sequences=("a", "")), "stop_sequences[1]"),
    "a tool without a name": (ask(tools=(ToolSpec("", SCHEMA),)), "tools[0].name"),
    "a blank tool": (ask(tools=(ToolSpec("a", SCHEMA), ToolSpec(" ", SCHEMA))), "tools[1].name"),
    "an endless tool": (ask(tools=(ToolSpec("a" * 513, SCHEMA),)), "tools[0].name"),
    "half a surrogate in a tool": (ask(tools=(ToolSpec("a\ud800", SCHEMA),)), "tools[0].name"),
    "a tool kept for a day": (
        ask(tools=(ToolSpec("a", SCHEMA, cache_point=CachePoint("1d")),)),
        "tools[0].cache_point.ttl",
    ),
    "a tool twice": (ask(tools=(ToolSpec("a", SCHEMA), ToolSpec("a", SCHEMA))), "tools[1].name"),
    "an empty description": (ask(tools=(ToolSpec("a", SCHEMA, ""),)), "tools[0].description"),
    "NaN in a schema": (
        ask(tools=(ToolSpec("a", {"type": "object", "properties": {"x": {"maximum": math.nan}}}),)),
        "tools[0].input_schema.properties.x.maximum",
    ),
    "an unknown choice": (ask(tools=(ToolSpec("a", SCHEMA),), tool_choice=ToolChoice("tool", "b")), "tool_choice"),
    "a choice without tools": (ask(tool_choice=ToolChoice("any")), "tool_choice"),
    "NaN in extra fields": (ask(extra_fields={"a": [1, {"b": math.inf}]}), "extra_fields.a[1].b"),
    "a set in extra fields": (ask(extra_fields={"a": {1, 2}}), "extra_fields.a"),
    "a number as key": (ask(extra_fields={"a": {1: {2, 3}}}), "extra_fields.a"),
    "a deep nest": (ask(extra_fields={"a": [math.nan, DEEP][::-1]}), "extra_fields"),
    "a deeper nest": (ask(extra_fields={"a": DEEPER}), "extra_fields"),
    "a blank system": (ask(system=(Text("a"), Text(" \n"))), "system[1]"),
    "an image as system": (ask(system=(Media("image", "png", {"bytes": "aGk="}),)), "system[0]"),
    "five cache points": (
        ask(user("a", CachePoint(), "b", CachePoint()), system=(Text("s"), *[CachePoint()] * 3)),
        "messages",
    ),
    "a first cache point": (ask(user(CachePoint(), "a")), "messages[0].content[0]"),
}
BLOCKS: dict[str, tuple[Block, str]] = {
    "an empty text": (Text(""), ""),
    "half a surrogate": (Text("ok \ud800"), ""),
    "white space of other scripts": (Text("\u3000"), ""),
    "a tiff": (Media("image", "tiff", {"bytes": "aGk="}), ".format"),
    "empty bytes": (Media("image", "png", {"bytes": ""}), ".source.bytes"),
    "no base64": (Media("image", "png", {"bytes": "a*b="}), ".source.bytes"),
    "half base64": (Media("image", "png", {"bytes": "aGk"}), ".source.bytes"),
    "numbers for bytes": (Media("image", "png", {"bytes": 7}), ".source.bytes"),
    "two sources": (Media("image", "png", {"bytes": "aGk=", "s3Location": {"uri": "s3://abc/d"}}), ".source"),
    "no source": (Media("image", "png", {}), ".source"),
    "an image of text": (Media("image", "png", {"text": "x"}), ".source"),
    "a web address": (Media("video", "mp4", {"s3Location": {"uri": "https://x"}}), ".source.s3Location"),
    "half a surrogate in a name": (Media("document", "pdf", {"bytes": "aGk="}, name="\ud800"), ".name"),
    "a blank document": (Media("document", "txt", {"text": " "}, name="a"), ".source.text"),
    "a document of nothing": (Media("document", "txt", {"content": []}, name="a"), ".source.content"),
    "NaN beside a document": (
        Media("document", "txt", {"text": "x"}, name="a", options={"x": math.nan}),
        ".x",
    ),
    "a call by the user": (ToolUse("t", "n", {}), ""),
    "the user's reasoning": (Reasoning("I think"), ""),
    "a ttl of a day": (CachePoint("1d"), ".ttl"),
    "an empty block": (Native("", None), ""),
    "NaN in a native block": (Native("searchResult", {"a": math.nan}), ".a"),
    "a result with a strange id": (ToolResult("a b", ()), ".tool_use_id"),
    "an error without a word": (ToolResult("t", (), "error"), ""),
    "a call in a result": (ToolResult("t", (ToolUse("t", "n", {}),)), ".content[0]"),
    "a sound in a result": (ToolResult("t", (Media("audio", "mp3", {"bytes": "aGk="}),)), ".content[0]"),
    "a tiff in a result": (ToolResult("t", (Media("image", "tiff", {"bytes": "aGk="}),)), ".content[0].format"),
    "half a surrogate in a result": (ToolResult("t", (Text("\ud800"),)), ".content[0]"),
}
SPOKEN: dict[str, tuple[Block, str]] = {
    "a call with a strange id": (ToolUse("a b", "n", {}), ".id"),
    "a call of a blank tool": (ToolUse("t", " ", {}), ".name"),
    "NaN in a call": (ToolUse("t", "n", {"x": {"y": math.nan}}), ".input.x.y"),
    "reasoning of nothing": (Reasoning(), ""),
    "reasoning of both": (Reasoning("a", redacted="aGk="), ""),
    "redacted no base64": (Reasoning(redacted="***"), ".redacted"),
}


def refusal(call: ModelCall) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        render(call)
    assert len(caught.value.message) < 400
    return caught.value


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_converse_refuses_is_refused_with_its_field(name: str) -> None:
    call, field = REFUSED[name]
    assert refusal(call).field == field


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_that_converse_refuses_is_refused_with_its_field(name: str) -> None:
    block, field = BLOCKS[name]
    assert refusal(ask("a", assistant("b"), user("c", block))).field == f"messages[2].content[1]{field}"


@pytest.mark.parametrize("name", SPOKEN)
def test_a_block_of_the_assistant_is_checked_too(name: str) -> None:
    block, field = SPOKEN[name]
    assert refusal(ask("a", assistant(block), "c")).field == f"messages[1].content[0]{field}"


def test_messages_are_needed_and_have_content() -> None:
    call = ask("x")
    empty = type(call.request)(model="m", messages=())
    assert refusal(ModelCall(empty, call.model)).field == "messages"
    assert refusal(ask("a", assistant())).field == "messages[1].content"
    assert refusal(ask(" \n")).field == "messages[0].content"
    strange: Any = "robot"
    assert refusal(ask(Message(strange, (Text("a"),)))).field == "messages[0].role"


def test_white_space_beside_a_text_is_the_models_affair() -> None:
    assert json.loads(render(ask(user("a", "\n"))).body)["messages"][0]["content"][1] == {"text": "\n"}


def test_a_surrogate_deep_in_json_is_refused() -> None:
    assert "UTF-8" in refusal(ask(extra_fields={"a": "\ud800"})).message


def test_long_bytes_are_looked_at_from_both_ends() -> None:
    image = Media("image", "png", {"bytes": "aGk0" * 100_000})
    assert render(ask(user("a", image))).body
    assert refusal(ask(user("a", Media("image", "png", {"bytes": "aGk0" * 100_000 + "a*k="})))).field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"messages": [{"role": "system", "content": []}]}, "messages[0].role"),
        ({"messages": [], "inferenceConfig": {"temperature": "hot"}}, "temperature"),
        ({"messages": [], "inferenceConfig": {"maxTokens": 1.5}}, "max_tokens"),
        ({"messages": [], "inferenceConfig": {"topP": True}}, "top_p"),
    ],
)
def test_a_converse_body_of_a_wrong_shape_is_refused(body: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request("m", body)
    assert caught.value.field == field


def test_what_has_no_place_is_named() -> None:
    body: dict[str, Any] = {
        "messages": [],
        "guardrailConfig": {},
        "toolConfig": {"tools": [{"cachePoint": {"type": "default"}}], "toolChoice": {"tool": {"name": "x"}}},
    }
    request, left = read_request("m", body)
    assert left == ("guardrailConfig", "toolConfig.tools.cachePoint")
    assert request.tool_choice == ToolChoice("tool", "x")


def test_a_block_we_cannot_read_stays_whole() -> None:
    turn = read_message(
        {
            "role": "assistant",
            "content": [
                {"p": "abc"},
                {"novelty": {"a": 1}},
                {"toolUse": {"name": "n"}},
                {"toolResult": {"status": "odd"}},
                {"image": {"format": "png"}},
                {"reasoningContent": {}},
                {"text": 7},
            ],
        },
        "messages[0]",
    )
    assert turn.content == (
        Native("", None),
        Native("novelty", {"a": 1}),
        Native("toolUse", {"name": "n"}),
        Native("toolResult", {"status": "odd"}),
        Native("image", {"format": "png"}),
        Native("reasoningContent", {}),
        Native("text", 7),
    )
