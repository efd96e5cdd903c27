"""Anthropic's own client over a real socket, through the whole gateway, to the sandbox."""

import json
from typing import Any

import pytest
from anthropic_house import CLOCK, HAIKU, PIXEL, WEATHER, Street, ask, client_of, open_street, said

SAYS_NOTHING_OF_ITSELF = ("Traceback", "aiohttp", "botocore", "127.0.0.1", "AKIDEXAMPLE")


async def test_a_plain_answer(street: Street) -> None:
    async with client_of(street) as client:
        message = await client.messages.create(**ask("Say something"))
    assert (message.type, message.role, message.model) == ("message", "assistant", HAIKU)
    assert message.id.startswith("msg_")
    assert [block.type for block in message.content] == ["text"]
    assert message.content[0].text.startswith("[sandbox]")
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0
    assert message.usage.service_tier == "standard"


async def test_a_stream_gives_the_same_message(street: Street) -> None:
    async with client_of(street) as client:
        whole = await client.messages.create(**ask("Say something"))
        async with client.messages.stream(**ask("Say something")) as stream:
            text = "".join([piece async for piece in stream.text_stream])
            streamed = await stream.get_final_message()
    assert text == whole.content[0].text == streamed.content[0].text
    assert streamed.usage.input_tokens == whole.usage.input_tokens
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    assert streamed.stop_reason == whole.stop_reason


async def test_a_kept_answer_is_streamed_from_its_blocks() -> None:
    asked = ask("[[tool:get_weather]] please", tools=[WEATHER])
    async with open_street(cache_enabled=True) as street, client_of(street) as client:
        whole = await client.messages.create(**asked)
        async with client.messages.stream(**asked) as stream:
            kept = await stream.get_final_message()
            assert stream.response.headers["x-llm-gateway-cache"] == "hit"
            assert stream.response.headers["x-llm-gateway-cost-usd"] == "0"
        assert len(street.sandbox.log) == 1
    assert [dump(block) for block in kept.content] == [dump(block) for block in whole.content]
    assert [block.type for block in kept.content] == ["text", "tool_use"]


def dump(block: Any) -> dict[str, Any]:
    """A block of the answer as it goes back, as the client itself writes it."""
    return block.model_dump(exclude_none=True, include=set(type(block).model_fields) - {"parsed_output"})


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_tool_round_trip_of_two_turns(street: Street, streaming: bool) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": '[[tool:get_weather {"city": "Paris"}]]'}]
    async with client_of(street) as client:
        call = await said(client, streaming, messages, tools=[WEATHER])
        assert call.stop_reason == "tool_use"
        use = call.content[-1]
        assert (use.type, use.name, use.input) == ("tool_use", "get_weather", {"city": "Paris"})
        messages += [
            {"role": "assistant", "content": call.content},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "18 degrees"}]},
        ]
        answer = await said(client, streaming, messages, tools=[WEATHER])
    assert answer.stop_reason == "end_turn"
    assert "18 degrees" in answer.content[0].text
    first, second = street.asked()
    assert second["messages"][1]["content"][-1]["toolUse"]["toolUseId"] == use.id
    assert second["messages"][2]["content"] == [
        {"toolResult": {"toolUseId": use.id, "content": [{"text": "18 degrees"}]}}
    ]
    assert first["toolConfig"] == second["toolConfig"]


@pytest.mark.parametrize("streaming", [False, True])
async def test_parallel_tools_are_called_and_answered_together(street: Street, streaming: bool) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "[[tools]]"}]
    async with client_of(street) as client:
        call = await said(client, streaming, messages, tools=[WEATHER, CLOCK])
        uses = [block for block in call.content if block.type == "tool_use"]
        assert [use.name for use in uses] == ["get_weather", "get_time"]
        assert uses[1].input == {}
        results = [
            {"type": "tool_result", "tool_use_id": uses[0].id, "content": [{"type": "text", "text": "fine"}]},
            {"type": "tool_result", "tool_use_id": uses[1].id, "content": "no clock", "is_error": True},
        ]
        messages += [{"role": "assistant", "content": call.content}, {"role": "user", "content": results}]
        answer = await said(client, streaming, messages, tools=[WEATHER, CLOCK])
    assert "fine; no clock" in answer.content[0].text
    results = [block["toolResult"] for block in street.asked()[-1]["messages"][2]["content"]]
    assert [result.get("status") for result in results] == [None, "error"]


@pytest.mark.parametrize("streaming", [False, True])
async def test_one_tool_at_a_time_is_called_if_so_asked(street: Street, streaming: bool) -> None:
    one = {"type": "auto", "disable_parallel_tool_use": True}
    async with client_of(street) as client:
        asked = [{"role": "user", "content": "[[tools]]"}]
        call = await said(client, streaming, asked, tools=[WEATHER, CLOCK], tool_choice=one)
    assert [block.type for block in call.content] == ["text", "tool_use"]
    assert street.asked()[0]["additionalModelRequestFields"] == {"tool_choice": one}


async def test_a_picture_reaches_the_model(street: Street) -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    content = [picture, {"type": "text", "text": "What is this?"}]
    async with client_of(street) as client:
        await client.messages.create(model=HAIKU, max_tokens=50, messages=[{"role": "user", "content": content}])
    assert street.asked()[0]["messages"][0]["content"] == [
        {"image": {"format": "png", "source": {"bytes": PIXEL}}},
        {"text": "What is this?"},
    ]


async def test_a_prompt_cache_is_written_and_read(street: Street) -> None:
    ephemeral = {"type": "ephemeral"}
    long = "All the rules of the house. " * 2000
    asked = ask(system=[{"type": "text", "text": long, "cache_control": ephemeral | {"ttl": "1h"}}])
    asked["messages"][0]["content"] = [{"type": "text", "text": "Hello " * 3000, "cache_control": ephemeral}]
    async with client_of(street) as client:
        written = (await client.messages.create(**asked)).usage
        async with client.messages.stream(**asked) as stream:
            read = (await stream.get_final_message()).usage
    assert written.cache_creation.ephemeral_1h_input_tokens > 4096
    assert written.cache_creation.ephemeral_5m_input_tokens > 0
    creation = written.cache_creation
    both = creation.ephemeral_1h_input_tokens + creation.ephemeral_5m_input_tokens
    assert written.cache_creation_input_tokens == both
    assert (read.cache_read_input_tokens, read.cache_creation_input_tokens) == (both, 0)
    body = street.asked()[0]
    assert body["system"] == [{"text": long}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert body["messages"][0]["content"][1] == {"cachePoint": {"type": "default"}}


async def test_tools_can_end_a_kept_prefix(street: Street) -> None:
    kept = CLOCK | {"cache_control": {"type": "ephemeral"}}
    async with client_of(street) as client:
        await client.messages.create(**ask("Hello", tools=[WEATHER, kept], cache_control={"type": "ephemeral"}))
    body = street.asked()[0]
    assert [next(iter(tool)) for tool in body["toolConfig"]["tools"]] == ["toolSpec", "toolSpec", "cachePoint"]
    assert body["messages"][0]["content"] == [{"text": "Hello"}, {"cachePoint": {"type": "default"}}]


@pytest.mark.parametrize("streaming", [False, True])
async def test_an_answer_can_be_held_to_a_schema(street: Street, streaming: bool) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    form = {"format": {"type": "json_schema", "schema": schema}}
    async with client_of(street) as client:
        message = await said(client, streaming, [{"role": "user", "content": "Where?"}], output_config=form)
    assert message.stop_reason == "end_turn"
    assert set(json.loads(message.content[0].text)) == {"city"}


async def test_a_forced_tool_and_its_end(street: Street) -> None:
    async with client_of(street) as client:
        message = await client.messages.create(
            **ask("Hello", tools=[WEATHER, CLOCK], tool_choice={"type": "tool", "name": "get_time"})
        )
    assert [block.name for block in message.content if block.type == "tool_use"] == ["get_time"]
    assert street.asked()[0]["toolConfig"]["toolChoice"] == {"tool": {"name": "get_time"}}


async def test_a_stop_sequence_and_a_length_end_the_answer(street: Street) -> None:
    async with client_of(street) as client:
        stopped = await client.messages.create(**ask("Hello", stop_sequences=["answer"]))
        cut = await client.messages.create(**(ask("[[say: word]] [[length:500]]") | {"max_tokens": 2}))
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "answer")
    assert cut.stop_reason == "max_tokens"


# fault: status, the client's class, type and code
ERRORS = {
    "validation": (400, "BadRequestError", "invalid_request_error", "invalid_request"),
    "too-long": (400, "BadRequestError", "invalid_request_error", "context_length_exceeded"),
    "not-found": (404, "NotFoundError", "not_found_error", "model_not_found"),
    "throttle": (429, "RateLimitError", "rate_limit_error", "upstream_throttled"),
    "quota": (429, "RateLimitError", "rate_limit_error", "upstream_quota_exceeded"),
    "not-ready": (503, "ServiceUnavailableError", "overloaded_error", "upstream_not_ready"),
    "unavailable": (503, "ServiceUnavailableError", "overloaded_error", "upstream_unavailable"),
    "reset": (502, "InternalServerError", "overloaded_error", "upstream_connection_error"),
    "internal": (502, "InternalServerError", "api_error", "upstream_error"),
    "model-error": (502, "InternalServerError", "api_error", "upstream_model_error"),
    "access-denied": (502, "InternalServerError", "api_error", "upstream_access_denied"),
    "expired-token": (502, "InternalServerError", "api_error", "upstream_auth_error"),
    "empty-200": (502, "InternalServerError", "api_error", "upstream_protocol_error"),
    "exception-first-throttle": (429, "RateLimitError", "rate_limit_error", "upstream_throttled"),
    "hang": (504, "DeadlineExceededError", "timeout_error", "upstream_timeout"),
}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("fault", ERRORS)
async def test_a_failure_before_the_answer_has_its_status(street: Street, fault: str, streaming: bool) -> None:
    import anthropic

    status, _, kind, code = ERRORS[fault]
    async with client_of(street) as client:
        with pytest.raises(anthropic.APIStatusError) as raised:
            await said(client, streaming, [{"role": "user", "content": f"[[fault:{fault}]]"}])
    error = raised.value
    assert error.status_code == status
    body: Any = error.body
    assert (body["type"], body["error"]["type"], body["error"]["code"]) == ("error", kind, code)
    assert body["request_id"] == error.request_id == error.response.headers["request-id"]
    assert ("retry-after" in error.response.headers) == (status in (429, 503))
    assert not any(word in str(body) for word in SAYS_NOTHING_OF_ITSELF)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("exception-mid-throttle", "upstream_stream_error"),
        ("crc", "upstream_protocol_error"),
        ("no-stop", "upstream_protocol_error"),
        ("reset-mid", "upstream_protocol_error"),
        ("stall", "upstream_timeout"),
    ],
)
async def test_a_failure_in_mid_answer_is_an_error_to_the_client(street: Street, fault: str, code: str) -> None:
    import anthropic

    said_until_then = ""
    async with client_of(street) as client:
        with pytest.raises(anthropic.APIStatusError) as raised:
            async with client.messages.stream(**ask(f"[[fault:{fault}]] tell me")) as stream:
                async for piece in stream.text_stream:
                    said_until_then += piece
    assert said_until_then
    body: Any = raised.value.body
    assert body["error"]["code"] == code
    assert not any(word in str(body) for word in SAYS_NOTHING_OF_ITSELF)


async def test_the_client_asks_again_after_a_throttle_but_not_for_what_may_be_paid(street: Street) -> None:
    import anthropic

    async with client_of(street, max_retries=1) as client:
        with pytest.raises(anthropic.RateLimitError):
            await client.messages.create(**ask("[[fault:throttle]]"))
        throttled = len(street.sandbox.log)
        street.sandbox.reset()
        with pytest.raises(anthropic.APIStatusError):
            await client.messages.create(**ask("[[fault:hang]]"))
        hung = len(street.sandbox.log)
    assert throttled >= 2
    assert hung == 1


@pytest.mark.filterwarnings("ignore:The model 'claude-sonnet-4-5:DeprecationWarning")
@pytest.mark.parametrize(
    "name",
    ["claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"],
)
async def test_a_model_goes_by_all_its_names(street: Street, name: str) -> None:
    async with client_of(street) as client:
        message = await client.messages.create(**(ask() | {"model": name}))
    assert message.model == name
    assert "claude-sonnet-4-5-20250929" in street.sandbox.log[0].model_id


async def test_tokens_are_counted_without_an_answer(street: Street) -> None:
    async with client_of(street) as client:
        few = await client.messages.count_tokens(model=HAIKU, messages=[{"role": "user", "content": "Hello"}])
        many = await client.messages.count_tokens(
            model=HAIKU, messages=[{"role": "user", "content": "Hello " * 500}], tools=[WEATHER], system="Be short."
        )
    assert 0 < few.input_tokens < many.input_tokens
    assert not [record for record in street.sandbox.log if record.operation != "CountTokens"]
