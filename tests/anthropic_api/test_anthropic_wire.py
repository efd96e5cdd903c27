"""``/v1/messages`` in plain HTTP: the exact order of events, headers, and Anthropic's shape for every refusal."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from anthropic_house import CLOCK, HAIKU, WEATHER, Street, ask, open_street, posting, until

from llm_gateway.crowd import Crowd
from llm_gateway.surfaces.anthropic_api.routes import AnthropicDoor


async def events_of(response: aiohttp.ClientResponse) -> list[tuple[str, dict[str, Any]]]:
    """Names and data; each event is two lines and an empty one."""
    found: list[tuple[str, dict[str, Any]]] = []
    for written in (await response.read()).decode().split("\n\n")[:-1]:
        first, second = written.split("\n")
        assert first.startswith("event: ")
        assert second.startswith("data: ")
        data = json.loads(second.removeprefix("data: "))
        assert data["type"] == first.removeprefix("event: ")
        found.append((data["type"], data))
    return found


async def test_a_stream_tells_its_events_in_anthropics_order(street: Street) -> None:
    async with posting(street, ask('[[tool:get_weather {"city": "Rome"}]]', tools=[WEATHER], stream=True)) as response:
        assert response.status == 200
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["request-id"].startswith("req_")
        assert response.headers["x-llm-gateway-model"] == HAIKU
        events = await events_of(response)
    names = [name for name, _ in events]
    kept = [name for at, name in enumerate(names) if at == 0 or name != names[at - 1]]
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    assert kept == ["message_start", *block, *block, "message_delta", "message_stop"]
    message = events[0][1]["message"]
    assert message | {"usage": None} == {
        "id": "msg_" + response.headers["request-id"].removeprefix("req_"),
        "type": "message",
        "role": "assistant",
        "model": HAIKU,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": None,
    }
    starts = [data for name, data in events if name == "content_block_start"]
    assert [start["index"] for start in starts] == [0, 1]
    assert starts[0]["content_block"] == {"type": "text", "text": ""}
    tool = starts[1]["content_block"]
    assert tool == {"type": "tool_use", "id": tool["id"], "name": "get_weather", "input": {}}
    pieces = [data["delta"] for name, data in events if name == "content_block_delta" and data["index"] == 1]
    assert {piece["type"] for piece in pieces} == {"input_json_delta"}
    assert json.loads("".join([piece["partial_json"] for piece in pieces])) == {"city": "Rome"}
    last = events[-2][1]
    assert last["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert last["usage"]["input_tokens"] > 0
    assert last["usage"]["output_tokens"] > 0
    assert events[-1][1] == {"type": "message_stop"}


async def test_a_failure_in_mid_answer_is_an_error_event_and_nothing_after_it(street: Street) -> None:
    async with posting(street, ask("[[fault:exception-mid-throttle]] tell me", stream=True)) as response:
        assert response.status == 200
        events = await events_of(response)
    names = [name for name, _ in events]
    assert names[0] == "message_start"
    assert names[-1] == "error"
    assert not {"message_delta", "message_stop"} & set(names)
    told = events[-1][1]
    assert told["request_id"] == response.headers["request-id"]
    assert told["error"]["code"] == "upstream_stream_error"


async def test_a_whole_answer_has_anthropics_members_and_our_headers(street: Street) -> None:
    async with posting(street, ask()) as response:
        body = await response.json()
        headers = response.headers
    assert list(body) == ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"]
    assert set(body["usage"]) == {
        *("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
        *("cache_creation", "service_tier"),
    }
    assert headers["x-llm-gateway-cache"] == "miss"
    assert headers["x-llm-gateway-model"] == HAIKU
    assert float(headers["x-llm-gateway-cost-usd"]) > 0
    assert "x-llm-gateway-dropped-params" not in headers


async def test_silence_is_filled_with_pings() -> None:
    async with open_street(bedrock_idle_timeout=5) as street:
        door = AnthropicDoor(street.app.gateway, ping_after_s=0.05)
        sent = await call(door, ask("[[fault:stall:0.3]] tell me", stream=True))
    body = b"".join([message.get("body", b"") for message in sent])
    assert body.count(b'event: ping\ndata: {"type":"ping"}\n\n') >= 2
    assert body.endswith(b'data: {"type":"message_stop"}\n\n')


async def call(door: Any, body: dict[str, Any], *, leave: asyncio.Event | None = None) -> list[dict[str, Any]]:
    """What an ASGI application sends for one request; the caller hangs up when ``leave`` is set."""
    given = [{"type": "http.request", "body": json.dumps(body).encode()}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if given:
            return given.pop()
        await (leave or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await door({"type": "http", "path": "/v1/messages", "method": "POST", "headers": []}, receive, send)
    return sent


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_caller_that_hangs_up_ends_the_call(streaming: bool) -> None:
    async with open_street(bedrock_idle_timeout=30) as street:
        async with aiohttp.ClientSession() as session:
            asked = ask("[[fault:stall:30]] tell me", stream=streaming)
            request = session.post(street.url + "/v1/messages", json=asked)
            if streaming:
                async with request as response:
                    await response.content.readany()
            else:
                waiting = asyncio.ensure_future(request.__aenter__())
                await until(lambda: street.sandbox.open_now > 0)
                waiting.cancel()
        await until(lambda: street.sandbox.open_now == 0)
        assert street.sandbox.log[0].outcome == "aborted_by_client"


async def error_of(response: aiohttp.ClientResponse) -> dict[str, Any]:
    body = await response.json()
    assert body["type"] == "error"
    assert body["request_id"] == response.headers["request-id"]
    assert isinstance(body["error"]["message"], str)
    return body["error"]


BODIES: dict[str, tuple[Any, int, str]] = {
    "nothing": (b"", 400, "invalid_request"),
    "no JSON": (b"{", 400, "invalid_request"),
    "no UTF-8": (b'{"model": "\xff"}', 400, "invalid_request"),
    "NaN": (b'{"model": "x", "temperature": NaN}', 400, "invalid_request"),
    "a list": ([], 400, "invalid_request"),
    "deep": (b'{"messages": ' + b"[" * 500 + b"]" * 500 + b"}", 400, "invalid_request"),
    "large": (b'{"model": "' + b"x" * 3000 + b'"}', 413, "payload_too_large"),
}


@pytest.mark.parametrize("kind", BODIES)
async def test_a_body_nobody_can_read_is_refused_in_anthropics_shape(kind: str) -> None:
    body, status, code = BODIES[kind]
    async with open_street(max_body_bytes=2048) as street, posting(street, body) as response:
        error = await error_of(response)
        assert (response.status, error["code"], error["type"]) == (status, code, "invalid_request_error")
        assert not street.sandbox.log


async def test_other_methods_and_paths_are_refused_in_anthropics_shape(street: Street) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(street.url + "/v1/messages") as response:
            assert (response.status, response.headers["allow"]) == (405, "POST")
            assert (await error_of(response))["code"] == "method_not_allowed"
        async with session.head(street.url + "/v1/messages?beta=true") as response:
            assert (response.status, await response.read()) == (405, b"")
        async with session.post(street.url + "/v1/messages/batches", json={}) as response:
            assert response.status == 404
            assert (await error_of(response))["type"] == "not_found_error"
        packed = {"content-encoding": "gzip"}
        async with session.post(street.url + "/v1/messages", data=b"x", headers=packed) as response:
            assert (response.status, (await error_of(response))["code"]) == (415, "unsupported_encoding")


async def test_an_unknown_model_is_named_with_the_closest(street: Street) -> None:
    async with posting(street, ask() | {"model": "claude-haiku-4-6"}) as response:
        error = await error_of(response)
    assert (response.status, error["type"], error["code"]) == (404, "not_found_error", "model_not_found")
    assert HAIKU in error["closest"]


async def test_what_cannot_be_honoured_is_dropped_and_named(street: Street) -> None:
    body = ask(
        tools=[WEATHER | {"eager_input_streaming": True}, {"type": "web_search_20250305", "name": "web_search"}],
        container="c",
        inference_geo=None,
        metadata={"user_id": '{"device": 1}'},
        **{"new\nparam": 1},
    )
    async with posting(street, body) as response:
        assert response.status == 200
        named = response.headers["x-llm-gateway-dropped-params"].split(", ")
    assert set(named) == {
        *("container", "new_param", "metadata.user_id", "tools.eager_input_streaming", "tools.web_search_20250305"),
    }
    assert [tool["toolSpec"]["name"] for tool in street.asked()[0]["toolConfig"]["tools"]] == ["get_weather"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"container": "c"}, "container"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"messages": [{"role": "user", "content": "x", "name": "y"}]}, "messages[0].name"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_when_that_is_wanted(more: dict[str, Any], field: str) -> None:
    async with open_street(strict_params=True) as street, posting(street, ask() | more) as response:
        assert response.status == 400
        assert (await error_of(response))["field"] == field


async def test_a_header_decides_about_the_cache() -> None:
    async with open_street(cache_enabled=True) as street, aiohttp.ClientSession() as session:
        told = []
        for mode in ("use", "use", "bypass", "refresh"):
            named = {"x-llm-gateway-cache": mode}
            async with session.post(street.url + "/v1/messages", json=ask(), headers=named) as response:
                told.append(response.headers["x-llm-gateway-cache"])
        async with session.post(
            street.url + "/v1/messages", json=ask(), headers={"x-llm-gateway-cache": "maybe"}
        ) as response:
            assert response.status == 400
            assert (await error_of(response))["field"] == "x-llm-gateway-cache"
    assert told == ["miss", "hit", "bypass", "miss"]


async def test_two_tools_are_counted_as_one_limit_allows(street: Street) -> None:
    async with open_street(max_tools=1) as narrow, posting(narrow, ask(tools=[WEATHER, CLOCK])) as response:
        assert (response.status, (await error_of(response))["field"]) == (400, "tools")


class Broken:
    """A gateway with a fault of its own."""

    crowd = Crowd()

    async def generate(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("the secret is xyzzy")

    def turn_away(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("the secret is xyzzy")


@pytest.mark.parametrize("body", [ask(), ask(stream=True), {}])
async def test_a_fault_of_ours_shows_nothing_of_itself(body: dict[str, Any]) -> None:
    broken: Any = Broken()
    sent = await call(AnthropicDoor(broken), body)
    headers = dict(sent[0]["headers"])
    assert (sent[0]["status"], headers[b"x-should-retry"]) == (500, b"false")
    error = json.loads(sent[1]["body"])["error"]
    assert (error["type"], error["code"]) == ("api_error", "internal_error")
    assert "xyzzy" not in str(sent)


async def test_a_caller_that_hangs_up_before_its_body_is_whole_gets_nothing() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    nobody: Any = Broken()
    scope = {"type": "http", "path": "/v1/messages", "method": "POST", "headers": []}
    await AnthropicDoor(nobody)(scope, receive, send)
    assert sent == []


async def test_a_server_that_stops_ends_the_answer(street: Street) -> None:
    door = AnthropicDoor(street.app.gateway)
    answering = asyncio.ensure_future(call(door, ask("[[fault:stall]] tell me", stream=True)))
    await until(lambda: street.sandbox.open_now > 0)
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    await until(lambda: street.sandbox.open_now == 0)


async def test_warnings_stand_in_a_header(street: Street) -> None:
    async with posting(street, ask() | {"model": "claude-sonnet-4-5", "max_tokens": 10**6}) as response:
        assert "max_tokens was lowered" in response.headers["x-llm-gateway-warnings"]


async def test_a_request_keeps_the_name_it_came_with(street: Street) -> None:
    for told, kept in (("job-7.a", "job-7.a"), ("a b", None)):
        async with (
            aiohttp.ClientSession() as http,
            http.post(street.url + "/v1/messages", json=ask(), headers={"x-request-id": told}) as response,
        ):
            named = response.headers["x-request-id"]
            assert named == response.headers["request-id"]
            assert named == kept or (kept is None and named.startswith("req_"))
