"""LangChain's own agent with ``ChatBedrockGateway`` as its brain."""

from typing import Any

import pytest

pytest.importorskip("langchain", reason="langchain is not installed here; run `make clients`")

from for_agents.chat_model import ChatBedrockGateway
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from other_clients.questions import ONE_TOOL, RAIN, Weather, get_weather
from other_clients.served import asked_of_bedrock

PLAIN = {"model": "nova-pro"}
THINKING = {"model": "claude-sonnet-4-5", "reasoning": {"effort": "low"}, "max_tokens": 4000}


def agent(mcp: str, how: dict[str, Any], **more: Any) -> Any:
    return create_agent(ChatBedrockGateway(gateway_url=mcp, **how), [get_weather], system_prompt="Be kind.", **more)


@pytest.mark.parametrize("how", [PLAIN, THINKING], ids=["plain", "thinking"])
async def test_an_agent_calls_its_tool_and_answers(mcp: str, how: dict[str, Any]) -> None:
    told = (await agent(mcp, how).ainvoke({"messages": [("user", ONE_TOOL)]}))["messages"]
    assert [message.type for message in told] == ["human", "ai", "tool", "ai"]
    assert RAIN in told[-1].text


@pytest.mark.parametrize(
    ("how", "form"),
    [(PLAIN, Weather), (PLAIN, ToolStrategy(Weather)), (PLAIN, ProviderStrategy(Weather)), (THINKING, Weather)],
    ids=["plain", "by a tool", "by the provider", "thinking"],
)
def test_an_agents_answer_is_of_its_class(mcp: str, how: dict[str, Any], form: Any) -> None:
    told = agent(mcp, how, response_format=form).invoke({"messages": [("user", ONE_TOOL)]}, {"recursion_limit": 10})
    assert isinstance(told["structured_response"], Weather)


def test_a_person_may_change_the_call_of_a_model_that_thinks(mcp: str, bedrock: str) -> None:
    asking = HumanInTheLoopMiddleware(interrupt_on={"get_weather": True})
    asked = agent(mcp, THINKING, middleware=[asking], checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    asked.invoke({"messages": [("user", ONE_TOOL)]}, thread)
    changed = {"type": "edit", "edited_action": {"name": "get_weather", "args": {"city": "Rome"}}}
    told = asked.invoke(Command(resume={"decisions": [changed]}), thread)["messages"]
    assert "Rome" in told[2].text
    assert RAIN in told[-1].text
    turn = asked_of_bedrock(bedrock)[-1]["messages"][1]["content"]
    assert turn[0]["reasoningContent"]["reasoningText"]["signature"]
    assert turn[-1]["toolUse"]["toolUseId"] == told[2].tool_call_id
