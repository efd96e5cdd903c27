"""The same conversation through MCP, OpenAI's door and Anthropic's gives the same Converse bytes."""

import json
from typing import Any

import pytest
from anthropic_house import HAIKU, WEATHER, Street, posting
from fastmcp import Client

SYSTEM = "Be brief."
SETTINGS: dict[str, Any] = {"model": HAIKU, "temperature": 0.2, "max_tokens": 300}


def written(body: dict[str, Any]) -> str:
    """The body as it came, the order of its members included."""
    return json.dumps(body)


async def ask_mcp(street: Street, **arguments: Any) -> None:
    async with Client(street.app.mcp_server()) as client:
        await client.call_tool("generate", SETTINGS | arguments)


async def ask_openai(street: Street, **body: Any) -> None:
    async with posting(street, SETTINGS | body, "/v1/chat/completions") as response:
        assert response.status == 200, await response.text()


async def ask_anthropic(street: Street, **body: Any) -> None:
    async with posting(street, SETTINGS | body) as response:
        assert response.status == 200, await response.text()


async def test_a_plain_conversation_is_the_same_through_all_doors(street: Street) -> None:
    turns = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Good day."},
        {"role": "user", "content": "What is Zürich?"},
    ]
    told = {"role": "system", "content": SYSTEM}
    await ask_mcp(street, messages=turns, system=SYSTEM, stop_sequences=["END"])
    await ask_openai(street, messages=[told, *turns], stop="END")
    await ask_anthropic(street, messages=turns, system=SYSTEM, stop_sequences=["END"])
    first, second, third = street.asked()
    assert written(first) == written(second) == written(third)
    assert first["system"] == [{"text": SYSTEM}]
    assert len({record.model_id for record in street.sandbox.log}) == 1


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_tool_s_round_trip_is_the_same_through_both_doors_of_v1(street: Street, streaming: bool) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'}}
    function = {"name": WEATHER["name"], "description": WEATHER["description"], "parameters": WEATHER["input_schema"]}
    await ask_openai(
        street,
        messages=[
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "One moment.", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        ],
        tools=[{"type": "function", "function": function}],
        tool_choice="required",
        stream=streaming,
    )
    use = {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Rome"}}
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": "rain"}
    await ask_anthropic(
        street,
        messages=[
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": [{"type": "text", "text": "One moment."}, use]},
            {"role": "user", "content": [result]},
        ],
        tools=[WEATHER],
        tool_choice={"type": "any"},
        stream=streaming,
    )
    first, second = street.asked()
    assert written(first) == written(second)
