"""The tool ``embed``, before the sandbox: one vector a text, exact money, and refusals that name the argument."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from fastmcp import Client

from llm_gateway.app import create_app
from llm_gateway.sandbox.server import Sandbox
from llm_gateway.settings import Settings

TITAN = "amazon.titan-embed-text-v2:0"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client[Any]]:
    async with Sandbox() as sandbox:
        given = {
            "aws_endpoint_url_bedrock_runtime": sandbox.url,
            "aws_access_key_id": "any",
            "aws_secret_access_key": "any",
            "llm_gateway_home": tmp_path,
        }
        app = create_app(Settings.model_validate(given))
        async with Client(app.mcp_server()) as connected:
            yield connected
        await app.aclose()


async def embed(client: Client[Any], **arguments: Any) -> tuple[bool, dict[str, Any]]:
    result = await client.call_tool("embed", {"model": TITAN, **arguments}, raise_on_error=False)
    return result.is_error, cast("dict[str, Any]", result.structured_content)


async def test_each_text_has_a_vector_and_the_call_its_price(client: Client[Any]) -> None:
    failed, told = await embed(client, texts=["A cat.", "A dog.", "A house by the sea."], dimensions=256)
    assert not failed
    assert ([len(vector) for vector in told["vectors"]], told["dimensions"]) == ([256] * 3, 256)
    assert told["estimated_cost_usd"] == pytest.approx(told["usage"]["input_tokens"] * 0.02e-6, abs=2e-9)
    usage = cast("dict[str, Any]", (await client.call_tool("get_usage", {})).structured_content)
    assert usage["rows"][0]["input_tokens"] == told["usage"]["input_tokens"]


async def test_one_text_may_stand_bare(client: Client[Any]) -> None:
    assert len((await embed(client, texts="A cat."))[1]["vectors"]) == 1


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "texts"),
        ({"texts": []}, "texts"),
        ({"texts": ["a", " "]}, "texts[1]"),
        ({"texts": ["a"], "dimensions": 0}, "dimensions"),
        ({"texts": ["a"], "purpose": "fun"}, "purpose"),
        ({"texts": ["a"], "model": "nova-lite"}, "model"),
        ({"texts": ["a"], "colour": "red"}, "colour"),
    ],
)
async def test_a_refusal_names_the_argument(arguments: dict[str, Any], field: str, client: Client[Any]) -> None:
    failed, told = await embed(client, **arguments)
    assert (failed, told["error"].get("field")) == (True, field)
