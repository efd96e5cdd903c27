"""What a user may get wrong: each is an error of its kind that says what to do."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from for_agents.bedrock_client import GatewayClient
from for_agents.gateway_answers import GatewayUnavailable, InvalidRequest, ModelNotFound, WrongKey
from for_agents.llm_node import make_llm_node
from langchain_core.tools import tool

from clients.processes import environment, running_gateway, until
from llm_gateway.sandbox.server import Sandbox

LATE = "[[fault:slow-first-token:60]] Say: late"
SERVE = (sys.executable, "-m", "llm_gateway", "serve")


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def asked(words: str = "x", **more: Any) -> dict[str, Any]:
    return {"messages": [("user", words)], **more}


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/mcp", "http://127.0.0.1:9/sse"])
async def test_no_gateway_at_the_url(url: str) -> None:
    with pytest.raises(GatewayUnavailable, match=f"no gateway answers at {url}.*is the url right"):
        await make_llm_node(url=url).ainvoke(asked())


async def test_a_url_that_is_none() -> None:
    with pytest.raises(InvalidRequest, match="begins with http") as refused:
        await make_llm_node(url="127.0.0.1:8080/mcp").ainvoke(asked())
    assert refused.value.field == "url"


async def test_a_command_that_is_not_there_or_ends_at_once(tmp_path: Path) -> None:
    with pytest.raises(GatewayUnavailable, match=r"cannot be run.*command="):
        await GatewayClient(command=[str(tmp_path / "nothing")]).generate("nova-lite", "x")
    with pytest.raises(GatewayUnavailable, match=r"run it yourself: .*serve"):
        await GatewayClient(command=SERVE, env={"CACHE_TTL": "soon"}).generate("nova-lite", "x")


async def test_states_and_models_that_cannot_be_asked(client: GatewayClient) -> None:
    node = make_llm_node(client=client)
    with pytest.raises(InvalidRequest, match="holds no messages; begin with"):
        await node.ainvoke({"model": "nova-lite"})
    with pytest.raises(InvalidRequest, match="must be a dict"):
        await node.ainvoke("hello")
    with pytest.raises(InvalidRequest, match=r"cannot be read.*'role'"):
        await node.ainvoke({"messages": [{"rol": "user"}]})
    with pytest.raises(InvalidRequest, match="model must be a name"):
        await node.ainvoke(asked(model=3))
    with pytest.raises(ModelNotFound, match="closest: nova-pro"):
        await node.ainvoke(asked(model="nova-por"))
    with pytest.raises(InvalidRequest, match="did you mean 'temperature'"):
        await make_llm_node(client=client, temprature=1).ainvoke(asked())
    with pytest.raises(InvalidRequest, match=r"support tool use.*list_models"):
        await make_llm_node("deepseek-r1", tools=[weather], client=client).ainvoke(asked())


@pytest.mark.parametrize("way", ["stdio", "http"])
async def test_a_wrong_key_and_none(way: str, sandbox: Sandbox, tmp_path: Path) -> None:
    home = {"LLM_GATEWAY_HOME": str(tmp_path), "LOG_LEVEL": "ERROR"}
    env = environment(sandbox.url, **home)
    made = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "llm_gateway", "keys", "create", "--name", "bar"),
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    key = (await made.communicate())[0].decode().strip()
    if way == "stdio":
        for wrong, words in ((None, "LLM_GATEWAY_KEY"), ("sk-wrong", "not known")):
            with pytest.raises(WrongKey, match=words):
                await ask_and_close(GatewayClient(command=SERVE, env=env, key=wrong))
        assert await ask_and_close(GatewayClient(command=SERVE, env=env, key=key)) == "in"
        return
    async with running_gateway(sandbox.url, tmp_path, LLM_GATEWAY_HOME=str(tmp_path)) as running:
        for door in ("mcp", "sse"):
            for wrong, words in ((None, "LLM_GATEWAY_KEY"), ("sk-wrong", "not known.*keys create")):
                with pytest.raises(WrongKey, match=words):
                    await GatewayClient(f"{running.url}/{door}", key=wrong).generate("nova-lite", "x")
        assert await ask_and_close(GatewayClient(f"{running.url}/mcp", key=key)) == "in"


async def ask_and_close(client: GatewayClient) -> str:
    try:
        return (await client.generate("nova-lite", "Say: in")).content
    finally:
        await client.aclose()


async def test_a_gateway_that_dies_under_a_call_over_http(sandbox: Sandbox, tmp_path: Path) -> None:
    """Over stdio: test_a_paid_call_without_a_key_is_not_made_again."""
    with pytest.raises(GatewayUnavailable, match="no gateway answers at"):
        async with running_gateway(sandbox.url, tmp_path, LLM_GATEWAY_HOME=str(tmp_path)) as running:
            client = GatewayClient(f"{running.url}/mcp")
            asking = asyncio.ensure_future(make_llm_node("nova-lite", client=client).ainvoke(asked(LATE)))
            await until(lambda: sandbox.open_now == 1, 60)
            os.kill(running.process.pid, signal.SIGKILL)
            with pytest.raises(GatewayUnavailable, match="may be paid; paid_once"):
                await asking
            await client.get_stats()
    assert len(sandbox.log) == 1
