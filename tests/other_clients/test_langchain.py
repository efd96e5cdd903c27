"""LangChain's ChatOpenAI, unchanged. It keeps no thoughts, and so sends none back."""

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
    PNG_TEXT,
    RAIN,
    REFUSALS,
    THINKING_MODEL,
    Weather,
    fault,
)
from readme_program import run_shown
from served import asked_of_bedrock

pytest.importorskip("langchain_openai", reason="langchain-openai is not installed here; run `make clients`")

import openai
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

get_weather, get_time = tool(questions.get_weather), tool(questions.get_time)
TOOLS = {"get_weather": get_weather, "get_time": get_time}


def model(v1: str, name: str = PLAIN_MODEL, **more: Any) -> Any:
    return ChatOpenAI(model=name, base_url=v1, api_key="any", max_retries=0, **more)


def said(asked: Any, messages: Any, stream: bool) -> AIMessage:
    """The whole answer, or the sum of the stream's."""
    if not stream:
        return asked.invoke(messages)
    chunks = list(asked.stream(messages))
    assert len(chunks) > 1
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


@pytest.mark.parametrize("stream", [False, True])
def test_a_question_is_answered_and_its_tokens_are_told(v1: str, stream: bool) -> None:
    answer = said(model(v1, stream_usage=True), [("system", "Be brief."), ("human", HELLO)], stream)
    assert answer.content == "Good morning."
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.usage_metadata["total_tokens"] == sum(
        [answer.usage_metadata[f"{way}_tokens"] for way in ("input", "output")]
    )


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [PLAIN_MODEL, ADAPTIVE_MODEL])
def test_a_tool_is_called_and_its_result_is_read(v1: str, name: str, stream: bool) -> None:
    asked, messages = model(v1, name).bind_tools([get_weather]), [HumanMessage(ONE_TOOL)]
    first = said(asked, messages, stream)
    (call,) = first.tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})
    second = said(asked, [*messages, first, get_weather.invoke(call)], stream)
    assert RAIN in second.content
    assert not second.tool_calls
    third = said(asked, [*messages, first, get_weather.invoke(call), second, HumanMessage(HELLO)], stream)
    assert third.content == "Good morning."


@pytest.mark.parametrize("stream", [False, True])
def test_two_tools_called_at_once_are_answered_together(v1: str, stream: bool) -> None:
    asked, messages = model(v1, ADAPTIVE_MODEL).bind_tools(list(TOOLS.values())), [HumanMessage(ALL_TOOLS)]
    first = said(asked, messages, stream)
    assert [call["name"] for call in first.tool_calls] == list(TOOLS)
    results = [TOOLS[call["name"]].invoke(call) for call in first.tool_calls]
    second = said(asked, [*messages, first, *results], stream)
    assert RAIN in second.content
    assert NOON in second.content


def test_a_picture_arrives_at_the_model(v1: str, bedrock: str) -> None:
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG_TEXT}"}}
    standard = {"type": "image", "base64": PNG_TEXT, "mime_type": "image/png"}
    for picture in (url, standard):
        model(v1).invoke([HumanMessage([{"type": "text", "text": "What is this?"}, picture])])
        block = asked_of_bedrock(bedrock)[-1]["messages"][0]["content"][1]
        assert block["image"] == {"format": "png", "source": {"bytes": PNG_TEXT}}


@pytest.mark.parametrize("name", [PLAIN_MODEL, THINKING_MODEL])
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_an_answer_fits_the_schema_that_was_asked_for(v1: str, name: str, method: str) -> None:
    answer = model(v1, name).with_structured_output(Weather, method=method).invoke("The weather?")
    assert isinstance(answer, Weather)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [THINKING_MODEL, ADAPTIVE_MODEL])
def test_a_model_that_thinks_gets_through_two_turns_with_a_tool(
    heard: Listener, v1: str, name: str, stream: bool
) -> None:
    asked = model(v1, name, reasoning_effort="high").bind_tools([get_weather])
    messages: list[Any] = [HumanMessage(ONE_TOOL)]
    first = said(asked, messages, stream)
    second = said(asked, [*messages, first, get_weather.invoke(first.tool_calls[0])], stream)
    assert RAIN in second.content
    if name == THINKING_MODEL:
        told = heard.last.events[-1] if stream else heard.last.answer
        assert "reasoning was left out of this turn" in str(told["llm_gateway"]["warnings"])


def test_the_headers_tell_the_cost_to_whoever_asks_for_them(v1: str) -> None:
    answer = model(v1, include_response_headers=True).invoke(HELLO)
    assert float(answer.response_metadata["headers"]["x-llm-gateway-cost-usd"]) > 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_that_is_demanded_is_called(v1: str, stream: bool) -> None:
    for choice in ("any", "get_time"):
        asked = model(v1, THINKING_MODEL).bind_tools(list(TOOLS.values()), tool_choice=choice)
        calls = said(asked, "Hello", stream).tool_calls
        assert calls[-1]["name"] == ("get_time" if choice == "get_time" else "get_weather")


def test_one_call_at_a_time_can_be_asked_for(v1: str) -> None:
    asked = model(v1, ADAPTIVE_MODEL).bind_tools(list(TOOLS.values()), parallel_tool_calls=False)
    assert len(asked.invoke(ALL_TOOLS).tool_calls) == 1


def test_texts_become_vectors(v1: str) -> None:
    """LangChain would send numbers of OpenAI's tokens, which no other model knows; this keeps them texts."""
    embeddings = OpenAIEmbeddings(
        model="titan-embed-v2", base_url=v1, api_key="any", check_embedding_ctx_length=False, dimensions=256
    )
    assert [len(vector) for vector in embeddings.embed_documents(["Rain", "Sun"])] == [256, 256]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("name", "status", "code"), [(name, *told) for name, told in REFUSALS.items()])
def test_a_refusal_raises_the_class_of_its_status(v1: str, name: str, status: int, code: str, stream: bool) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        said(model(v1), fault(name), stream)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert isinstance(caught.value, ContextOverflowError) == (name == "too-long")


@pytest.mark.parametrize("name", CUTS)
def test_a_broken_stream_raises(v1: str, name: str) -> None:
    with pytest.raises(openai.APIError) as caught:
        said(model(v1), fault(name), stream=True)
    assert caught.value.code in ("upstream_stream_error", "upstream_protocol_error")


async def _stream(asked: Any) -> str:
    return "".join([chunk.text async for chunk in asked.astream(HELLO)])


def test_it_works_without_blocking_too(v1: str) -> None:
    assert asyncio.run(_stream(model(v1))) == "Good morning."


def test_the_program_in_the_readme_runs(heard: Listener, tmp_path: Path) -> None:
    told = run_shown("langchain-openai", [sys.executable, "-"], heard.url, tmp_path)
    assert told.startswith("Good morning.")
