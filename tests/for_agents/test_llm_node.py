"""The node in real graphs: messages, tools, streams, thoughts over turns, checkpoints, and what it cost."""

import asyncio
import operator
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from for_agents.bedrock_client import GatewayClient
from for_agents.chat_model import ChatBedrockGateway
from for_agents.gateway_answers import InvalidRequest, ModelNotFound
from for_agents.llm_node import AgentState, llm_consultation_node, make_llm_node
from for_agents.messages import to_gateway
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from clients.processes import running_gateway
from llm_gateway.sandbox.server import Sandbox


@pytest.fixture
async def url(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    async with running_gateway(sandbox.url, tmp_path, LLM_GATEWAY_HOME=str(tmp_path)) as running:
        monkeypatch.setenv("LLM_GATEWAY_URL", f"{running.url}/mcp")
        yield f"{running.url}/mcp"


CALLS: tuple[tuple[dict[str, Any], str], ...] = (({"a": 1}, "1"), ({}, "2"))


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def one_node(node: Any = llm_consultation_node, **how: Any) -> Any:
    workflow = StateGraph(AgentState)
    workflow.add_node("llm", node)
    workflow.set_entry_point("llm")
    workflow.add_edge("llm", END)
    return workflow.compile(**how)


async def test_a_graph_of_one_node_answers_and_knows_its_cost(client: GatewayClient) -> None:
    graph = one_node(make_llm_node(client=client))
    result = await graph.ainvoke({"messages": [{"role": "user", "content": "Say: hello"}], "model": "nova-pro"})
    assert result["response"] == "hello"
    assert result["usage"]["total_tokens"] == result["usage"]["input_tokens"] + result["usage"]["output_tokens"]
    assert result["cost_usd"] == result["total_cost_usd"] > 0
    assert isinstance(result["messages"][-1], AIMessage)


async def test_two_hundred_runs_over_one_session_get_each_its_own_answer(over_stdio: GatewayClient) -> None:
    async with over_stdio as client:
        graph = one_node(make_llm_node("nova-lite", client=client))
        asked = [{"messages": [("user", f"Say: word-{number}")]} for number in range(200)]
        results = await asyncio.gather(*map(graph.ainvoke, asked))
    assert [result["response"] for result in results] == [f"word-{number}" for number in range(200)]
    assert len({result["request_id"] for result in results}) == 200


async def test_nodes_that_run_at_the_same_time_share_the_state(url: str) -> None:
    workflow = StateGraph(AgentState)
    for name in ("first", "second"):
        workflow.add_node(name, make_llm_node("nova-lite", system=f"You are the {name}."))
        workflow.add_edge(START, name)
    result = await workflow.compile().ainvoke({"messages": [("user", "Say: hello")]})
    assert [message.text for message in result["messages"]] == ["Say: hello", "hello", "hello"]
    assert result["total_cost_usd"] > result["cost_usd"] > 0


async def test_it_works_under_invoke_too(url: str) -> None:
    state = {"messages": [HumanMessage("Say: hello")], "model": "nova-lite"}
    result = await asyncio.to_thread(one_node().invoke, state)
    assert result["response"] == "hello"
    assert one_node().invoke(state)["response"] == "hello"  # within a loop that runs


async def test_without_a_loop_the_nodes_own_client_is_asked_too(sandbox: Sandbox, tmp_path: Path) -> None:
    async with running_gateway(sandbox.url, tmp_path, LLM_GATEWAY_HOME=str(tmp_path)) as running:
        graph = one_node(make_llm_node("nova-lite", client=GatewayClient(f"{running.url}/mcp")))
        result = await asyncio.to_thread(graph.invoke, {"messages": [("user", "Say: hello")]})
        assert result["response"] == "hello"


async def test_tokens_stream_in_both_modes(url: str) -> None:
    state = {"messages": [("user", "Say: a few words")], "model": "nova-lite"}
    told: dict[str, str] = {"messages": "", "custom": ""}
    async for mode, event in one_node().astream(state, stream_mode=["messages", "custom"]):
        told[mode] += event["text"] if mode == "custom" else str(event[0].text)
    assert told == {"messages": "a few words", "custom": "a few words"}


async def test_tool_calls_go_round_by_langgraphs_own_nodes(url: str) -> None:
    workflow = StateGraph(AgentState)
    workflow.add_node("llm", make_llm_node("claude-haiku-4-5", tools=[weather]))
    workflow.add_node("tools", ToolNode([weather]))
    workflow.set_entry_point("llm")
    workflow.add_conditional_edges("llm", tools_condition)
    workflow.add_edge("tools", "llm")
    asked = {"messages": [("user", "What is the weather? Use the tool weather.")]}
    messages = (await workflow.compile().ainvoke(asked))["messages"]
    assert [message.type for message in messages] == ["human", "ai", "tool", "ai"]
    assert messages[1].tool_calls[0]["name"] == "weather"
    assert messages[2].tool_call_id == messages[1].tool_calls[0]["id"]
    assert "sunny" in messages[3].text


async def test_thoughts_keep_their_signatures_over_turns(url: str, sandbox: Sandbox) -> None:
    node = make_llm_node("claude-sonnet-4-5", reasoning={"effort": "low"}, max_tokens=4000, tools=[weather])
    first = await one_node(node).ainvoke({"messages": [("user", "Use the tool weather.")]})
    answer = first["messages"][-1]
    result = ToolMessage("sunny", tool_call_id=answer.tool_calls[0]["id"])
    await one_node(node).ainvoke({"messages": [*first["messages"], result]})
    told = sandbox.log[-1].body
    assert told is not None
    thought = told["messages"][1]["content"][0]["reasoningContent"]["reasoningText"]
    assert thought["signature"] == answer.additional_kwargs["reasoning"][0]["signature"]


async def test_state_goes_into_a_checkpoint_and_comes_back(url: str, tmp_path: Path) -> None:
    thread = {"configurable": {"thread_id": "t1"}}
    for question in ("Say: one", "Say: two"):
        async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "c.db")) as saver:
            graph = one_node(checkpointer=saver)
            last = await graph.ainvoke({"messages": [("user", question)], "model": "nova-lite"}, thread)
    assert [message.text for message in last["messages"]] == ["Say: one", "one", "Say: two", "two"]
    usage = await GatewayClient(url).get_usage(by=["run", "agent"], run_id="t1")
    assert [(row["run"], row["agent"], row["calls"]) for row in usage["rows"]] == [("t1", "llm", 2)]


async def test_structured_output_is_of_its_kind(url: str) -> None:
    from pydantic import BaseModel

    class Invoice(BaseModel):
        """An invoice."""

        total: int
        name: str

    told = await ChatBedrockGateway(model="nova-lite").with_structured_output(Invoice).ainvoke("An invoice, please")
    assert isinstance(told, Invoice)


async def test_bad_states_say_what_to_do(url: str) -> None:
    with pytest.raises(InvalidRequest, match="holds no messages"):
        await one_node().ainvoke({"model": "nova-lite"})
    with pytest.raises(ModelNotFound, match="closest"):
        await one_node().ainvoke({"messages": [("user", "x")], "model": "nova-por"})


def test_pictures_and_results_are_read_in_every_spelling() -> None:
    told = to_gateway(
        [
            HumanMessage(
                [
                    {"type": "text", "text": "look"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    {"type": "image", "base64": "AAAA", "mime_type": "image/png"},
                ]
            ),
            AIMessage(
                "", tool_calls=[{"name": "f", "args": {"a": 1}, "id": "1"}, {"name": "f", "args": {}, "id": "2"}]
            ),
            ToolMessage("one", tool_call_id="1"),
            ToolMessage("two", tool_call_id="2", status="error"),
        ]
    )
    picture = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
    assert told[0]["content"] == [{"text": "look"}, picture, picture]
    assert told[1]["content"][0] == {"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": 1}}}
    results = [block["toolResult"] for block in told[2]["content"]]
    assert [(each["toolUseId"], each.get("status")) for each in results] == [("1", None), ("2", "error")]


def test_the_state_adds_up_costs_and_messages() -> None:
    hints = get_type_hints(AgentState, include_extras=True)
    assert operator.add in hints["total_cost_usd"].__metadata__
