"""What a model can't take is settled by its card and said in warnings."""

import json
from typing import Any

import pytest
from bedrock_words import FULL, ask, assistant, card, user

from llm_gateway.backends.bedrock.render import render
from llm_gateway.domain.content import CachePoint, Media, Message, Native, Text, ToolResult, ToolUse
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import ModelCall, ToolChoice, ToolSpec

ABLE = card(*FULL)
CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"


def body_of(call: ModelCall) -> dict[str, Any]:
    return json.loads(render(call).body)


def inference_of(call: ModelCall) -> tuple[dict[str, Any], tuple[str, ...]]:
    rendered = render(call)
    return json.loads(rendered.body)["inferenceConfig"], rendered.warnings


def test_silence_means_the_defaults() -> None:
    assert inference_of(ask(card=ABLE)) == ({"maxTokens": 2000, "temperature": 0.7}, ())


def test_max_tokens_above_the_cap_is_lowered() -> None:
    inference, warnings = inference_of(ask(max_tokens=50_000, card=ABLE))
    assert inference["maxTokens"] == 10_000
    assert "50000" in warnings[0]
    assert "10000" in warnings[0]
    assert inference_of(ask(card=card(*FULL, max_output=512))) == ({"maxTokens": 512, "temperature": 0.7}, ())


def test_a_temperature_above_one_is_lowered() -> None:
    inference, warnings = inference_of(ask(temperature=1.7))
    assert inference["temperature"] == 1.0
    assert len(warnings) == 1


def test_sampling_parameters_that_a_model_refuses_are_left_out() -> None:
    refuses = card(*FULL, "no_sampling_params")
    assert inference_of(ask(card=refuses)) == ({"maxTokens": 2000}, ())
    inference, warnings = inference_of(ask(temperature=0.5, top_p=0.5, card=refuses))
    assert inference == {"maxTokens": 2000}
    assert [warning.split()[0] for warning in warnings] == ["temperature", "top_p"]


def test_of_two_sampling_parameters_one_is_sent_where_one_is_taken() -> None:
    one = card(*FULL, "one_sampling_param")
    assert inference_of(ask(top_p=0.5, card=one)) == ({"maxTokens": 2000, "topP": 0.5}, ())
    inference, warnings = inference_of(ask(temperature=0.5, top_p=0.5, card=one))
    assert inference == {"maxTokens": 2000, "temperature": 0.5}
    assert "top_p" in warnings[0]
    assert inference_of(ask(top_p=0.5, card=ABLE))[0] == {"maxTokens": 2000, "temperature": 0.7, "topP": 0.5}


def test_thinking_takes_no_temperature_and_needs_room() -> None:
    def thinking(**told: Any) -> dict[str, Any]:
        return {"thinking": {"type": "enabled", **told}}

    assert inference_of(ask(extra_fields=thinking(budget_tokens=1024))) == ({"maxTokens": 2000}, ())
    inference, warnings = inference_of(ask(extra_fields=thinking(budget_tokens=10_000)))
    assert inference == {"maxTokens": 12_000}
    assert "12000" in warnings[0]
    inference, warnings = inference_of(ask(temperature=0.3, extra_fields={"thinking": {"type": "adaptive"}}))
    assert inference == {"maxTokens": 2000}
    assert "temperature" in warnings[0]
    assert inference_of(ask(temperature=1, extra_fields=thinking(budget_tokens=1024)))[1] == ()
    always = card(*FULL, "thinking_always_on", base_id=CLAUDE)
    assert inference_of(ask(card=always)) == ({"maxTokens": 2000}, ())
    other = card(*FULL, "thinking_always_on", base_id="deepseek.r1-v1:0")
    assert inference_of(ask(card=other)) == ({"maxTokens": 2000, "temperature": 0.7}, ())


def test_full_effort_takes_neither_temperature_nor_a_limit() -> None:
    extra = {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}
    assert "inferenceConfig" not in body_of(ask(extra_fields=extra))
    extra = {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}
    assert body_of(ask(extra_fields=extra))["inferenceConfig"] == {"maxTokens": 2000, "temperature": 0.7}


def test_system_texts_are_joined_in_order() -> None:
    rendered = render(ask(system=(Text("a"), Text("b"), CachePoint(), Text("c"), Text("d"))))
    assert json.loads(rendered.body)["system"] == [
        {"text": "a\n\nb"},
        {"cachePoint": {"type": "default"}},
        {"text": "c\n\nd"},
    ]
    assert rendered.warnings == ()


def test_a_model_without_system_gets_the_text_with_the_first_user_message() -> None:
    plain = card("streaming", "vision")
    rendered = render(ask("Hello", system=(Text("Be brief"), CachePoint(), Text("Be kind")), card=plain))
    body = json.loads(rendered.body)
    assert "system" not in body
    assert body["messages"] == [{"role": "user", "content": [{"text": "Be brief\n\nBe kind\n\nHello"}]}]
    assert "system" in rendered.warnings[0]
    picture = Media("image", "png", {"bytes": "aGk="})
    content = body_of(ask(user(picture, "What?"), system=(Text("Be brief"),), card=plain))["messages"][0]["content"]
    assert content[0] == {"text": "Be brief"}
    assert list(content[1]) == ["image"]
    claude = card("streaming", base_id=CLAUDE)
    body = body_of(ask(assistant("Well"), "Go on", system=(Text("Be brief"),), card=claude))
    assert body["messages"][1]["content"] == [{"text": "Be brief\n\nGo on"}]
    body = body_of(ask(assistant("Well"), system=(Text("Be brief"),), card=claude))
    assert body["messages"][0] == {"role": "user", "content": [{"text": "Be brief"}]}
    body = body_of(ask(system=(Native("guardContent", {"text": {"text": "x"}}),), card=plain))
    assert body["messages"][0]["content"] == [{"text": "Hello"}]


def test_neighbours_of_one_role_are_sent_as_one() -> None:
    rendered = render(ask("a", "b", assistant("c"), "d", user("e"), "f"))
    assert json.loads(rendered.body)["messages"] == [
        {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
        {"role": "assistant", "content": [{"text": "c"}]},
        {"role": "user", "content": [{"text": "d"}, {"text": "e"}, {"text": "f"}]},
    ]
    assert len(rendered.warnings) == 2
    assert "3 to 5" in rendered.warnings[1]


def test_an_assistant_may_begin_only_where_it_is_known_to() -> None:
    with pytest.raises(InvalidRequest) as caught:
        render(ask(assistant("Hi"), "Hello", card=ABLE))
    assert caught.value.field == "messages[0].role"
    for able in (None, card(*FULL, base_id=CLAUDE), card(*FULL, base_id="zai.glm-5")):
        assert body_of(ask(assistant("Hi"), "Hello", card=able))["messages"][0]["role"] == "assistant"


CALL = ToolUse("t1", "look", {})
RESULT = ToolResult("t1", (Text("found"),), "success")


def test_tools_of_the_history_are_declared() -> None:
    rendered = render(ask("Look", assistant(CALL), user(RESULT)))
    (tool,) = json.loads(rendered.body)["toolConfig"]["tools"]
    assert tool["toolSpec"]["name"] == "look"
    assert tool["toolSpec"]["inputSchema"]["json"]["type"] == "object"
    assert "look" in rendered.warnings[0]


def test_no_tool_may_be_called_means_no_tools_are_sent() -> None:
    spec = ToolSpec("look", {"type": "object"})
    assert "toolConfig" not in body_of(ask(tools=(spec,), tool_choice=ToolChoice("none")))
    rendered = render(ask("Look", assistant(CALL), user(RESULT), tools=(spec,), tool_choice=ToolChoice("none")))
    assert "toolChoice" not in json.loads(rendered.body)["toolConfig"]
    assert "none" in rendered.warnings[0]
    assert "toolConfig" not in body_of(ask(tool_choice=ToolChoice("auto")))


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        (("Look", assistant(CALL)), "messages[1].content"),
        (("Look", assistant(CALL), "and?"), "messages[1].content"),
        (("Look", assistant(CALL), user(RESULT, RESULT)), "messages[2].content"),
        (("Look", assistant(CALL), user(ToolResult("t2", (Text("x"),)))), "messages[2].content"),
        ((user(RESULT),), "messages[0].content"),
        (("a", "b", assistant(CALL, ToolUse("t3", "look", {})), user(RESULT), "c"), "messages[2].content"),
    ],
)
def test_a_call_and_its_result_belong_together(messages: tuple[Message | str, ...], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        render(ask(*messages))
    assert caught.value.field == field


def test_writer_takes_no_status() -> None:
    writer = card(*FULL, base_id="writer.palmyra-x5-v1:0")
    spec = ToolSpec("look", {"type": "object"})
    rendered = render(ask("Look", assistant(CALL), user(RESULT), tools=(spec,), card=writer))
    assert "status" not in json.loads(rendered.body)["messages"][2]["content"][0]["toolResult"]
    assert rendered.warnings == ()
    failed = ToolResult("t1", (Text("no"),), "error")
    assert render(ask("Look", assistant(CALL), user(failed), tools=(spec,), card=writer)).warnings
    assert render(ask("Look", assistant(CALL), user(ToolResult("t1", ())), tools=(spec,), card=writer)).warnings == ()


def test_an_answer_that_was_begun_ends_in_no_white_space_for_claude() -> None:
    claude = card(*FULL, base_id="anthropic.claude-haiku-4-5-20251001-v1:0")
    begun = ask("Hi", assistant("The answer is \n"), card=claude)
    rendered = render(begun)
    assert json.loads(rendered.body)["messages"][1]["content"] == [{"text": "The answer is"}]
    assert any("white space" in warning for warning in rendered.warnings)


def test_a_result_without_its_call_is_blamed_by_its_own_number() -> None:
    with pytest.raises(InvalidRequest) as refused:
        render(ask("one", "two", user(ToolResult("nobody", (Text("x"),)))))
    assert refused.value.field == "messages[2].content"
