"""The README is true: its tables are the code's, its JSON is what the tools say, its programs run."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from fastmcp import Client

from llm_gateway.app import create_app
from llm_gateway.catalog.catalog import load_catalog
from llm_gateway.sandbox.server import Sandbox
from llm_gateway.serving import listen, serve_http
from llm_gateway.settings import Settings
from llm_gateway.surfaces import wire_errors
from readme.readme_parts import README, part, parts

TEXT = README.read_text()
FENCE = re.compile(r"<!-- call: (\w+) -->\n```json\n(.*?)```.*?<!-- answer(: shape)? -->\n```json\n(.*?)```", re.DOTALL)
CALLS = [(tool, json.loads(asked), bool(shape), json.loads(told)) for tool, asked, shape, told in FENCE.findall(TEXT)]
PROGRAMS = re.findall(r"<!-- run -->\n```python\n(.*?)```", TEXT, re.DOTALL)
CHANGING = {"ms", "latency_ms", "request_id"}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


def settings_for(sandbox: Sandbox) -> Settings:
    return Settings.model_validate(
        {
            "aws_endpoint_url_bedrock_runtime": sandbox.url,
            "aws_access_key_id": "any",
            "aws_secret_access_key": "any",
            "aws_region": "us-east-1",
            "log_level": "CRITICAL",
        }
    )


@pytest.mark.parametrize("name", parts())
def test_a_table_made_from_the_code_is_the_codes(name: str) -> None:
    assert part(TEXT, name) == parts()[name], "run: python tests/readme/readme_parts.py"


def test_every_error_code_is_explained() -> None:
    explained = set(re.findall(r"`([a-z_]+)`", part_between("| code |", "## Models")))
    raised = set(wire_errors.CODES) | {"invalid_request", "unsupported_feature", "context_length_exceeded"}
    assert raised - {"invalid_api_key", "overloaded"} <= explained


def part_between(start: str, end: str) -> str:
    return TEXT[TEXT.index(start) : TEXT.index(end)]


@pytest.mark.parametrize(("tool", "arguments", "only_shape", "told"), CALLS)
async def test_a_call_that_is_shown_answers_as_shown(
    sandbox: Sandbox, tool: str, arguments: dict[str, object], only_shape: bool, told: dict[str, object]
) -> None:
    app = create_app(settings_for(sandbox))
    async with Client(app.mcp_server()) as client:
        result = await client.call_tool(tool, arguments, raise_on_error=False)
    await app.gateway.aclose()
    answer = result.structured_content
    assert answer is not None
    if only_shape:
        assert keys_of(answer) == keys_of(told)
    else:
        assert without_changing(answer) == without_changing(told)


def keys_of(value: dict[str, object]) -> dict[str, object]:
    """Member names, two levels deep; what is counted by name is left out."""
    return {
        name: sorted(cast("dict[str, object]", member)) for name, member in value.items() if isinstance(member, dict)
    }


def without_changing(value: object) -> object:
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {name: without_changing(member) for name, member in members.items() if name not in CHANGING}
    if isinstance(value, list):
        return [without_changing(member) for member in cast("list[object]", value)]
    return value


@pytest.mark.parametrize("program", PROGRAMS, ids=["mcp client", "openai", "anthropic", "boto3"])
async def test_a_program_that_is_shown_runs(sandbox: Sandbox, program: str) -> None:
    app = create_app(settings_for(sandbox))
    bound = listen("127.0.0.1", 0)
    address = f"http://127.0.0.1:{bound.getsockname()[1]}"
    serving = asyncio.create_task(serve_http(app, "127.0.0.1", bound))
    shown = program.replace("http://127.0.0.1:8080", address).replace("http://127.0.0.1:8077", sandbox.url)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", shown), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    bound.close()
    assert process.returncode == 0, err.decode()
    assert out.startswith(b"Good morning.")


def test_the_file_of_models_that_is_shown_works(tmp_path: Path) -> None:
    (shown,) = re.findall(r"<!-- models file -->\n```toml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "models.toml").write_text(shown)
    card = load_catalog(tmp_path / "models.toml").get("house-model")
    assert card is not None
    assert card.prices is not None


def test_every_client_stands_in_the_list_of_clients() -> None:
    shown = part_between("## Clients\n", "## Tools\n")
    for title in re.findall(r"^### (.+)$", shown, re.MULTILINE):
        anchor = re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        assert f"(#{anchor})" in shown.partition("###")[0], title


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert target.startswith("https://") or (README.parent / target).exists(), target
