"""`for_agents/` taken along alone, as its guide says: its requirements in a clean environment, the gateway elsewhere.

These tests ask the package index (`make packages`); they are not part of `make test`.
"""

import asyncio
import shutil
import sys
from pathlib import Path

import pytest
from checkout import ROOT, listening, python, run

from llm_gateway.sandbox.server import Sandbox

pytestmark = pytest.mark.from_index
EXAMPLES = sorted(file.stem for file in (ROOT / "for_agents" / "examples").glob("*.py"))
ALL = """
import runpy, sys
for name in sys.argv.pop().split():
    runpy.run_module(f"for_agents.examples.{name}", {}, "__main__")
"""


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of ``for_agents`` and an environment of its requirements, and nothing else."""
    folder = tmp_path_factory.mktemp("taken")
    shutil.copytree(ROOT / "for_agents", folder / "for_agents", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [folder / "its" / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    for words in (
        python("-m", "venv", folder / "its"),
        [*pip, "-r", folder / "for_agents" / "requirements.txt"],
    ):
        done = run(words, folder)
        assert done.returncode == 0, done.stderr
    return folder


async def test_every_example_runs_in_a_clean_environment(taken: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    names = [name for name in EXAMPLES if name not in ("__init__", "stage")]
    assert len(names) == 8
    home = tmp_path_factory.mktemp("home")
    async with Sandbox() as sandbox:
        aws = {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": sandbox.url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        serve = [sys.executable, "-m", "llm_gateway", "serve", "--transport", "http", "--port", "0"]
        with listening(serve, home, aws | {"LLM_GATEWAY_HOME": str(home)}) as url:
            command = [taken / "its" / "bin" / "python", "-c", ALL, "--url", f"{url}/mcp", " ".join(names)]
            done = await asyncio.to_thread(run, command, taken)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("graph TD") == len(names) + 1
    done = await asyncio.to_thread(run, [taken / "its" / "bin" / "python", "-c", "import llm_gateway"], taken)
    assert "No module named 'llm_gateway'" in done.stderr


def test_the_sandbox_needs_only_the_command_on_the_path(taken: Path) -> None:
    its = taken / "its" / "bin" / "python"
    one_node = [its, "-m", "for_agents.examples.one_node", "--sandbox"]
    done = run(one_node, taken, {"PATH": "/usr/bin:/bin"})
    assert done.returncode == 1
    assert "llm-gateway was not found; install the gateway" in done.stderr
    done = run(one_node, taken, {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    assert "cost $0.000" in done.stdout
