"""Pydantic AI's Agent on its OpenAIChatModel, unchanged. It sends thoughts back as text, without their signatures."""

import sys
from collections.abc import AsyncIterable
from pathlib import Path
from typing import Any

import pytest
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
    get_time,
    get_weather,
)
from readme_program import run_shown
from served import asked_of_bedrock

pytest.importorskip("pydantic_ai", reason="pydantic-ai-slim is not installed here; run `make clients`")

from openai import AsyncOpenAI
from pydantic_ai import Agent, BinaryContent, ModelHTTPError, NativeOutput, ToolOutput
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ThinkingPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


def agent(v1: str, name: str = PLAIN_MODEL, **more: Any) -> Agent[None, Any]:
    client = AsyncOpenAI(base_url=v1, api_key="any", max_retries=0)
    return Agent(OpenAIChatModel(name, provider=OpenAIProvider(openai_client=client)), **more)


def run(asked: Agent[None, Any], prompt: Any, stream: bool, **more: Any) -> Any:
    """The result; with somebody who watches its events, every answer comes as a stream."""

    async def watch(_: Any, events: AsyncIterable[Any]) -> None:
        async for _ in events:
            pass

    return asked.run_sync(prompt, event_stream_handler=watch if stream else None, **more)


@pytest.mark.parametrize("stream", [False, True])
def test_a_question_is_answered_and_its_tokens_are_told(heard: Listener, v1: str, stream: bool) -> None:
    result = run(agent(v1, instructions="Be brief."), HELLO, stream)
    assert result.output == "Good morning."
    assert result.usage.output_tokens > 0
    assert heard.last.is_stream == stream


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [PLAIN_MODEL, ADAPTIVE_MODEL])
def test_a_tool_is_called_and_its_result_is_read(v1: str, name: str, stream: bool) -> None:
    asked = agent(v1, name, tools=[get_weather])
    first = run(asked, ONE_TOOL, stream)
    assert RAIN in first.output
    second = run(asked, HELLO, stream, message_history=first.all_messages())
    assert second.output == "Good morning."


@pytest.mark.parametrize("stream", [False, True])
def test_two_tools_called_at_once_are_answered_together(v1: str, stream: bool) -> None:
    result = run(agent(v1, ADAPTIVE_MODEL, tools=[get_weather, get_time]), ALL_TOOLS, stream)
    assert RAIN in result.output
    assert NOON in result.output


def test_a_picture_arrives_at_the_model(v1: str, bedrock: str) -> None:
    run(agent(v1), ["What is this?", BinaryContent(PNG, media_type="image/png")], stream=False)
    block = asked_of_bedrock(bedrock)[-1]["messages"][0]["content"][1]
    assert block["image"] == {"format": "png", "source": {"bytes": PNG_TEXT}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [PLAIN_MODEL, THINKING_MODEL])
@pytest.mark.parametrize("way", [NativeOutput, ToolOutput])
def test_an_answer_fits_the_schema_that_was_asked_for(v1: str, name: str, way: Any, stream: bool) -> None:
    assert isinstance(run(agent(v1, name, output_type=way(Weather)), "The weather?", stream).output, Weather)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [THINKING_MODEL, ADAPTIVE_MODEL])
def test_a_model_that_thinks_gets_through_two_turns_with_a_tool(
    heard: Listener, v1: str, name: str, stream: bool
) -> None:
    thinking: Any = {"openai_reasoning_effort": "high"}
    result = run(agent(v1, name, tools=[get_weather], model_settings=thinking), ONE_TOOL, stream)
    assert RAIN in result.output
    thoughts = [part for part in result.all_messages()[1].parts if isinstance(part, ThinkingPart)]
    assert thoughts[0].content
    assert "llm_gateway" in str(heard.last.body)  # what was left out is said


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("name", "status", "code"), [(name, *told) for name, told in REFUSALS.items()])
def test_a_refusal_raises_its_status(v1: str, name: str, status: int, code: str, stream: bool) -> None:
    with pytest.raises(ModelHTTPError) as caught:
        run(agent(v1), fault(name), stream)
    assert caught.value.status_code == status
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["code"] == code


@pytest.mark.parametrize("name", CUTS)
def test_a_broken_stream_raises(v1: str, name: str) -> None:
    with pytest.raises(ModelAPIError):
        run(agent(v1), fault(name), stream=True)


def test_the_program_in_the_readme_runs(heard: Listener, tmp_path: Path) -> None:
    told = run_shown("pydantic-ai", [sys.executable, "-"], heard.url, tmp_path)
    assert told.startswith("Good morning.")


def test_the_program_in_the_guide_runs(heard: Listener, tmp_path: Path) -> None:
    told = run_shown("pydantic-ai", [sys.executable, "-"], heard.url, tmp_path, "for_agents/README.md")
    assert RAIN in told
    assert "degrees=" in told
