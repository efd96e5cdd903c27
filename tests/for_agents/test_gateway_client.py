"""The client: one session for all who ask, errors that say what to do, and a server that may die."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from for_agents.bedrock_client import GatewayClient, SyncGatewayClient
from for_agents.gateway_answers import GatewayUnavailable, InvalidRequest, ModelNotFound

from clients.processes import environment
from llm_gateway.sandbox.server import Sandbox

SERVE = (sys.executable, "-m", "llm_gateway", "serve")
CHECKOUT = Path(__file__).resolve().parents[2]


async def test_it_asks_and_tells_what_that_cost(client: GatewayClient) -> None:
    answer = await client.generate("nova-lite", "Say: hello", max_tokens=50)
    assert (answer.content, answer.model, answer.finish_reason) == ("hello", "nova-lite", "stop")
    assert answer.cost_usd is not None
    assert answer.cost_usd > 0
    estimate = await client.estimate_cost("nova-lite", "Say: hello")
    assert estimate["model"] == "nova-lite"
    assert "nova-lite" in {model["name"] for model in await client.list_models(provider="amazon")}
    assert (await client.get_stats())["metrics"]["total_requests"] >= 1


async def test_text_comes_while_it_is_made(client: GatewayClient) -> None:
    events = [event async for event in client.stream("nova-lite", "Say: one two three")]
    whole = events[-1].generation
    assert whole is not None
    assert "".join(event.text for event in events) == whole.content == "one two three"


async def test_errors_are_of_their_kind_and_say_what_to_do(client: GatewayClient) -> None:
    with pytest.raises(ModelNotFound, match="closest: nova-pro"):
        await client.generate("nova-por", "x")
    with pytest.raises(InvalidRequest) as refused:
        await client.generate("nova-lite", "x", max_tokens="many")
    assert refused.value.field == "max_tokens"


async def test_a_server_that_died_is_started_anew(over_stdio: GatewayClient) -> None:
    async with over_stdio as client:
        await client.generate("nova-lite", "Say: one")
        for child in children():
            os.kill(child, signal.SIGKILL)
        await client.get_stats()  # costs nothing, so it is asked again at once
        assert (await client.generate("nova-lite", "Say: two")).content == "two"
    assert children() == []


async def test_a_call_that_was_under_way_when_the_server_died_is_paid_once_and_answered(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    env = environment(sandbox.url, LLM_GATEWAY_HOME=str(tmp_path), LOG_LEVEL="ERROR")
    async with GatewayClient(command=SERVE, env=env, paid_once=True) as client:
        asking = asyncio.ensure_future(client.generate("nova-lite", "[[fault:slow-first-token:3]] Say: still here"))
        async with asyncio.timeout(60):
            while sandbox.open_now == 0:
                await client.get_stats()
        for child in children():
            os.kill(child, signal.SIGKILL)
        assert (await asking).content == "still here"
    connection = sqlite3.connect(tmp_path / "ledger.db")
    rows = connection.execute("SELECT outcome FROM ledger WHERE outcome = 'ok'").fetchall()
    connection.close()
    assert len(rows) == 1


async def test_equal_questions_cost_one_call(over_stdio: GatewayClient) -> None:
    async with over_stdio as client:
        first, second = [await client.generate("nova-lite", "Say: once") for _ in range(2)]
    assert (first.cached, second.cached, second.cost_usd) == (False, True, 0)


async def test_a_paid_call_without_a_key_is_not_made_again(sandbox: Sandbox, over_stdio: GatewayClient) -> None:
    async with over_stdio as client:
        asking = asyncio.ensure_future(client.generate("nova-lite", "[[fault:slow-first-token:3]] Say: lost"))
        async with asyncio.timeout(60):
            while sandbox.open_now == 0:
                await client.get_stats()
        for child in children():
            os.kill(child, signal.SIGKILL)
        with pytest.raises(GatewayUnavailable, match="paid_once"):
            await asking
    assert len(sandbox.log) == 1


def test_scripts_need_no_loop(tmp_path: Path) -> None:
    """In a process of its own: what it starts must end with it."""
    script = (
        "import asyncio, sys\n"
        "from llm_gateway.sandbox.server import Sandbox\n"
        "from for_agents.bedrock_client import BackgroundLoop, SyncGatewayClient\n"
        "loop, sandbox = BackgroundLoop(), Sandbox()\n"
        "loop.run(sandbox.__aenter__())\n"
        "env = {'AWS_ENDPOINT_URL_BEDROCK_RUNTIME': sandbox.url, 'AWS_ACCESS_KEY_ID': 'x',"
        " 'AWS_SECRET_ACCESS_KEY': 'y', 'LLM_GATEWAY_HOME': sys.argv[1], 'LOG_LEVEL': 'ERROR'}\n"
        "command = [sys.executable, '-m', 'llm_gateway', 'serve']\n"
        "with SyncGatewayClient(command=command, env=env) as client:\n"
        "    print(client.generate('nova-lite', 'Say: hello').content)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "hello\n"), ran.stderr
    assert SyncGatewayClient.__doc__


def test_for_agents_imports_nothing_of_the_gateway() -> None:
    for file in (CHECKOUT / "for_agents").rglob("*.py"):
        assert "llm_gateway" not in file.read_text(encoding="utf-8").replace('"llm_gateway"', ""), file


def children() -> list[int]:
    """The processes that this one has started and that still run."""
    told = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "-f", "llm_gateway serve"], capture_output=True, check=False
    )
    return [int(pid) for pid in told.stdout.split()]
