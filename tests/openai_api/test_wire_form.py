"""What leaves the door, byte for byte as OpenAI's specification has it."""

import json
from typing import Any

import pytest
from door import Door, user
from published import CHAT_COMPLETION, CHUNK, ERROR, MODELS, check

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
# What is asked: text alone, a tool's call, thoughts, a cut answer, hidden thoughts.
ASKED: dict[str, dict[str, Any]] = {
    "text": {"model": "nova-pro", "messages": [user("Hello")]},
    "tool": {"model": "claude-sonnet-4-6", "messages": [user("[[tool:look {}]]")], "tools": [TOOL]},
    "thought": {"model": "claude-sonnet-4-6", "messages": [user("Hello")], "reasoning_effort": "low"},
    "hidden": {"model": "claude-sonnet-4-6", "messages": [user("[[redacted]]")], "reasoning_effort": "low"},
    "cut": {"model": "nova-pro", "messages": [user("Hello")], "max_tokens": 3},
}


async def events(door: Door, body: dict[str, Any]) -> list[Any]:
    """The data of the stream's events; ``[DONE]`` as it stands."""
    response = await door.post(body | {"stream": True})
    assert response.status == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    told = (await response.text()).split("\n\n")
    assert told.pop() == ""
    data = [event.removeprefix("data: ") for event in told]
    return [event if event == "[DONE]" else json.loads(event) for event in data]


@pytest.mark.parametrize("asked", ASKED)
async def test_a_whole_answer_has_the_published_form(door: Door, asked: str) -> None:
    response = await door.post(ASKED[asked])
    answer = await response.json()
    check(answer, CHAT_COMPLETION)
    assert answer["choices"][0]["logprobs"] is None
    assert answer["system_fingerprint"] is None
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("include_usage", [False, True])
@pytest.mark.parametrize("asked", ASKED)
async def test_a_stream_has_the_published_form_and_order(door: Door, asked: str, include_usage: bool) -> None:
    *chunks, done = await events(door, ASKED[asked] | {"stream_options": {"include_usage": include_usage}})
    assert done == "[DONE]"
    for chunk in chunks:
        check(chunk, CHUNK)
    if include_usage:
        last = chunks.pop()
        assert last["choices"] == []
        assert last["usage"]["total_tokens"] > 0
        assert {chunk["usage"] for chunk in chunks} == {None}
    else:
        assert not [chunk for chunk in chunks if "usage" in chunk]
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert not [chunk for chunk in chunks[1:] if "role" in chunk["choices"][0]["delta"]]
    finishes = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert set(finishes[:-1]) == {None}
    assert finishes[-1] == {"tool": "tool_calls", "cut": "length"}.get(asked, "stop")
    assert chunks[-1]["choices"][0]["delta"] == {}


async def test_an_answer_of_calls_alone_has_no_content(door: Door) -> None:
    body = ASKED["tool"] | {"tool_choice": "required"}
    answer = await (await door.post(body)).json()
    message = answer["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"][0]["function"] == {"name": "look", "arguments": "{}"}
    *chunks, _ = await events(door, body | {"model": "claude-haiku-4-5"})
    calls = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert (calls[0]["function"]["name"], calls[0]["function"]["arguments"]) == ("look", "")
    assert "".join([call["function"]["arguments"] for call in calls]) == "{}"


async def test_thoughts_are_told_as_text_and_as_what_must_come_back(door: Door) -> None:
    answer = await (await door.post(ASKED["thought"])).json()
    message = answer["choices"][0]["message"]
    (detail,) = message["reasoning_details"]
    assert (detail["type"], detail["text"], detail["index"]) == ("reasoning.text", message["reasoning_content"], 0)
    assert detail["signature"]
    assert "completion_tokens_details" not in answer["usage"]
    *chunks, _ = await events(door, ASKED["thought"] | {"cache_prompt": True})
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    said = "".join([delta.get("reasoning_content", "") for delta in deltas])
    assert said == message["reasoning_content"]
    (told,) = [delta["reasoning_details"] for delta in deltas if "reasoning_details" in delta]
    assert told == deltas[-2]["reasoning_details"] == message["reasoning_details"]


async def test_hidden_thoughts_pass_unread(door: Door) -> None:
    answer = await (await door.post(ASKED["hidden"])).json()
    message = answer["choices"][0]["message"]
    assert message["reasoning_content"] is None
    assert message["reasoning_details"][0]["type"] == "reasoning.encrypted"


async def test_tokens_of_the_prompt_cache_are_a_part_of_the_prompt(door: Door) -> None:
    marked = {"type": "text", "text": "All work and no play. " * 600, "cache_control": {"type": "ephemeral"}}
    body = {"model": "claude-sonnet-4-6", "messages": [{"role": "system", "content": [marked]}, user("Hello")]}
    told = []
    for _ in range(2):
        response = await door.post(body, headers={"cache-control": "no-store"})
        assert response.headers["x-llm-gateway-cache"] == "bypass"
        told.append((await response.json())["usage"])
    write, read = [usage["prompt_tokens_details"] for usage in told]
    assert write["cache_write_tokens"] == read["cached_tokens"] > 1000
    assert told[0]["prompt_tokens"] == told[1]["prompt_tokens"] > read["cached_tokens"]
    for usage in told:
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_errors_and_lists_have_the_published_form(door: Door) -> None:
    refused = await door.post({"model": "nova-por", "messages": [user("Hello")]})
    told = await refused.json()
    check(told, ERROR)
    assert told["error"]["param"] == "model"
    assert told["request_id"] == refused.headers["x-request-id"]
    async with door.http.get(f"{door.url}/v1/models") as listed:
        check(await listed.json(), MODELS)
        assert listed.headers["x-request-id"]
