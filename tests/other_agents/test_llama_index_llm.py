"""LlamaIndex on ``BedrockGatewayLLM``: its calls, its agent, its structured programs, its memory and its counters."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed here; run `make clients`")

from for_agents.gateway_answers import InvalidRequest, ModelNotFound
from for_agents.llama_index_llm import BedrockGatewayLLM
from for_agents.llama_index_messages import to_gateway
from llama_index.core.agent.workflow import AgentStream, FunctionAgent, ToolCallResult
from llama_index.core.base.llms.types import (
    CacheControl,
    CachePoint,
    ChatMessage,
    ChatResponse,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool

from other_clients.questions import ALL_TOOLS, HELLO, NOON, ONE_TOOL, PNG, RAIN, Weather, get_time, get_weather
from other_clients.readme_program import run_shown
from other_clients.served import CHECKOUT, asked_of_bedrock, over_stdio

PLAIN, CLAUDE, THINKING = "nova-pro", "claude-haiku-4-5", "claude-sonnet-4-5"
weather, time = FunctionTool.from_defaults(get_weather), FunctionTool.from_defaults(get_time)
WAYS = ("chat", "achat", "stream_chat", "astream_chat")


@pytest.fixture(autouse=True)
def _address(mcp: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_GATEWAY_URL", mcp)


def llm(model: str = PLAIN, **more: Any) -> BedrockGatewayLLM:
    return BedrockGatewayLLM(model=model, **more)


async def said(way: str, asked: BedrockGatewayLLM, *given: Any, **more: Any) -> tuple[Any, str]:
    """The last of what came, and the sum of what came piece by piece."""
    answer = getattr(asked, way)(*given, **more)
    if way.startswith("a"):
        answer = await answer
    if "stream" not in way:
        return answer, ""
    answers = [piece async for piece in answer] if way.startswith("a") else list(answer)
    return answers[-1], "".join([piece.delta or "" for piece in answers])


@pytest.mark.parametrize("way", WAYS)
async def test_a_conversation_is_answered(way: str) -> None:
    messages = [ChatMessage(role="system", content="Be brief."), ChatMessage(content="Say: Good morning to you all.")]
    answer, told = await said(way, llm(), messages)
    assert answer.message.content == "Good morning to you all."
    assert told in ("", answer.message.content)
    assert answer.additional_kwargs["cost_usd"] > 0
    usage = answer.raw["usage"]
    assert answer.additional_kwargs["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


@pytest.mark.parametrize("way", ["complete", "acomplete", "stream_complete", "astream_complete"])
async def test_a_text_is_completed(way: str) -> None:
    answer, told = await said(way, llm(), HELLO)
    assert answer.text == "Good morning."
    assert told in ("", answer.text)


def test_the_catalog_tells_what_the_model_is() -> None:
    told = llm("us.anthropic.claude-haiku-4-5-20251001-v1:0").metadata
    assert (told.is_chat_model, told.is_function_calling_model, told.context_window) == (True, True, 200_000)
    assert not llm("voxtral-small").metadata.is_function_calling_model
    own = llm(context_window=1000, max_tokens=50, calls_functions=False).metadata
    assert (own.context_window, own.num_output, own.is_function_calling_model) == (1000, 50, False)
    assert llm("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc").metadata.is_chat_model


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", [PLAIN, CLAUDE])
async def test_a_tool_is_called_and_its_result_is_read(model: str, way: str) -> None:
    asked, way = llm(model), f"{way}_with_tools"
    first, _ = await said(way, asked, [weather], ONE_TOOL)
    (call,) = asked.get_tool_calls_from_response(first)
    assert (call.tool_name, call.tool_kwargs) == ("get_weather", {"city": "Paris"})
    result = ChatMessage(role="tool", content=RAIN, additional_kwargs={"tool_call_id": call.tool_id})
    history = [ChatMessage(content=ONE_TOOL), first.message, result]
    second, _ = await said(way, asked, [weather], chat_history=history)
    assert RAIN in second.message.content
    assert asked.get_tool_calls_from_response(second, error_on_no_tool_call=False) == []
    with pytest.raises(ValueError, match="called no tool"):
        asked.get_tool_calls_from_response(second)


def test_calls_come_one_at_a_time_unless_more_are_allowed() -> None:
    asked = llm()
    for allowed, names in ((False, ["get_weather"]), (True, ["get_weather", "get_time"])):
        answer = asked.chat_with_tools([weather, time], ALL_TOOLS, allow_parallel_tool_calls=allowed)
        assert [call.tool_name for call in asked.get_tool_calls_from_response(answer)] == names
        assert len(answer.message.additional_kwargs["tool_calls"]) == len(names)
        results = [
            ChatMessage(role="tool", content=name, additional_kwargs={"tool_call_id": call.tool_id})
            for name, call in zip(names, asked.get_tool_calls_from_response(answer), strict=True)
        ]
        history = [ChatMessage(content=ALL_TOOLS), answer.message, *results]
        assert names[-1] in asked.chat_with_tools([weather, time], chat_history=history).message.content


@pytest.mark.parametrize("choice", [{"tool_required": True}, {"tool_choice": "get_weather"}])
@pytest.mark.parametrize("model", [PLAIN, THINKING])
def test_a_tool_that_must_be_called_is_called(model: str, choice: dict[str, Any]) -> None:
    asked = llm(model, reasoning={"effort": "low"} if model == THINKING else None, max_tokens=4000)
    answer = asked.chat_with_tools([weather, time], "Hello", **choice)
    assert [call.tool_name for call in asked.get_tool_calls_from_response(answer)] == ["get_weather"]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("reasoning", [None, {"effort": "low"}])
async def test_an_agent_calls_its_tools_and_answers(streaming: bool, reasoning: Any, bedrock: str) -> None:
    asked = llm(THINKING, reasoning=reasoning, max_tokens=4000)
    agent = FunctionAgent(tools=[weather, time], llm=asked, system_prompt="Be kind.", streaming=streaming)
    running = agent.run(ALL_TOOLS)
    events = [event async for event in running.stream_events()]
    told = str(await running)
    assert RAIN in told
    assert NOON in told
    assert {event.tool_name for event in events if isinstance(event, ToolCallResult)} == {"get_weather", "get_time"}
    if streaming:
        assert "".join([event.delta for event in events if isinstance(event, AgentStream)]).endswith(told)
    turn = asked_of_bedrock(bedrock)[-1]["messages"][1]["content"]
    thoughts = [block["reasoningContent"]["reasoningText"] for block in turn if "reasoningContent" in block]
    assert [bool(thought["signature"]) for thought in thoughts] == ([True] if reasoning else [])


@pytest.mark.parametrize("model", [PLAIN, THINKING])
async def test_structured_answers_are_of_their_class(model: str) -> None:
    asked = llm(model, reasoning={"effort": "low"} if model == THINKING else None, max_tokens=4000)
    prompt = PromptTemplate("The weather in {city}?")
    assert isinstance(asked.structured_predict(Weather, prompt, city="Paris"), Weather)
    assert isinstance(await asked.astructured_predict(Weather, prompt, city="Paris"), Weather)
    assert isinstance(list(asked.stream_structured_predict(Weather, prompt, city="Paris"))[-1], Weather)
    pieces = await asked.astream_structured_predict(Weather, prompt, city="Paris")
    assert isinstance([piece async for piece in pieces][-1], Weather)
    assert isinstance(asked.as_structured_llm(Weather).complete("The weather?").raw, Weather)


def test_thoughts_and_answers_survive_being_stored() -> None:
    asked = llm(THINKING, reasoning={"effort": "low"}, max_tokens=4000)
    answer = asked.chat([ChatMessage(content=HELLO)])
    thought = next(block for block in answer.message.blocks if isinstance(block, ThinkingBlock))
    assert thought.content
    memory = ChatMemoryBuffer.from_defaults(llm=asked, chat_history=[ChatMessage(content=HELLO), answer.message])
    stored = [ChatMessage.model_validate_json(message.model_dump_json()) for message in memory.get()]
    for message in (stored[1], ChatMessage(role="assistant", blocks=answer.message.blocks)):
        told = to_gateway([stored[0], message])[1]["content"]
        assert told[0]["reasoningContent"]["reasoningText"]["signature"] == thought.additional_information["signature"]
    again = asked.chat([*stored, ChatMessage(content="Say: Again.")])
    assert again.message.content == "Again."


def test_pictures_documents_and_cache_points_arrive() -> None:
    told = to_gateway(
        [
            ChatMessage(
                blocks=[
                    TextBlock(text="Look:"),
                    ImageBlock(image=PNG),
                    DocumentBlock(data=b"words", document_mimetype="text/plain", title="notes"),
                    ImageBlock(url="https://example.com/a.png"),
                    CachePoint(cache_control=CacheControl(type="ephemeral")),
                ]
            ),
        ]
    )
    assert [next(iter(block)) for block in told[0]["content"]] == ["text", "type", "document", "type", "cachePoint"]
    assert told[0]["content"][2]["document"]["name"] == "notes"
    blocks = [TextBlock(text="What is this?"), ImageBlock(image=PNG)]
    assert llm().chat([ChatMessage(blocks=blocks)]).message.content


def test_llama_index_counts_its_tokens() -> None:
    counter = TokenCountingHandler(tokenizer=str.split)
    answer = llm(callback_manager=CallbackManager([counter])).chat([ChatMessage(content=HELLO)])
    usage = answer.raw["usage"]
    assert counter.prompt_llm_token_count == usage["input_tokens"] > 0
    assert counter.completion_llm_token_count == usage["output_tokens"] > 0


def test_one_session_serves_every_event_loop_and_none() -> None:
    asked = llm()

    async def ask() -> ChatResponse:
        return await asked.achat([ChatMessage(content=HELLO)])

    told = [asyncio.run(ask()), asked.chat([ChatMessage(content=HELLO)]), asyncio.run(ask())]
    assert {answer.message.content for answer in told} == {"Good morning."}


async def test_a_gateway_is_started_where_none_is_named(
    bedrock: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LLM_GATEWAY_URL")
    command, env = over_stdio(bedrock, tmp_path)
    asked = llm(gateway_command=command, gateway_env=env)
    assert asked.metadata.context_window == 300_000
    assert (await asked.acomplete(HELLO)).text == asked.complete(HELLO).text == "Good morning."


async def test_a_stream_that_is_left_does_no_harm() -> None:
    asked = llm()
    async for _ in await asked.astream_chat([ChatMessage(content="Say: " + "word " * 50)]):
        break
    for _ in asked.stream_chat([ChatMessage(content="Say: " + "word " * 50)]):
        break
    assert asked.complete(HELLO).text == "Good morning."


def test_the_program_in_the_guide_runs(served: str, mcp: str, tmp_path: Path) -> None:
    words, env = [sys.executable, "-"], {"PYTHONPATH": str(CHECKOUT), "LLM_GATEWAY_URL": mcp}
    told = run_shown("llama-index", words, served, tmp_path, "for_agents/README.md", **env)
    assert "Rain, 12 degrees" in told


def test_bad_input_says_what_to_do() -> None:
    with pytest.raises(ModelNotFound, match="closest: nova-pro"):
        llm("nova-por").complete("Hello")
    with pytest.raises(InvalidRequest, match="prompt is empty"):
        llm().complete("")
    with pytest.raises(InvalidRequest, match="no messages"):
        llm().chat([])
    with pytest.raises(InvalidRequest, match="tool_call_id"):
        llm().chat([ChatMessage(content="x"), ChatMessage(role="tool", content="y")])


def test_a_stored_llm_keeps_no_key() -> None:
    told = llm(api_key="sk-secret").to_dict()
    assert told["class_name"] == "BedrockGatewayLLM"
    assert "sk-secret" not in str(told)
    assert "sk-secret" not in repr(llm(api_key="sk-secret"))


def test_calls_that_somebody_took_away_do_not_come_back() -> None:
    use = {"toolUse": {"toolUseId": "1", "name": "f", "input": {}}}
    kept = ChatMessage(role="assistant", blocks=[], additional_kwargs={"content_blocks": [{"text": "so"}, use]})
    assert to_gateway([kept])[0]["content"] == [{"text": "so"}]
    changed = ToolCallBlock(tool_call_id="1", tool_name="f", tool_kwargs={"a": 1})
    kept.blocks = [changed]
    assert to_gateway([kept])[0]["content"][1]["toolUse"]["input"] == {"a": 1}
