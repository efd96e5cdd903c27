"""langchain-mcp-adapters, which speaks MCP by an SDK below 2: it loads our tools, and LangChain's agent uses them."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from questions import HELLO
from readme_program import run_shown
from served import over_stdio

pytest.importorskip("langchain_mcp_adapters", reason="langchain-mcp-adapters is not installed here; run `make clients`")

from langchain.agents import create_agent
from langchain_mcp_adapters.callbacks import Callbacks
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from langchain_openai import ChatOpenAI

TOOLS = {"generate", "list_models", "get_stats", "estimate_cost", "count_tokens", "compare", "get_budget", "get_usage"}


@pytest.fixture(params=["stdio", "http"])
def way(request: pytest.FixtureRequest, bedrock: str, served: str, tmp_path: Path) -> dict[str, Any]:
    """How the adapters reach the gateway."""
    if request.param == "stdio":
        (command, *words), env = over_stdio(bedrock, tmp_path)
        return {"transport": "stdio", "command": command, "args": words, "env": env}
    return {"transport": "http", "url": f"{served}/mcp"}


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """In one event loop: ChatOpenAI keeps its connections for the next of its kind."""
    with asyncio.Runner() as runner:
        yield runner.run


def asked_for(tool: str, **arguments: Any) -> str:
    return f"[[tool:{tool} {json.dumps(arguments)}]] Please."


def generate(model: str, content: str) -> str:
    return asked_for("generate", model=model, messages=[{"role": "user", "content": content}])


def test_the_tools_are_loaded_with_their_schemas(run: Any, way: dict[str, Any]) -> None:
    tools = {tool.name: tool for tool in run(MultiServerMCPClient({"gateway": way}).get_tools())}
    assert tools.keys() >= TOOLS
    assert tools["generate"].args_schema["required"] == ["model", "messages"]
    assert all([tool.description for tool in tools.values()])


async def _told_by_agent(served: str, way: dict[str, Any], heard: list[str], *questions: str) -> list[list[Any]]:
    """The messages of a run for each question, all over one session; ``heard``: the text while it is made."""

    async def hear(progress: float, total: float | None, message: str | None, context: Any) -> None:
        heard.append(message or "")

    brain = ChatOpenAI(model="claude-haiku-4-5", base_url=f"{served}/v1", api_key="any", max_retries=0)
    async with MultiServerMCPClient({"gateway": way}).session("gateway") as session:
        agent = create_agent(brain, await load_mcp_tools(session, callbacks=Callbacks(on_progress=hear)))
        return [(await agent.ainvoke({"messages": [("user", question)]}))["messages"] for question in questions]


def test_an_agent_uses_them_hears_the_text_and_is_told_of_errors(run: Any, served: str, way: dict[str, Any]) -> None:
    heard: list[str] = []
    slowly = generate("nova-lite", f"[[fault:stall:0.5]] {HELLO} How are you all?")
    questions = (slowly, asked_for("list_models"), generate("nova-por", HELLO))
    answered, listed, refused = runs = run(_told_by_agent(served, way, heard, *questions))
    for messages in runs:
        assert [message.type for message in messages] == ["human", "ai", "tool", "ai"]
    answer = answered[2].artifact["structured_content"]
    assert answer["content"] == "".join(heard) == "Good morning. How are you all?"
    assert len(heard) > 1
    assert answer["estimated_cost_usd"] > 0
    assert "Good morning." in answered[3].text
    assert "nova-lite" in {card["name"] for card in listed[2].artifact["structured_content"]["result"]}
    assert [messages[2].status for messages in runs] == ["success", "success", "error"]
    assert "closest: nova-pro" in refused[2].text


def test_the_program_in_the_guide_runs(served: str, tmp_path: Path) -> None:
    told = run_shown("langchain-mcp-adapters", [sys.executable, "-"], served, tmp_path, "for_agents/README.md")
    assert "the tools gave" in told
