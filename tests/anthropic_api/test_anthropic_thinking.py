"""Thoughts over two turns, with their signatures, through Anthropic's own client."""

from typing import Any

import pytest
from anthropic_house import CLOCK, WEATHER, Street, client_of, said


@pytest.mark.parametrize("streaming", [False, True])
async def test_thoughts_keep_their_signatures_over_two_turns(street: Street, streaming: bool) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    messages: list[dict[str, Any]] = [{"role": "user", "content": '[[tool:get_weather {"city": "Rome"}]]'}]
    async with client_of(street) as client:
        call = await said(client, streaming, messages, tools=[WEATHER], thinking=thinking)
        assert [block.type for block in call.content] == ["thinking", "text", "tool_use"]
        assert call.content[0].signature
        results = [{"type": "tool_result", "tool_use_id": call.content[-1].id, "content": "rain"}]
        messages += [{"role": "assistant", "content": call.content}, {"role": "user", "content": results}]
        answer = await said(client, streaming, messages, tools=[WEATHER], thinking=thinking)
    assert answer.content[0].type == "thinking"
    first, second = street.asked()
    assert first["additionalModelRequestFields"]["thinking"] == thinking
    thought = second["messages"][1]["content"][0]["reasoningContent"]["reasoningText"]
    assert thought == {"text": call.content[0].thinking, "signature": call.content[0].signature}


@pytest.mark.parametrize("streaming", [False, True])
async def test_redacted_thoughts_pass_through(street: Street, streaming: bool) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    messages: list[dict[str, Any]] = [{"role": "user", "content": "[[redacted]] [[tool:get_time]]"}]
    async with client_of(street) as client:
        call = await said(client, streaming, messages, tools=[CLOCK], thinking=thinking)
        assert call.content[0].type == "redacted_thinking"
        results = [{"type": "tool_result", "tool_use_id": call.content[-1].id, "content": "noon"}]
        messages += [{"role": "assistant", "content": call.content}, {"role": "user", "content": results}]
        await said(client, streaming, messages, tools=[CLOCK], thinking=thinking)
    kept = street.asked()[-1]["messages"][1]["content"][0]["reasoningContent"]
    assert kept == {"redactedContent": call.content[0].data}


async def test_adaptive_thinking_goes_with_its_effort(street: Street) -> None:
    messages = [{"role": "user", "content": "Hello"}]
    more = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}
    async with client_of(street) as client:
        message = await client.messages.create(model="claude-sonnet-5", max_tokens=2000, messages=messages, **more)
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert street.asked()[0]["additionalModelRequestFields"] == more
