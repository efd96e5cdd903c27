"""However a script ends that has started a server, the server ends with it, and says nothing of it."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clients.processes import environment, until
from llm_gateway.sandbox.server import Sandbox

LATE = "[[fault:slow-first-token:60]] Say: late"
HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # shells may have it ignored
CLIENT = f"""
{HEARS}
import asyncio
from for_agents.bedrock_client import GatewayClient
async def main():
    async with GatewayClient() as client:
        await client.generate("nova-lite", "{LATE}")
asyncio.run(main())
"""
NODE = f"""
{HEARS}
from for_agents.llm_node import llm_consultation_node
llm_consultation_node.invoke({{"messages": [("user", "{LATE}")], "model": "nova-lite"}})
"""
ENDS = {
    "interrupted": (CLIENT, os.kill, signal.SIGINT),
    "interrupted-with-its-group": (CLIENT, os.killpg, signal.SIGINT),
    "killed": (CLIENT, os.kill, signal.SIGKILL),
    "interrupted-without-a-loop": (NODE, os.kill, signal.SIGINT),
}


@pytest.mark.parametrize("how", ENDS)
async def test_no_server_is_left_of_a_script_that_is(how: str, sandbox: Sandbox, tmp_path: Path) -> None:
    program, send, number = ENDS[how]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env=environment(sandbox.url, LLM_GATEWAY_HOME=str(tmp_path), LOG_LEVEL="ERROR", PATH=path),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    await until(lambda: sandbox.open_now == 1, 60)
    (server,) = told("pgrep", "-P", str(process.pid))
    send(process.pid, number)
    assert await asyncio.wait_for(process.wait(), 60) == -number
    await until(lambda: all(state.startswith("Z") for state in told("ps", "-o", "stat=", "-p", server)), 60)
    assert process.stderr is not None
    said = (await asyncio.wait_for(process.stderr.read(), 60)).decode()
    assert "ExceptionGroup" not in said
    assert said.strip().rpartition("\n")[2] == ("KeyboardInterrupt" if number == signal.SIGINT else "")


def told(*command: str) -> list[str]:
    """The words that a command answers."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
