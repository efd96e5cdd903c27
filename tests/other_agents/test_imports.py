"""What is in ``for_agents/`` is imported as a package, and by its plain names from inside the folder."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from other_clients.served import CHECKOUT

FOLDER = CHECKOUT / "for_agents"
MODULES = sorted(file.stem for file in FOLDER.glob("[!_]*.py"))

if find_spec("llama_index") is None:
    pytest.skip("llama-index-core is not installed here; run `make clients`", allow_module_level=True)


@pytest.mark.parametrize(
    "program",
    [
        f"import for_agents.{', for_agents.'.join(MODULES)}",
        f"import sys; sys.path[0] = {str(FOLDER)!r}; import {', '.join(MODULES)}",
    ],
    ids=["as a package", "from inside"],
)
def test_every_module_can_be_imported(program: str) -> None:
    ended = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr


def test_llama_index_is_spoken_to_without_langchain() -> None:
    program = "import sys, for_agents.llama_index_llm; assert not [n for n in sys.modules if n.startswith('langchain')]"
    ended = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr
