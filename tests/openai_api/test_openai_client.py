"""OpenAI's own Python client, unchanged, at our door."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from door import QUICK, Door, sandbox_door, user

openai = pytest.importorskip("openai", reason="OpenAI's client is not installed; pip install openai to run these")

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK: dict[str, Any] = {"type": "function", "function": {"name": "get_time"}}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture
async def client(door: Door) -> AsyncIterator[Any]:
    async with openai.AsyncOpenAI(base_url=f"{door.url}/v1", api_key="any", max_retries=0) as opened:
        yield opened


async def test_a_plain_question_is_answered(client: Any) -> None:
    answer = await client.chat.completions.create(model="nova-pro", messages=[user("Hello")])
    assert answer.id.startswith("chatcmpl-")
    assert (answer.object, answer.model) == ("chat.completion", "nova-pro")
    (choice,) = answer.choices
    assert choice.message.role == "assistant"
    assert "Hello" in choice.message.content
    assert (choice.message.refusal, choice.logprobs, choice.finish_reason) == (None, None, "stop")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


async def test_the_headers_tell_model_cost_cache_and_what_was_dropped(client: Any) -> None:
    ask = client.chat.completions.with_raw_response.create
    first = await ask(model="nova-pro", messages=[user("Hello")], seed=7, logprobs=True, frequency_penalty=0)
    second = await ask(model="nova-pro", messages=[user("Hello")], extra_headers={"x-request-id": "my-id.1"})
    assert first.headers["x-llm-gateway-model"] == "nova-pro"
    assert first.headers["x-llm-gateway-dropped-params"] == "logprobs, seed"
    assert float(first.headers["x-llm-gateway-cost-usd"]) > 0
    assert first.headers["x-request-id"].startswith("req_")
    told = [answer.headers["x-llm-gateway-cache"] for answer in (first, second)]
    assert told == ["miss", "hit"]
    assert second.headers["x-llm-gateway-cost-usd"] == "0"
    assert second.headers["x-request-id"] == second.parse()._request_id == "my-id.1"
    assert "x-llm-gateway-dropped-params" not in second.headers


async def test_a_stream_says_the_same_as_the_whole_answer(client: Any) -> None:
    whole = await client.chat.completions.create(model="nova-pro", messages=[user("Hello")])
    stream = await client.chat.completions.create(
        model="nova-pro",
        messages=[user("Hello")],
        stream=True,
        stream_options={"include_usage": True},
        extra_headers={"x-llm-gateway-cache": "bypass"},
    )
    chunks = [chunk async for chunk in stream]
    said = "".join([chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices])
    assert said == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert len(chunks) > 5
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


async def test_a_kept_answer_can_be_streamed(client: Any) -> None:
    whole = await client.chat.completions.create(model="nova-pro", messages=[user("Hello")])
    raw = await client.chat.completions.with_raw_response.create(
        model="nova-pro", messages=[user("Hello")], stream=True
    )
    assert raw.headers["x-llm-gateway-cache"] == "hit"
    said = [chunk.choices[0].delta.content or "" async for chunk in raw.parse()]
    assert "".join(said) == whole.choices[0].message.content


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_is_called_and_its_result_is_read(client: Any, stream: bool) -> None:
    messages: list[Any] = [user("[[tool:get_weather]]")]
    first = await _message(client, stream, messages, tools=[WEATHER, CLOCK])
    (call,) = first.tool_calls
    assert call.function.name == "get_weather"
    assert '"city"' in call.function.arguments
    messages += [first, {"role": "tool", "tool_call_id": call.id, "content": "Rain, 12 degrees"}]
    second = await _message(client, stream, messages, tools=[WEATHER, CLOCK])
    assert "Rain, 12 degrees" in second.content
    assert not second.tool_calls


@pytest.mark.parametrize("stream", [False, True])
async def test_two_tools_called_at_once_are_answered_together(client: Any, stream: bool) -> None:
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, user("[[tools]]")]
    first = await _message(client, stream, messages, tools=[WEATHER, CLOCK])
    assert [call.function.name for call in first.tool_calls] == ["get_weather", "get_time"]
    assert len({call.id for call in first.tool_calls}) == 2
    results = [{"role": "tool", "tool_call_id": call.id, "content": call.function.name} for call in first.tool_calls]
    second = await _message(client, stream, [*messages, first, *results, user("And?")], tools=[WEATHER, CLOCK])
    assert second.content


@pytest.mark.parametrize("stream", [False, True])
async def test_one_call_at_a_time_is_asked_for_where_the_model_can_be_told(client: Any, stream: bool) -> None:
    more: dict[str, Any] = {"tools": [WEATHER, CLOCK], "parallel_tool_calls": False}
    messages = [user("[[tools]]")]
    assert len((await _message(client, stream, messages, **more)).tool_calls) == 1
    answer = await client.chat.completions.create(model="nova-pro", messages=messages, **more)
    assert len(answer.choices[0].message.tool_calls) == 2
    assert "parallel_tool_calls" in answer.llm_gateway["warnings"][0]


async def _message(client: Any, stream: bool, messages: list[Any], **more: Any) -> Any:
    if not stream:
        answer = await client.chat.completions.create(model="claude-sonnet-4-6", messages=messages, **more)
        return answer.choices[0].message
    async with client.chat.completions.stream(model="claude-sonnet-4-6", messages=messages, **more) as events:
        async for _ in events:
            pass
        return (await events.get_final_completion()).choices[0].message


async def test_a_picture_arrives_at_the_model(client: Any, door: Door) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    answer = await client.chat.completions.create(
        model="nova-pro", messages=[user([{"type": "text", "text": "What is this?"}, picture])]
    )
    assert answer.choices[0].finish_reason == "stop"
    (asked,) = door.more["sandbox"].log
    image = asked.body["messages"][0]["content"][1]["image"]
    assert image == {"format": "png", "source": {"bytes": PIXEL}}


async def test_models_are_listed_and_found(client: Any) -> None:
    models = [model async for model in client.models.list()]
    assert {"nova-pro", "claude-sonnet-4-6"} <= {model.id for model in models}
    one = await client.models.retrieve("us.amazon.nova-pro-v1:0")
    assert (one.id, one.object, one.owned_by) == ("nova-pro", "model", "amazon")
    with pytest.raises(openai.NotFoundError) as caught:
        await client.models.retrieve("nova-por")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


REFUSALS = [
    ("validation", openai.BadRequestError, "invalid_request"),
    ("too-long", openai.BadRequestError, "context_length_exceeded"),
    ("not-found", openai.NotFoundError, "model_not_found"),
    ("throttle", openai.RateLimitError, "upstream_throttled"),
    ("throttle-day", openai.RateLimitError, "upstream_quota_exceeded"),
    ("unavailable", openai.InternalServerError, "upstream_unavailable"),
    ("internal", openai.InternalServerError, "upstream_error"),
    ("access-denied", openai.InternalServerError, "upstream_access_denied"),
    ("not-ready", openai.InternalServerError, "upstream_not_ready"),
    ("model-error", openai.InternalServerError, "upstream_model_error"),
    ("expired-token", openai.InternalServerError, "upstream_auth_error"),
    ("reset", openai.InternalServerError, "upstream_connection_error"),
    ("empty-200", openai.InternalServerError, "upstream_protocol_error"),
    ("exception-first-throttle", openai.RateLimitError, "upstream_throttled"),
    ("model-timeout", openai.InternalServerError, "upstream_timeout"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "expected", "code"), REFUSALS)
async def test_a_failure_before_the_answer_raises_the_class_of_its_status(
    client: Any, stream: bool, fault: str, expected: Any, code: str
) -> None:
    with pytest.raises(expected) as caught:
        await client.chat.completions.create(model="nova-pro", messages=[user(f"[[fault:{fault}]]")], stream=stream)
    assert caught.value.code == code
    assert caught.value.body["message"]
    headers = caught.value.response.headers
    if caught.value.status_code in (429, 503):
        assert int(headers["retry-after"]) >= 1
    if code in ("upstream_access_denied", "upstream_timeout"):
        assert headers["x-should-retry"] == "false"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_that_says_nothing_is_given_up(stream: bool) -> None:
    async with (
        sandbox_door(timeouts=QUICK) as door,
        openai.AsyncOpenAI(base_url=f"{door.url}/v1", api_key="any", max_retries=0) as client,
    ):
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(model="nova-pro", messages=[user("[[fault:hang]]")], stream=stream)
    assert (caught.value.code, caught.value.response.headers["x-should-retry"]) == ("upstream_timeout", "false")


@pytest.mark.parametrize(
    ("fault", "status"), [("exception-mid-throttle", 429), ("exception-mid-validation", 400), ("crc", 502)]
)
async def test_a_failure_within_a_whole_answer_has_the_status_of_its_cause(
    client: Any, fault: str, status: int
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        await client.chat.completions.create(model="nova-pro", messages=[user(f"[[fault:{fault}]]")])
    assert caught.value.status_code == status


@pytest.mark.parametrize("fault", ["exception-mid", "crc", "cut-frame", "no-stop", "reset-mid"])
async def test_a_failure_within_the_answer_raises_in_the_stream(client: Any, fault: str) -> None:
    stream = await client.chat.completions.create(model="nova-pro", messages=[user(f"[[fault:{fault}]]")], stream=True)
    finishes = []
    with pytest.raises(openai.APIError) as caught:
        async for chunk in stream:
            finishes.append(chunk.choices[0].finish_reason)
    assert caught.value.code in ("upstream_stream_error", "upstream_protocol_error")
    assert set(finishes) == {None}


@pytest.mark.parametrize("stream", [False, True])
async def test_thoughts_and_their_signatures_survive_two_turns_with_a_tool(client: Any, stream: bool) -> None:
    """The sandbox refuses a tool's result without the thoughts before the call, and a signature that was changed."""
    more: dict[str, Any] = {"tools": [WEATHER], "reasoning_effort": "high", "max_tokens": 20_000}
    messages: list[Any] = [user("[[tool:get_weather]]")]
    first = await _kept_message(client, stream, messages, **more)
    assert first["reasoning_content"]
    assert first["reasoning_details"][0]["signature"]
    messages += [first, {"role": "tool", "tool_call_id": first["tool_calls"][0]["id"], "content": "Rain"}]
    second = await _kept_message(client, stream, messages, **more)
    assert "Rain" in second["content"]
    spoiled = {**first, "reasoning_details": [{**first["reasoning_details"][0], "text": "I never thought this"}]}
    with pytest.raises(openai.BadRequestError, match="signature"):
        await _kept_message(client, stream, [messages[0], spoiled, messages[2]], **more)


async def _kept_message(client: Any, stream: bool, messages: list[Any], **more: Any) -> dict[str, Any]:
    """The assistant's message as a program keeps it that knows nothing of thoughts: all members, added up by index."""
    ask = client.chat.completions.create
    if not stream:
        answer = await ask(model="claude-sonnet-4-5", messages=messages, **more)
        return answer.choices[0].message.model_dump()
    kept: dict[str, Any] = {"role": "assistant", "content": "", "tool_calls": []}
    from openai.lib.streaming._deltas import accumulate_delta

    async for chunk in await ask(model="claude-sonnet-4-5", messages=messages, stream=True, **more):
        for choice in chunk.choices:
            kept = accumulate_delta(kept, choice.delta.model_dump(exclude_unset=True, exclude={"role"}))
    for call in kept["tool_calls"] or []:
        call.pop("index")
    return {**kept, "tool_calls": kept["tool_calls"] or None}


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "nova-pro"])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_in_json_fits_its_schema(client: Any, model: str, stream: bool) -> None:
    """Native in the one model, through a tool the caller never sees in the other."""
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
        "required": ["city", "degrees"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "weather", "schema": schema, "strict": True}}
    answer: Any = await client.chat.completions.create(
        model=model, messages=[user("The weather?")], response_format=form, stream=stream
    )
    if stream:
        choices = [chunk.choices[0] async for chunk in answer]
        said = "".join([choice.delta.content or "" for choice in choices])
        finish, calls = (
            choices[-1].finish_reason,
            [call for choice in choices for call in choice.delta.tool_calls or []],
        )
    else:
        (choice,) = answer.choices
        said, finish, calls = choice.message.content, choice.finish_reason, choice.message.tool_calls
    told = json.loads(said)
    assert isinstance(told["city"], str)
    assert isinstance(told["degrees"], int)
    assert (finish, calls or None) == ("stop", None)


async def test_names_of_tools_that_bedrock_refuses_come_back_as_they_were(client: Any) -> None:
    name = "server.tools/get_the_weather_of_a_city_" + "x" * 60
    tool = {"type": "function", "function": {**WEATHER["function"], "name": name}}
    for stream in (False, True):
        message = await _kept_message(client, stream, [user("[[tool]]")], tools=[tool])
        assert [call["function"]["name"] for call in message["tool_calls"]] == [name]
