"""JSON as the answer's form: the model's own way, a tool nobody sees, or words; checked against the schema."""

import json
from typing import Any

import orjson
import pytest
from bedrock_words import FULL, ask, assistant, card, user

from llm_gateway.backends.bedrock.asked import Asked
from llm_gateway.backends.bedrock.format_check import format_fault, load
from llm_gateway.backends.bedrock.parse import Told, complete_stream, deltas_of, parse_whole, partial_stream
from llm_gateway.backends.bedrock.reading import Reading, bare_json
from llm_gateway.backends.bedrock.reading_transcript import transcript_for
from llm_gateway.backends.bedrock.render import render
from llm_gateway.domain.completions import Completion, Delta, TextDelta, ToolInputDelta, ToolUseStart
from llm_gateway.domain.content import Reasoning, Text, ToolResult, ToolUse, text_of
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import ModelCall, ReasoningWish, ResponseFormat, ToolChoice, ToolSpec

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
WANTED = ResponseFormat("json_schema", SCHEMA, "person", "Who it is")
NATIVE = card(*FULL, "native_json_schema", base_id="qwen.qwen3-32b-v1:0")
CLAUDE = card(*FULL, "native_json_schema", "forced_tools", base_id="anthropic.claude-sonnet-4-5-20250929-v1:0")
FORCED = card(*FULL, "forced_tools")
PLAIN = card(*FULL)
OWN = ToolSpec("look", {"type": "object"})


def body_of(call: ModelCall) -> dict[str, Any]:
    return json.loads(render(call).body)


def sent_schema(wanted: ResponseFormat) -> Any:
    body = body_of(ask(response_format=wanted, card=CLAUDE))
    if "outputConfig" not in body:
        return None
    return json.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"])


# --- how it is asked for ----------------------------------------------------------------------------------------------


def test_a_model_with_its_own_way_gets_the_schema_as_text() -> None:
    form = body_of(ask(response_format=WANTED, card=NATIVE))["outputConfig"]["textFormat"]
    assert form["type"] == "json_schema"
    assert form["structure"]["jsonSchema"] == {
        "schema": '{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}',
        "name": "person",
        "description": "Who it is",
    }


def test_claude_gets_its_objects_closed() -> None:
    deep: dict[str, Any] = {
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": SCHEMA, "minItems": 2},
            "b": {"enum": [None, {}]},
            "minimum": {"type": "integer", "minimum": 0, "maximum": 9, "description": "The least"},
            "c": {"anyOf": [SCHEMA, True]},
        },
    }
    told = sent_schema(ResponseFormat("json_schema", deep))
    assert told["additionalProperties"] is False
    closed = {**SCHEMA, "additionalProperties": False}
    assert told["properties"]["a"] == {"type": "array", "items": closed, "description": "(minItems: 2)"}
    assert told["properties"]["c"] == {"anyOf": [closed, True]}
    assert told["properties"]["minimum"] == {"type": "integer", "description": "The least (minimum: 0, maximum: 9)"}
    assert told["properties"]["b"] == {"enum": [None, {}]}
    bottomless: dict[str, Any] = {}
    for _ in range(99):
        bottomless = {"items": bottomless}
    assert sent_schema(ResponseFormat("json_schema", {**SCHEMA, "items": {"items": bottomless}})) is None
    opened: list[dict[str, Any]] = [
        {"type": "object"},
        {**SCHEMA, "additionalProperties": {"type": "string"}},
        {"patternProperties": {"^a": {}}},
    ]
    for open_one in opened:
        assert sent_schema(ResponseFormat("json_schema", open_one)) is None
        assert sent_schema(ResponseFormat("json_schema", {**SCHEMA, "anyOf": [open_one]})) is None
    endless: dict[str, Any] = {}
    endless["properties"] = {"x": endless}
    with pytest.raises(InvalidRequest):
        render(ask(response_format=ResponseFormat("json_schema", endless), card=CLAUDE))


def test_elsewhere_a_tool_must_be_called() -> None:
    rendered = render(ask(response_format=WANTED, card=FORCED))
    config = json.loads(rendered.body)["toolConfig"]
    assert config["toolChoice"] == {"tool": {"name": "person"}}
    assert config["tools"][0]["toolSpec"]["inputSchema"]["json"] == SCHEMA
    assert rendered.reading.text_tool == "person"
    assert rendered.warnings == ()
    nameless = ResponseFormat("json_schema", {"properties": {}})
    config = body_of(ask(response_format=nameless, card=FORCED))["toolConfig"]
    assert config["toolChoice"] == {"tool": {"name": "json_answer"}}
    assert config["tools"][0]["toolSpec"]["inputSchema"]["json"]["type"] == "object"


def test_a_model_nobody_knows_is_not_forced_while_it_thinks() -> None:
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    assert render(ask(response_format=WANTED)).reading.text_tool == "person"
    assert render(ask(response_format=WANTED, extra_fields=thinking)).reading.bare


def test_beside_the_callers_tools_one_of_all_must_be_called() -> None:
    for choice in (None, ToolChoice("auto")):
        config = body_of(ask(response_format=WANTED, tools=(OWN,), tool_choice=choice, card=FORCED))["toolConfig"]
        assert config["toolChoice"] == {"any": {}}
        assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["look", "person"]
    taken = (ToolSpec("person", SCHEMA), ToolSpec("person_2", SCHEMA))
    config = body_of(ask(response_format=WANTED, tools=taken, card=FORCED))["toolConfig"]
    assert config["tools"][2]["toolSpec"]["name"] == "person_3"


def test_a_demand_for_the_callers_tool_leaves_no_room_for_text() -> None:
    for choice in (ToolChoice("any"), ToolChoice("tool", "look")):
        rendered = render(ask(response_format=WANTED, tools=(OWN,), tool_choice=choice, card=FORCED))
        assert len(json.loads(rendered.body)["toolConfig"]["tools"]) == 1
        assert rendered.reading.format is None


def test_no_call_of_the_callers_tools_still_allows_the_answer() -> None:
    none = ToolChoice("none")
    config = body_of(ask(response_format=WANTED, tools=(OWN,), tool_choice=none, card=FORCED))["toolConfig"]
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["person"]
    history = ("Look", assistant(ToolUse("t", "look", {})), user(ToolResult("t", (Text("x"),))))
    config = body_of(ask(*history, response_format=WANTED, tools=(OWN,), tool_choice=none, card=FORCED))["toolConfig"]
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["look", "person"]
    assert config["toolChoice"] == {"tool": {"name": "person"}}


def test_where_no_tool_can_be_demanded_words_must_do() -> None:
    thinking = card(*FULL, "forced_tools", "reasoning", base_id="anthropic.claude-3-7-sonnet", max_output=64_000)
    for call in (
        ask(response_format=WANTED, card=PLAIN),
        ask(response_format=WANTED, reasoning=ReasoningWish("low"), card=thinking),
        ask(response_format=ResponseFormat("json_schema", {"type": "array"}), card=FORCED),
        ask(response_format=ResponseFormat("json_object"), card=FORCED),
    ):
        rendered = render(call)
        body = json.loads(rendered.body)
        assert "JSON" in body["system"][-1]["text"]
        assert "toolConfig" not in body
        assert rendered.reading.bare
    without = card("streaming")
    assert "JSON" in body_of(ask(response_format=WANTED, card=without))["messages"][0]["content"][0]["text"]


def test_a_schema_is_needed_and_must_be_json() -> None:
    for wanted, field in (
        (ResponseFormat("json_schema"), "response_format"),
        (ResponseFormat("json_schema", {"a": float("nan")}), "response_format.schema.a"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            render(ask(response_format=wanted))
        assert caught.value.field == field


# --- how the answer is read back --------------------------------------------------------------------------------------


def asked(reading: Reading) -> Asked:
    return Asked(ask(), (), "", reading)


def whole(reading: Reading, *content: dict[str, Any], stop: str = "tool_use") -> Completion:
    answer = {
        "output": {"message": {"role": "assistant", "content": [*content]}},
        "stopReason": stop,
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    }
    return parse_whole(orjson.dumps(answer), asked(reading), Told())


def streamed(
    reading: Reading, *content: dict[str, Any], stop: str = "tool_use", pieces: int = 3
) -> tuple[Completion, list[Delta]]:
    """The same content as the events of a stream."""
    transcript, deltas = transcript_for(reading), list[Delta]()

    def say(name: str, event: dict[str, Any]) -> None:
        transcript.take(name, orjson.dumps(event), deltas)

    for at, block in enumerate(content):
        if "toolUse" in block:
            call = block["toolUse"]
            say("contentBlockStart", {"contentBlockIndex": at, "start": {"toolUse": {**call, "input": None}}})
            text = (
                call["input"] if isinstance(call["input"], str) else json.dumps(call["input"]) if call["input"] else ""
            )
            said = [{"toolUse": {"input": text[i : i + pieces]}} for i in range(0, len(text), pieces)]
        else:
            said = [{"text": block["text"][i : i + pieces]} for i in range(0, len(block["text"]), pieces)]
        for delta in said:
            say("contentBlockDelta", {"contentBlockIndex": at, "delta": delta})
        say("contentBlockStop", {"contentBlockIndex": at})
    say("messageStop", {"stopReason": stop})
    say("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}})
    assert partial_stream(transcript, asked(reading), Told()).blocks == transcript.blocks_so_far()
    return complete_stream(transcript, asked(reading), Told()), deltas


def call_of(name: str, given: object) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": f"id_{name}", "name": name, "input": given}}


def text_in(deltas: list[Delta]) -> str:
    return "".join([delta.text for delta in deltas if isinstance(delta, TextDelta)])


TOOL = Reading(text_tool="person", format=WANTED)
BARE = Reading(format=WANTED, bare=True)
ANN: dict[str, Any] = {"name": "Ann"}

# reading, content, stop reason, the text, finish reason, whether it fits
ANSWERS: dict[str, tuple[Reading, list[dict[str, Any]], str, Any, str, bool]] = {
    "the tool's input is the text": (TOOL, [call_of("person", ANN)], "tool_use", ANN, "stop", True),
    "words before it go": (TOOL, [{"text": "Sure."}, call_of("person", ANN)], "tool_use", ANN, "stop", True),
    "words behind it go": (TOOL, [call_of("person", ANN), {"text": "Done."}], "tool_use", ANN, "stop", True),
    "only the first call counts": (
        TOOL, [call_of("person", ANN), call_of("person", {"name": "Bo"})], "tool_use", ANN, "stop", True,
    ),
    "an empty input is an empty object": (TOOL, [call_of("person", {})], "tool_use", {}, "stop", False),
    "an answer without the tool stays": (TOOL, [{"text": '{"name": "Ann"}'}], "end_turn", ANN, "stop", True),
    "an input that does not fit": (TOOL, [call_of("person", {"name": 7})], "tool_use", {"name": 7}, "stop", False),
    "bare JSON": (BARE, [{"text": '{"name": "Ann"}'}], "end_turn", ANN, "stop", True),
    "JSON in a fence": (BARE, [{"text": '```json\n{"name": "Ann"}\n```'}], "end_turn", ANN, "stop", True),
    "JSON between words": (BARE, [{"text": 'Here: {"name": "Ann"} - bye'}], "end_turn", ANN, "stop", True),
    "no JSON at all": (BARE, [{"text": "I can't."}], "end_turn", "I can't.", "stop", False),
    "a cut text": (BARE, [{"text": '{"name": "A'}], "max_tokens", '{"name": "A', "length", False),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answer_is_json_whole_and_streamed(name: str) -> None:
    reading, content, stop, wanted, finish, fits = ANSWERS[name]
    completion, deltas = streamed(reading, *content, stop=stop)
    for answer, said in ((completion, deltas), (whole(reading, *content, stop=stop), [])):
        text = text_of(answer.blocks)
        assert text_in(said or deltas_of(answer.blocks)) == text
        assert (text if isinstance(wanted, str) else json.loads(text)) == wanted
        assert answer.finish_reason == finish
        assert (answer.format_fault is None) == fits, answer.format_fault
        assert bool(answer.warnings) == (not fits)
        assert not [block for block in answer.blocks if isinstance(block, ToolUse)]
    assert not [delta for delta in deltas if isinstance(delta, ToolUseStart | ToolInputDelta)]


def test_the_callers_tools_are_called_as_ever() -> None:
    content = [{"text": "I look."}, call_of("look", {"at": 1})]
    completion, deltas = streamed(TOOL, *content)
    for answer in (completion, whole(TOOL, *content)):
        assert answer.finish_reason == "tool_use"
        assert answer.blocks == (Text("I look."), ToolUse("id_look", "look", {"at": 1}))
        assert answer.format_fault is None
    assert text_in(deltas) == "I look."
    starts = [delta for delta in deltas if isinstance(delta, ToolUseStart)]
    assert starts == [ToolUseStart(1, "id_look", "look")]
    assert deltas.index(starts[0]) == 1


def test_a_cut_call_leaves_its_text() -> None:
    completion, deltas = streamed(TOOL, call_of("person", '{"name": "A'), stop="max_tokens")
    assert text_of(completion.blocks) == text_in(deltas) == '{"name": "A'
    assert completion.finish_reason == "length"
    assert completion.format_fault is not None
    assert len(completion.warnings) == 1


def test_names_are_mapped_back_everywhere() -> None:
    reading = Reading(names={"a_b_1234": "a.b"})
    content = [call_of("a_b_1234", {"x": 1}), call_of("plain", {})]
    completion, deltas = streamed(reading, *content)
    for answer in (completion, whole(reading, *content)):
        assert answer.blocks == (ToolUse("id_a_b_1234", "a.b", {"x": 1}), ToolUse("id_plain", "plain", {}))
    assert [delta.name for delta in deltas if isinstance(delta, ToolUseStart)] == ["a.b", "plain"]
    cut, _ = streamed(reading, call_of("a_b_1234", '{"x": '), stop="max_tokens")
    assert "a.b" in cut.warnings[0]


def test_thoughts_stay_beside_the_json() -> None:
    thought = {"reasoningContent": {"reasoningText": {"text": "hm"}}}
    assert whole(TOOL, thought, call_of("person", ANN)).blocks[0] == Reasoning("hm")


# --- the check --------------------------------------------------------------------------------------------------------


def fault_of(text: str, schema: dict[str, Any]) -> tuple[str | None, tuple[str, ...]]:
    return format_fault(text, ResponseFormat("json_schema", schema))


def test_the_check_names_the_place() -> None:
    load()
    fault, warnings = fault_of(
        '{"a": [{"b": 1}]}', {"properties": {"a": {"items": {"properties": {"b": {"type": "string"}}}}}}
    )
    assert fault is not None
    assert fault.startswith("a[0].b: ")
    assert warnings == ()
    assert fault_of("[]", {"type": "object"})[0] == "the whole: [] is not of type 'object'"
    assert format_fault("[]", ResponseFormat("json_object"))[0] == "it is JSON, but no object"
    assert format_fault("{}", ResponseFormat("json_object")) == (None, ())
    assert format_fault("7", ResponseFormat("json_schema")) == (None, ())
    assert len(fault_of("{" + "x" * 9_999, {})[0] or "") <= 200


@pytest.mark.parametrize(
    "schema", [{"$ref": "https://example.com/x"}, {"type": "no type"}, {"items": {"$ref": "#/no"}}]
)
def test_a_schema_nobody_can_follow_is_a_warning(schema: dict[str, Any]) -> None:
    fault, warnings = fault_of("[1]", schema)
    assert fault is None
    assert "could not be checked" in warnings[0]


def test_patterns_are_not_tried() -> None:
    evil = {
        "properties": {"pattern": {"type": "string", "pattern": "(a+)+$"}},
        "patternProperties": {"(a+)+$": {}},
        "additionalProperties": False,
    }
    assert fault_of(json.dumps({"pattern": "a" * 60 + "!"}), evil) == (None, ())
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"items": deep}
    assert fault_of("[]", deep)[1]


def test_json_is_found_among_words() -> None:
    assert bare_json("```\n[1]\n```") == "[1]"
    assert bare_json("} {") == "} {"
    assert bare_json(' {"a": 1} ') == ' {"a": 1} '
