"""A sandbox and a gateway process, over stdio and over HTTP, for clients that know nothing of the gateway's code."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from for_agents.bedrock_client import GatewayClient

from clients.processes import environment, running_gateway
from llm_gateway.sandbox.server import Sandbox

SERVE = (sys.executable, "-m", "llm_gateway", "serve")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture
def over_stdio(sandbox: Sandbox, tmp_path: Path) -> GatewayClient:
    """Not opened yet."""
    env = environment(sandbox.url, LLM_GATEWAY_HOME=str(tmp_path), LOG_LEVEL="ERROR")
    return GatewayClient(command=SERVE, env=env)


@pytest.fixture(params=["stdio", "http", "sse"])
async def client(
    request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path, over_stdio: GatewayClient
) -> AsyncIterator[GatewayClient]:
    if request.param == "stdio":
        async with over_stdio:
            yield over_stdio
        return
    async with running_gateway(sandbox.url, tmp_path, LLM_GATEWAY_HOME=str(tmp_path)) as running:
        way = "mcp" if request.param == "http" else "sse"
        async with GatewayClient(f"{running.url}/{way}") as opened:
            yield opened
