"""An agent's whole conversation through the MCP door, with the real backend and the sandbox behind it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import jsonschema
import pytest
from fastmcp import Client

from houses import CATALOG, Notebook, build_gateway
from llm_gateway.backends.bedrock.client import BedrockBackend
from llm_gateway.caching.memory_cache import MemoryCache
from llm_gateway.reports import Reports
from llm_gateway.sandbox.server import Sandbox
from llm_gateway.surfaces.mcp_tools import create_mcp_server
from llm_gateway.surfaces.tool_schemas import GENERATE_INPUT, GENERATE_OUTPUT
from llm_gateway.telemetry.metrics import MetricsTracker

Json = dict[str, Any]
WEATHER: Json = {
    "name": "weather.service/get",
    "description": "The weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
PERSON: Json = {
    "type": "json_schema",
    "json_schema": {
        "name": "person",
        "schema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    },
}


@pytest.fixture
async def agent() -> AsyncIterator[Client[Any]]:
    async with Sandbox() as sandbox:
        backend = BedrockBackend(
            endpoint_url=sandbox.url, region="us-east-1", access_key_id="AKIDEXAMPLE", secret_access_key="secret"
        )
        cache, metrics = MemoryCache(max_size=10, ttl_s=60), MetricsTracker()
        gateway = build_gateway(backend, cache, (Notebook(), metrics))
        server = create_mcp_server(gateway, Reports(models=CATALOG, metrics=metrics, cache=cache))
        async with Client(server) as client:
            yield client
        await gateway.aclose()


async def ask(agent: Client[Any], *messages: Json, model: str = "claude-sonnet-4-5", **more: Any) -> Json:
    arguments: Json = {"model": model, "messages": [*messages], **more}
    jsonschema.validate(arguments, GENERATE_INPUT)
    result = await agent.call_tool("generate", arguments, raise_on_error=False)
    answer: Any = result.structured_content
    assert not result.is_error, answer
    jsonschema.validate(answer, GENERATE_OUTPUT)
    return answer


def says(role: str, content: Any) -> Json:
    return {"role": role, "content": content}


async def test_tools_and_thoughts_over_two_turns(agent: Client[Any]) -> None:
    more: Json = {"tools": [WEATHER], "reasoning": {"effort": "low"}}
    question = says("user", "Weather? [[tool]]")
    first = await ask(agent, question, **more)
    (call,) = first["tool_calls"]
    assert (first["finish_reason"], call["name"]) == ("tool_use", "weather.service/get")
    assert first["reasoning"][0]["signature"]
    result = {"toolResult": {"toolUseId": call["id"], "content": [{"text": "rain"}]}}
    second = await ask(agent, question, says("assistant", first["content_blocks"]), says("user", [result]), **more)
    assert "rain" in second["content"]
    assert second["reasoning"]
    assert not [warning for warning in second["warnings"] if "reasoning" in warning]


async def test_json_is_checked_and_flagged(agent: Client[Any]) -> None:
    for model in ("nova-lite", "claude-haiku-4-5"):
        answer = await ask(agent, says("user", "Who?"), model=model, response_format=PERSON)
        assert "name" in json.loads(answer["content"])
        assert answer["format_valid"] is True
        assert "format_fault" not in answer
        assert "tool_calls" not in answer
    answer = await ask(agent, says("user", "Who?"), model="llama-3-3-70b", response_format=PERSON)
    assert answer["format_valid"] is False
    assert answer["format_fault"]
    again = await ask(agent, says("user", "Who?"), model="llama-3-3-70b", response_format=PERSON)
    assert again["cached"] is False
    plain = await ask(agent, says("user", "Who?"))
    assert "format_valid" not in plain
    assert "content_blocks" not in plain


async def test_a_guardrail_shows_its_trace(agent: Client[Any]) -> None:
    guardrail = {"id": "grblock", "version": 1, "trace": "enabled"}
    answer = await ask(agent, says("user", "Hello"), model="nova-lite", guardrail=guardrail)
    assert answer["finish_reason"] == "content_filter"
    assert answer["guardrail_trace"]["actionReason"]


async def test_what_a_card_refuses_is_told_with_its_field(agent: Client[Any]) -> None:
    picture = {"image": {"format": "png", "source": {"bytes": "aGk0"}}}
    message = says("user", [{"text": "What?"}, picture])
    result = await agent.call_tool("generate", {"model": "nova-micro", "messages": [message]}, raise_on_error=False)
    error = (result.structured_content or {})["error"]
    assert (error["code"], error["feature"]) == ("unsupported_feature", "image")
    assert error["field"] == "messages[0].content[1]"
