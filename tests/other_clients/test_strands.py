"""Strands' Agent on its OpenAIModel, unchanged. It shows thoughts and sends none back."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
import questions
from listener import Listener
from questions import (
    ADAPTIVE_MODEL,
    ALL_TOOLS,
    CUTS,
    HELLO,
    NOON,
    ONE_TOOL,
    PLAIN_MODEL,
    PNG,
    PNG_TEXT,
    RAIN,
    REFUSALS,
    THINKING_MODEL,
    Weather,
    fault,
)
from readme_program import run_shown
from served import asked_of_bedrock

pytest.importorskip("strands", reason="strands-agents is not installed here; run `make clients`")

import openai
from strands import Agent, tool
from strands.models.openai import OpenAIModel
from strands.types.exceptions import ContextWindowOverflowException, ModelThrottledException

get_weather, get_time = tool(questions.get_weather), tool(questions.get_time)


def model(v1: str, name: str = PLAIN_MODEL, *, stream: bool = True, **params: Any) -> OpenAIModel:
    client = {"base_url": v1, "api_key": "any", "max_retries": 0}
    return OpenAIModel(client_args=client, model_id=name, stream=stream, params=params or None)


def agent(v1: str, name: str = PLAIN_MODEL, *, stream: bool = True, tools: Any = (), **params: Any) -> Agent:
    return Agent(model=model(v1, name, stream=stream, **params), tools=list(tools), callback_handler=None)


def said(result: Any) -> str:
    return "".join([block.get("text", "") for block in result.message["content"]])


@pytest.mark.parametrize("stream", [False, True])
def test_a_question_is_answered_and_its_tokens_are_told(heard: Listener, v1: str, stream: bool) -> None:
    result = agent(v1, stream=stream)(HELLO)
    assert said(result) == "Good morning."
    assert result.stop_reason == "end_turn"
    assert result.metrics.accumulated_usage["outputTokens"] > 0
    assert heard.last.is_stream == stream


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [PLAIN_MODEL, ADAPTIVE_MODEL])
def test_a_tool_is_called_and_its_result_is_read(v1: str, name: str, stream: bool) -> None:
    asked = agent(v1, name, stream=stream, tools=[get_weather])
    assert RAIN in said(asked(ONE_TOOL))
    assert said(asked(HELLO)) == "Good morning."


@pytest.mark.parametrize("stream", [False, True])
def test_two_tools_called_at_once_are_answered_together(v1: str, stream: bool) -> None:
    told = said(agent(v1, ADAPTIVE_MODEL, stream=stream, tools=[get_weather, get_time])(ALL_TOOLS))
    assert RAIN in told
    assert NOON in told


def test_a_picture_arrives_at_the_model(v1: str, bedrock: str) -> None:
    agent(v1)([{"text": "What is this?"}, {"image": {"format": "png", "source": {"bytes": PNG}}}])
    block = asked_of_bedrock(bedrock)[-1]["messages"][0]["content"][1]
    assert block["image"] == {"format": "png", "source": {"bytes": PNG_TEXT}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [PLAIN_MODEL, THINKING_MODEL])
def test_an_answer_fits_the_schema_that_was_asked_for(v1: str, name: str, stream: bool) -> None:
    result = agent(v1, name, stream=stream)("The weather?", structured_output_model=Weather)
    assert isinstance(result.structured_output, Weather)


@pytest.mark.parametrize("name", [PLAIN_MODEL, THINKING_MODEL])
def test_the_model_itself_gives_json_of_a_schema(v1: str, name: str) -> None:
    async def ask() -> Any:
        messages: Any = [{"role": "user", "content": [{"text": "The weather?"}]}]
        return [event async for event in model(v1, name).structured_output(Weather, messages)][-1]["output"]

    assert isinstance(asyncio.run(ask()), Weather)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [THINKING_MODEL, ADAPTIVE_MODEL])
def test_a_model_that_thinks_gets_through_two_turns_with_a_tool(
    heard: Listener, v1: str, name: str, stream: bool
) -> None:
    asked = agent(v1, name, stream=stream, tools=[get_weather], reasoning_effort="high")
    assert RAIN in said(asked(ONE_TOOL))
    assert any(["reasoningContent" in block for block in asked.messages[1]["content"]])
    if name == THINKING_MODEL:
        assert b"reasoning was left out of this turn" in heard.last.body


KINDS: dict[str, type[Exception]] = {
    "throttle": ModelThrottledException,
    "throttle-day": ModelThrottledException,
    "too-long": ContextWindowOverflowException,
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("name", "status", "code"), [(name, *told) for name, told in REFUSALS.items()])
def test_a_refusal_raises_its_kind(v1: str, name: str, status: int, code: str, stream: bool) -> None:
    with pytest.raises(KINDS.get(name, openai.APIStatusError)) as caught:
        asyncio.run(_read(model(v1, stream=stream), fault(name)))
    told: Any = caught.value.__cause__ if name in KINDS else caught.value
    assert (told.status_code, told.code) == (status, code)


@pytest.mark.parametrize("name", CUTS)
def test_a_broken_stream_raises(v1: str, name: str) -> None:
    kind = ModelThrottledException if name == "exception-mid" else openai.APIError
    with pytest.raises((kind, openai.APIError)):
        asyncio.run(_read(model(v1), fault(name)))


async def _read(asked: OpenAIModel, prompt: str) -> None:
    async for _ in asked.stream([{"role": "user", "content": [{"text": prompt}]}]):
        pass


def test_the_program_in_the_readme_runs(heard: Listener, tmp_path: Path) -> None:
    told = run_shown("strands", [sys.executable, "-"], heard.url, tmp_path)
    assert "Good morning." in told


def test_the_program_in_the_guide_runs(heard: Listener, tmp_path: Path) -> None:
    told = run_shown("strands", [sys.executable, "-"], heard.url, tmp_path, "for_agents/README.md")
    assert RAIN in told
    assert "degrees=" in told
