"""OpenAI's and Anthropic's clients for Node, unchanged: each scenario of ``node/*_client.mjs`` is a process."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import questions
from listener import Listener
from readme_program import run_shown
from served import CHECKOUT, asked_of_bedrock

FOLDER = CHECKOUT / ".venv-clients" / "node"
SCRIPTS = Path(__file__).parent / "node"
SCENARIOS = ("plain", "one_tool", "two_tools", "schema", "thoughts")
ASKED = {name.lower(): value for name, value in vars(questions).items() if isinstance(value, str | tuple | dict)}

if "GATEWAY_PYTHON" not in os.environ:
    pytest.skip("Node's clients are asked by `make clients`", allow_module_level=True)
if not (FOLDER / "node").exists():
    pytest.skip("Node's clients are not installed: node or npm is missing", allow_module_level=True)


def run(client: str, scenario: str, gateway: str) -> None:
    words = [FOLDER / "node", SCRIPTS / f"{client}_client.mjs", scenario, gateway]
    told = {name: value for name, value in ASKED.items() if not name.startswith("_")}
    env = {**os.environ, "QUESTIONS": json.dumps(told | {"png": questions.PNG_TEXT})}
    ended = subprocess.run(words, cwd=FOLDER, env=env, capture_output=True, text=True, timeout=100)
    assert (ended.returncode, ended.stdout) == (0, "ok\n"), ended.stderr


@pytest.mark.parametrize("client", ["openai", "anthropic"])
@pytest.mark.parametrize("scenario", [*SCENARIOS, *[f"{name}_stream" for name in SCENARIOS], "refusals", "cuts"])
def test_a_conversation_goes_as_with_the_vendors_own(heard: Listener, client: str, scenario: str) -> None:
    run(client, scenario, heard.url)
    assert heard.last.asked
    if scenario.endswith("_stream"):
        assert all([exchange.is_stream for exchange in heard.exchanges])


@pytest.mark.parametrize("client", ["openai", "anthropic"])
def test_a_picture_arrives_at_the_model(heard: Listener, bedrock: str, client: str) -> None:
    run(client, "picture", heard.url)
    block = asked_of_bedrock(bedrock)[-1]["messages"][0]["content"][1]
    assert block["image"] == {"format": "png", "source": {"bytes": questions.PNG_TEXT}}


@pytest.mark.parametrize("package", ["openai for Node", "@anthropic-ai/sdk"])
def test_the_program_in_the_readme_runs(heard: Listener, package: str) -> None:
    told = run_shown(package, [FOLDER / "node", "--input-type=module", "-"], heard.url, FOLDER)
    assert told.startswith("Good morning.")
