"""Whole conversations over a real socket: tools, thinking, JSON and cached prompts, turn after turn."""

import json
from datetime import date
from typing import Any

import pytest
from bedrock_words import Heard, assistant, hear, user

from houses import CATALOG
from llm_gateway.backends.bedrock.client import BedrockBackend
from llm_gateway.domain.completions import Completion, ReasoningDelta, TextDelta, ToolInputDelta, ToolUseStart
from llm_gateway.domain.content import Message, Reasoning, Text, ToolResult, ToolUse, text_of
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import (
    GenerateRequest,
    GuardrailWish,
    ModelCall,
    ReasoningWish,
    ResponseFormat,
    ToolChoice,
    ToolSpec,
)
from llm_gateway.sandbox.server import Sandbox

WEATHER = ToolSpec(
    "get_weather", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}, "The weather"
)
LONG_NAME = "mcp__weather.service/v2__" + "get_the_current_weather_of_" * 3
PERSON = ResponseFormat(
    "json_schema",
    {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
        "required": ["name", "age"],
    },
    "person",
)
STREAMS = ["nova-lite", "claude-haiku-4-5"]
WHOLE = "llama-4-maverick"  # takes no tools while it streams
EVERY = [*STREAMS, WHOLE]


def call(model: str, *messages: Message | str, **more: Any) -> ModelCall:
    turns = tuple(user(message) if isinstance(message, str) else message for message in messages)
    resolved = CATALOG.resolve(model, region="us-east-1", today=date(2026, 11, 21))
    return ModelCall(GenerateRequest(model=model, messages=turns, **more), resolved)


async def answer_to(backend: BedrockBackend, asked: ModelCall) -> tuple[Completion, Heard]:
    heard = await hear(backend, asked)
    assert heard.error is None, heard.error.message
    assert heard.completion is not None
    assert text_of(heard.completion.blocks) == heard.text
    return heard.completion, heard


def calls_of(completion: Completion) -> list[ToolUse]:
    return [block for block in completion.blocks if isinstance(block, ToolUse)]


def told_inputs(heard: Heard) -> list[object]:
    """The inputs of the calls, as the deltas spelt them."""
    texts: dict[int, str] = {delta.block: "" for delta in heard.deltas if isinstance(delta, ToolUseStart)}
    for delta in heard.deltas:
        if isinstance(delta, ToolInputDelta):
            texts[delta.block] += delta.json_text
    return [json.loads(text or "{}") for text in texts.values()]


@pytest.mark.parametrize("model", EVERY)
async def test_a_tool_is_called_and_its_result_is_read(model: str, backend: BedrockBackend) -> None:
    question = 'Weather? [[tool:get_weather {"city": "Köln"}]]'
    first, heard = await answer_to(backend, call(model, question, tools=(WEATHER,)))
    (made,) = calls_of(first)
    assert (first.finish_reason, made.name, made.input) == ("tool_use", "get_weather", {"city": "Köln"})
    assert told_inputs(heard) == [made.input]
    result = ToolResult(made.id, (Text("rain in Köln"),), "success")
    turns = (question, Message("assistant", first.blocks), user(result))
    second, _ = await answer_to(backend, call(model, *turns, tools=(WEATHER,)))
    assert "rain in Köln" in text_of(second.blocks)
    assert second.finish_reason == "stop"


@pytest.mark.parametrize("model", EVERY)
async def test_tools_are_called_side_by_side(model: str, backend: BedrockBackend) -> None:
    tools = (WEATHER, ToolSpec("now", {"type": "object", "properties": {}}))
    first, heard = await answer_to(backend, call(model, "Both! [[tools]]", tools=tools))
    made = calls_of(first)
    assert [each.name for each in made] == ["get_weather", "now"]
    assert len({each.id for each in made}) == 2
    assert made[1].input == {}
    assert told_inputs(heard) == [each.input for each in made]
    results = [ToolResult(each.id, (Text(f"of {each.name}"),)) for each in made]
    turns = ("Both!", Message("assistant", first.blocks), user(*results))
    second, _ = await answer_to(backend, call(model, *turns, tools=tools))
    assert "of now" in text_of(second.blocks)


@pytest.mark.parametrize("model", EVERY)
async def test_a_long_tool_name_comes_back_as_it_was(model: str, sandbox: Sandbox, backend: BedrockBackend) -> None:
    tools = (ToolSpec(LONG_NAME, {"type": "object", "properties": {}}),)
    first, heard = await answer_to(backend, call(model, "Look [[tool]]", tools=tools))
    (made,) = calls_of(first)
    assert made.name == LONG_NAME
    assert [delta.name for delta in heard.deltas if isinstance(delta, ToolUseStart)] == [LONG_NAME]
    turns = ("Look", Message("assistant", first.blocks), user(ToolResult(made.id, (Text("sun"),))))
    second, _ = await answer_to(backend, call(model, *turns, tools=tools))
    assert "sun" in text_of(second.blocks)
    without, _ = await answer_to(backend, call(model, *turns))
    assert without.warnings
    sent = [record.body for record in sandbox.log if record.body]
    assert LONG_NAME not in json.dumps(sent)


@pytest.mark.parametrize(
    ("model", "signed"), [("claude-sonnet-4-5", True), ("claude-sonnet-4-6", True), ("gpt-oss-120b", False)]
)
async def test_thoughts_come_and_go_back_with_their_signature(
    model: str, signed: bool, sandbox: Sandbox, backend: BedrockBackend
) -> None:
    thinking = {"reasoning": ReasoningWish("low"), "tools": (WEATHER,)}
    first, heard = await answer_to(backend, call(model, "Weather? [[tool]]", **thinking))
    thought = first.blocks[0]
    assert isinstance(thought, Reasoning)
    assert thought.text == "".join([d.text or "" for d in heard.deltas if isinstance(d, ReasoningDelta)])
    assert (thought.signature is not None) == signed
    (made,) = calls_of(first)
    turns = ("Weather?", Message("assistant", first.blocks), user(ToolResult(made.id, (Text("rain"),))))
    second, _ = await answer_to(backend, call(model, *turns, **thinking))
    assert isinstance(second.blocks[0], Reasoning)
    body = sandbox.log[-1].body
    assert body is not None
    told = body["messages"][1]["content"][0]["reasoningContent"]["reasoningText"]
    assert (told["text"], told.get("signature")) == (thought.text, thought.signature)


async def test_hidden_thoughts_go_back_as_they_came(sandbox: Sandbox, backend: BedrockBackend) -> None:
    thinking = {"reasoning": ReasoningWish("low")}
    first, _ = await answer_to(backend, call("claude-sonnet-4-5", "Why? [[redacted]]", **thinking))
    hidden = first.blocks[0]
    assert isinstance(hidden, Reasoning)
    assert hidden.redacted
    turns = ("Why?", Message("assistant", first.blocks), "And?")
    await answer_to(backend, call("claude-sonnet-4-5", *turns, **thinking))
    body = sandbox.log[-1].body
    assert body is not None
    assert body["messages"][1]["content"][0] == {"reasoningContent": {"redactedContent": hidden.redacted}}


async def test_a_client_that_loses_the_thoughts_gets_its_second_turn(backend: BedrockBackend) -> None:
    thinking = {"reasoning": ReasoningWish("low"), "tools": (WEATHER,)}
    turns = ("Weather?", assistant(ToolUse("t1", "get_weather", {})), user(ToolResult("t1", (Text("rain"),))))
    second, _ = await answer_to(backend, call("claude-sonnet-4-5", *turns, **thinking))
    assert "rain" in text_of(second.blocks)
    assert any("reasoning" in warning for warning in second.warnings)


async def test_thoughts_of_another_model_are_no_obstacle(backend: BedrockBackend) -> None:
    first, _ = await answer_to(backend, call("gpt-oss-120b", "Why?", reasoning=ReasoningWish("low")))
    turns = ("Why?", Message("assistant", first.blocks), "And?")
    for model in ("claude-sonnet-4-5", "nova-lite", "deepseek-r1"):
        second, _ = await answer_to(backend, call(model, *turns))
        assert second.finish_reason == "stop"
        assert any("reasoning of earlier turns" in warning for warning in second.warnings)


@pytest.mark.parametrize(
    ("model", "way"), [("claude-haiku-4-5", "outputConfig"), ("nova-lite", "toolConfig"), ("qwen3-32b", "outputConfig")]
)
async def test_json_comes_as_the_schema_wants_it(
    model: str, way: str, sandbox: Sandbox, backend: BedrockBackend
) -> None:
    completion, heard = await answer_to(backend, call(model, "Who?", response_format=PERSON))
    person = json.loads(text_of(completion.blocks))
    assert isinstance(person["age"], int)
    assert completion.finish_reason == "stop"
    assert completion.format_fault is None
    assert completion.warnings == ()
    assert all(isinstance(delta, TextDelta) for delta in heard.deltas)
    assert heard.deltas
    body = sandbox.log[-1].body
    assert body is not None
    assert way in body


async def test_words_instead_of_json_are_told_apart(backend: BedrockBackend) -> None:
    completion, _ = await answer_to(backend, call("llama-3-3-70b", "Who?", response_format=PERSON))
    assert completion.format_fault is not None
    assert "no JSON" in completion.format_fault
    assert any("response_format" in warning for warning in completion.warnings)


async def test_json_and_tools_live_together(backend: BedrockBackend) -> None:
    more: dict[str, Any] = {"response_format": PERSON, "tools": (WEATHER,)}
    first, _ = await answer_to(backend, call("nova-lite", "Who? [[tool:get_weather]]", **more))
    (made,) = calls_of(first)
    assert first.finish_reason == "tool_use"
    turns = ("Who? ", Message("assistant", first.blocks), user(ToolResult(made.id, (Text("rain"),)), "[[tool:person]]"))
    second, heard = await answer_to(backend, call("nova-lite", *turns, **more))
    assert set(json.loads(heard.text)) == {"name", "age"}
    assert second.finish_reason == "stop"
    assert not calls_of(second)


@pytest.mark.parametrize("model", STREAMS)
async def test_a_long_prompt_is_written_once_and_read_again(model: str, backend: BedrockBackend) -> None:
    system = (Text("Rules. " * 8_000),)
    more: dict[str, Any] = {"system": system, "cache_prompt": True, "tools": (WEATHER,)}
    first, _ = await answer_to(backend, call(model, "One", **more))
    assert first.usage.cache_write_tokens > 1_000
    turns = ("One", Message("assistant", first.blocks), "Two")
    second, _ = await answer_to(backend, call(model, *turns, **more))
    assert second.usage.cache_read_tokens >= first.usage.cache_write_tokens
    third, _ = await answer_to(backend, call(model, *turns, assistant("Well"), "Three", **more))
    assert third.usage.cache_read_tokens > second.usage.cache_read_tokens
    assert third.warnings == ()


@pytest.mark.parametrize("model", ["nova-lite", "writer.palmyra-x5-v1:0"])
async def test_a_guardrail_that_steps_in_shows_why(model: str, backend: BedrockBackend) -> None:
    wish = GuardrailWish("grblock1", "1", "enabled", "async")
    completion, _ = await answer_to(backend, call(model, "Hello", guardrail=wish))
    assert completion.finish_reason == "content_filter"
    assert completion.guardrail_trace is not None
    assert completion.guardrail_trace["actionReason"]
    plain, _ = await answer_to(backend, call(model, "Hello", guardrail=GuardrailWish("gr1", "1")))
    assert plain.guardrail_trace is None


async def test_a_whole_answer_is_asked_without_a_stream_mode(sandbox: Sandbox, backend: BedrockBackend) -> None:
    wish = GuardrailWish("gr1", "1", None, "sync")
    asked = call(WHOLE, "Weather?", guardrail=wish, tools=(WEATHER,), tool_choice=ToolChoice("auto"))
    await answer_to(backend, asked)
    await answer_to(backend, call("nova-lite", "Hello", guardrail=wish, service_tier="flex", latency="optimized"))
    whole, stream = [record for record in sandbox.log if record.body]
    assert (whole.operation, stream.operation) == ("Converse", "ConverseStream")
    assert whole.body is not None
    assert stream.body is not None
    assert "streamProcessingMode" not in whole.body["guardrailConfig"]
    assert stream.body["guardrailConfig"]["streamProcessingMode"] == "sync"
    assert stream.body["serviceTier"] == {"type": "flex"}


# --- counting ---------------------------------------------------------------------------------------------------------


async def test_claude_counts_by_its_bare_id(sandbox: Sandbox, backend: BedrockBackend) -> None:
    counted = await backend.count_tokens(call("claude-sonnet-4-5", "Hello " * 100, tools=(WEATHER,)))
    assert counted is not None
    assert counted > 100
    (record,) = sandbox.log
    assert (record.operation, record.model_id) == ("CountTokens", "anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert record.body is not None
    assert set(record.body["input"]["converse"]) == {"messages", "toolConfig"}


async def test_models_without_a_count_are_not_asked_again(sandbox: Sandbox, backend: BedrockBackend) -> None:
    assert await backend.count_tokens(call("nova-lite", "Hello")) is None
    assert await backend.count_tokens(call("arn:aws:bedrock:us-east-1:1:imported-model/x", "Hello")) is None
    assert not sandbox.log
    for _ in range(2):
        assert await backend.count_tokens(call("anthropic.claude-v2:1", "Hello")) is None
    assert len(sandbox.log) == 1


async def test_a_count_that_is_refused_is_no_count(sandbox: Sandbox, backend_at: Any) -> None:
    backend = backend_at(sandbox.url, access_key_id="DENIEDEXAMPLE")
    for _ in range(2):
        assert await backend.count_tokens(call("claude-sonnet-4-5", "Hello")) is None
    assert len(sandbox.log) == 2


async def test_nobody_at_home_is_no_count(backend_at: Any) -> None:
    backend = backend_at("http://127.0.0.1:9")
    assert await backend.count_tokens(call("claude-sonnet-4-5", "Hello")) is None


async def test_a_wrong_request_is_not_counted(backend: BedrockBackend) -> None:
    with pytest.raises(InvalidRequest):
        await backend.count_tokens(call("claude-sonnet-4-5", "Hello", temperature=7))
