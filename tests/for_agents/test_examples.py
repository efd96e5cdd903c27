"""Each example runs as its first lines say: on a sandbox, from the checkout and from inside the folder's own import."""

import asyncio
import os
import re
import runpy
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from clients.processes import ended, running_gateway
from llm_gateway.sandbox.server import Sandbox

CHECKOUT = Path(__file__).resolve().parents[2]
ENVIRON = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LLM_GATEWAY_"))},
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}
SAID = {
    "one_node": ("graph TD", "[llm] [sandbox] nova-pro", "cost $0.000"),
    "router": ("[quick] cost", "[thorough] cost", "in all $0.00"),
    "react": ("called weather(", "[llm] cost", "in all $0.00"),
    "map_reduce": ("graph TD", "extraction    17 calls", "the ledger    21 calls"),
    "human": ("waiting for approval", "[final] cost", "4 messages"),
    "agent_a": ("nova-lite", "[agent_a] cost"),
    "agent_b": ("claude-haiku-4-5", "[agent_b] cost"),
    "agent_c": ("nova-pro", "[agent_c] cost"),
}
BOTH = ("in all", "the ledger")


@pytest.mark.parametrize("name", SAID)
async def test_the_example_runs_over_stdio(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check(name, await played(name, "--sandbox", monkeypatch=monkeypatch))


async def test_the_examples_run_over_http(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_gateway(sandbox.url, tmp_path, LLM_GATEWAY_HOME=str(tmp_path)) as running:
        for name in SAID:
            check(name, await played(name, "--url", f"{running.url}/mcp", monkeypatch=monkeypatch))


async def played(name: str, *options: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What ``python -m for_agents.examples.NAME OPTIONS`` says; in this process, which spares starting one for each."""
    for variable in os.environ.keys() - ENVIRON.keys():
        monkeypatch.delenv(variable)
    monkeypatch.setattr(sys, "argv", [name, *options])
    with redirect_stdout(StringIO()) as said:
        await asyncio.to_thread(runpy.run_module, f"for_agents.examples.{name}", run_name="__main__")
    return said.getvalue()


def check(name: str, said: str) -> None:
    """It said what it should; and where there is a bill, its sum is the ledger's."""
    for words in SAID[name]:
        assert words in said, said
    if name == "map_reduce":
        assert [float(cost) > 0 for cost in re.findall(r"^\w+ +\d+ calls  \$(.*)$", said, re.MULTILINE)] == [True] * 5
        (in_all,), (ledger,) = (re.findall(rf"^{who}( +21 calls  \$.*)$", said, re.MULTILINE) for who in BOTH)
        assert in_all.split() == ledger.split(), said


@pytest.mark.parametrize("number", [0, 1])
async def test_the_guides_programs_run_word_for_word(number: int, sandbox: Sandbox, tmp_path: Path) -> None:
    guide = (CHECKOUT / "for_agents" / "README.md").read_text(encoding="utf-8")
    program = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)[number]
    aws = {
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": sandbox.url,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "LLM_GATEWAY_HOME": str(tmp_path),
        "LOG_LEVEL": "ERROR",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        cwd=CHECKOUT,
        env=ENVIRON | aws,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    code, out, err = await ended(process)
    assert code == 0, err
    assert "Hello" in out


def test_it_is_imported_from_inside_the_folder_too() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "from llm_node import AgentState, llm_consultation_node; print(AgentState.__name__)"],
        cwd=CHECKOUT / "for_agents",
        env=ENVIRON,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "AgentState\n"), ran.stderr
