"""The same conversation through MCP, OpenAI's door and Anthropic's gives the same Converse bytes."""

import json
from typing import Any

import pytest
from anthropic_house import CLOCK, HAIKU, PIXEL, WEATHER, Street, posting
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


PDF = "JVBERi0xLjQK"
GUARDRAIL = {"id": "gr1", "version": "1", "trace": "enabled"}
COMMON: dict[str, Any] = {"max_tokens": 4000, "guardrail": GUARDRAIL, "latency": "optimized"}


async def test_a_long_rich_conversation_is_the_same_through_all_three_doors(street: Street) -> None:
    """Thinking, signed and redacted, a picture, a document, two calls at once, a kept prefix, a guardrail."""
    thought, secret = {"text": "Hm.", "signature": "c2ln"}, "c2VjcmV0"
    image = {"format": "png", "source": {"bytes": PIXEL}}
    document = {"format": "pdf", "name": "paper", "source": {"bytes": PDF}}
    schema = WEATHER["input_schema"]
    await ask_mcp(
        street,
        **COMMON,
        messages=[
            {"role": "system", "content": [{"text": SYSTEM}, {"cachePoint": {"type": "default", "ttl": "1h"}}]},
            {"role": "user", "content": [{"text": "Look"}, {"image": image}, {"document": document}]},
            {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": thought}},
                    {"reasoningContent": {"redactedContent": secret}},
                    {"text": "One moment."},
                    {"toolUse": {"toolUseId": "call_1", "name": "get.weather", "input": {"city": "Rome"}}},
                    {"toolUse": {"toolUseId": "call_2", "name": "get_time", "input": {}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"toolResult": {"toolUseId": "call_1", "content": [{"text": "rain"}]}},
                    {"toolResult": {"toolUseId": "call_2", "content": [{"text": "noon"}]}},
                ],
            },
        ],
        tools=[{**WEATHER, "name": "get.weather"}, CLOCK],
        tool_choice="auto",
        reasoning={"budget_tokens": 2048},
    )
    picture, paper = f"data:image/png;base64,{PIXEL}", f"data:application/pdf;base64,{PDF}"
    kept = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    function = {"name": "get.weather", "description": WEATHER["description"], "parameters": schema}
    clock = {"name": CLOCK["name"], "parameters": CLOCK["input_schema"]}
    calls = [("call_1", "get.weather", '{"city":"Rome"}'), ("call_2", "get_time", "{}")]
    await ask_openai(
        street,
        **COMMON,
        messages=[
            {"role": "system", "content": [{"type": "text", "text": SYSTEM, **kept}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look"},
                    {"type": "image_url", "image_url": {"url": picture}},
                    {"type": "file", "file": {"filename": "paper.pdf", "file_data": paper}},
                ],
            },
            {
                "role": "assistant",
                "content": "One moment.",
                "reasoning_details": [
                    {"type": "reasoning.text", **thought},
                    {"type": "reasoning.encrypted", "data": secret},
                ],
                "tool_calls": [
                    {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
                    for call_id, name, arguments in calls
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
            {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
        ],
        tools=[{"type": "function", "function": function}, {"type": "function", "function": clock}],
        tool_choice="auto",
        reasoning={"max_tokens": 2048},
    )
    await ask_anthropic(
        street,
        **COMMON,
        system=[{"type": "text", "text": SYSTEM, **kept}],
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                    {
                        "type": "document",
                        "title": "paper",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": thought["text"], "signature": thought["signature"]},
                    {"type": "redacted_thinking", "data": secret},
                    {"type": "text", "text": "One moment."},
                    *[
                        {"type": "tool_use", "id": call_id, "name": name, "input": json.loads(arguments)}
                        for call_id, name, arguments in calls
                    ],
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": "rain"},
                    {"type": "tool_result", "tool_use_id": "call_2", "content": "noon"},
                ],
            },
        ],
        tools=[{**WEATHER, "name": "get.weather"}, CLOCK],
        tool_choice={"type": "auto"},
        thinking={"type": "enabled", "budget_tokens": 2048},
    )
    first, second, third = street.asked()
    assert written(first) == written(second) == written(third)
    assert first["guardrailConfig"]["trace"] == "enabled"
    assert [list(block) for block in first["system"]] == [["text"], ["cachePoint"]]
