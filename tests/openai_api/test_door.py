"""The door itself: statuses, limits, hang-ups, what is counted. Before a scripted backend, over a real socket."""

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from door import door_before, until, user

from llm_gateway.backends.scripted import Scripted, ScriptedBackend
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.errors import BackendGarbled, BackendThrottled, InvalidRequest, UnsupportedFeature
from llm_gateway.surfaces.door_limits import DoorLimits

CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"model": "nova-pro", "messages": [user("Hello")]}


async def told(response: Any) -> tuple[int, str, str | None]:
    """Status, code and the parameter to blame."""
    error = (await response.json())["error"]
    assert error["message"]
    assert response.headers["x-request-id"]
    return response.status, error["code"], error["param"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (400, "invalid_request", None)),
        (b"{", (400, "invalid_request", None)),
        (b"[]", (400, "invalid_request", None)),
        (b'{"model": NaN}', (400, "invalid_request", None)),
        (b'{"model": "\xff"}', (400, "invalid_request", None)),
        (b'{"model": "\\ud800"}', (400, "invalid_request", None)),
        (b'\xef\xbb\xbf{"model": "a"}', (400, "invalid_request", None)),
        (b"[" * 100_000, (400, "invalid_request", None)),
        (b'{"tools": ' + b"[" * 70 + b"]" * 70 + b"}", (400, "invalid_request", "tools")),
        (b'{"extra_fields": ' + b'{"a":' * 70 + b"1" + b"}" * 71, (400, "invalid_request", "extra_fields")),
        (b'{"a": [' + b"[]," * 400_000 + b"1]}", (413, "payload_too_large", None)),
        (b'{"a": [' + b"1," * 1_200_000 + b"1]}", (413, "payload_too_large", None)),
        (b'{"model": "a", "model": "nova-pro", "messages": 5}', (400, "invalid_request", "messages")),
    ],
)
async def test_a_body_that_cannot_be_read_says_why(body: bytes, expected: tuple[int, str, str | None]) -> None:
    async with door_before(ScriptedBackend()) as door:
        assert await told(await door.post(body)) == expected
        assert door.notebook.records[0].outcome == expected[1]


async def test_a_body_beyond_the_limit_is_refused_announced_or_not() -> None:
    async with door_before(ScriptedBackend(), DoorLimits(max_body_bytes=2000)) as door:
        large = json.dumps(HELLO | {"user": "x" * 3000}).encode()

        async def in_chunks() -> Any:
            for start in range(0, len(large), 500):
                yield large[start : start + 500]

        for body in (large, in_chunks()):
            async with door.http.post(door.url + CHAT, data=body) as response:
                assert await told(response) == (413, "payload_too_large", None)
        small = json.dumps(HELLO).encode()

        async def small_chunks() -> Any:
            for start in range(0, len(small), 10):
                yield small[start : start + 10]

        async with door.http.post(door.url + CHAT, data=small_chunks()) as response:
            assert response.status == 200


async def test_a_compressed_body_is_refused() -> None:
    async with door_before(ScriptedBackend()) as door:
        response = await door.post(b"xx", headers={"content-encoding": "gzip"})
        assert await told(response) == (415, "unsupported_encoding", None)


async def test_a_body_that_never_comes_is_not_waited_for() -> None:
    async with door_before(ScriptedBackend(), DoorLimits(body_read_s=0.05)) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(door.url.rpartition(":")[2]))
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{")
        assert b" 408 " in await asyncio.wait_for(reader.readline(), 2)
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_hangs_up_while_it_sends_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with door_before(ScriptedBackend()) as door:
        _, writer = await asyncio.open_connection("127.0.0.1", int(door.url.rpartition(":")[2]))
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await door.ask()).status == 200
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", CHAT, (405, "method_not_allowed", None)),
        ("POST", "/v1/models", (405, "method_not_allowed", None)),
        ("DELETE", "/v1/models/nova-pro", (405, "method_not_allowed", None)),
        ("GET", "/v1/nothing", (404, "unknown_url", None)),
        ("POST", "/v1/chat/completions/", (404, "unknown_url", None)),
        ("GET", "/v1/models/none", (404, "model_not_found", "model")),
    ],
)
async def test_other_addresses_and_methods_are_refused_in_openais_form(
    method: str, path: str, expected: tuple[int, str, str | None]
) -> None:
    async with door_before(ScriptedBackend()) as door, door.http.request(method, door.url + path) as response:
        assert await told(response) == expected


async def test_a_message_is_blamed_by_the_callers_own_number() -> None:
    deep = InvalidRequest("messages[1].content[0] is odd", field="messages[1].content[0]")
    cannot = UnsupportedFeature("messages[1] holds an image", model="m", feature="image", field="messages[1]")
    backend = ScriptedBackend([Scripted(error=deep, early=True), Scripted(error=cannot, early=True)])
    async with door_before(backend) as door:
        call = {"id": "c", "function": {"name": "f"}}
        body = {
            "model": "nova-pro",
            "messages": [
                {"role": "system", "content": "s"},
                user("a"),
                {"role": "assistant", "content": ""},
                {"role": "assistant", "tool_calls": [call]},
            ],
        }
        first = await door.post(body)
        assert await told(first) == (400, "invalid_request", "messages[3].content[0]")
        assert (await first.json())["error"]["message"] == "messages[3].content[0] is odd"
        assert await told(await door.post(body)) == (400, "unsupported_feature", "messages[3]")


async def test_a_wait_that_was_told_is_told_to_the_millisecond() -> None:
    throttled = BackendThrottled("later", model="m", retry_after_s=2.5)
    async with door_before(ScriptedBackend([Scripted(error=throttled, early=True)])) as door:
        response = await door.ask()
        assert (response.status, response.headers["retry-after"]) == (429, "3")
        assert response.headers["retry-after-ms"] == "2500"
        assert "x-should-retry" not in response.headers


async def test_what_may_be_paid_already_is_not_to_be_repeated() -> None:
    spent = BackendGarbled("broken", model="m", spent=Usage(5, 5))
    async with door_before(ScriptedBackend([Scripted(error=spent, early=True)])) as door:
        response = await door.ask()
        assert (response.status, response.headers["x-should-retry"]) == (502, "false")


async def test_a_fault_of_ours_shows_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(ScriptedBackend):
        async def open(self, call: Any) -> Any:
            raise ValueError("secret")

    async with door_before(Broken()) as door:
        response = await door.ask()
        assert await told(response) == (500, "internal_error", None)
        assert "secret" not in await response.text()


async def test_an_unknown_word_for_the_cache_is_refused() -> None:
    async with door_before(ScriptedBackend()) as door:
        response = await door.ask(headers={"x-llm-gateway-cache": "maybe"})
        assert await told(response) == (400, "invalid_request", "x-llm-gateway-cache")


async def test_a_bad_request_id_is_replaced() -> None:
    async with door_before(ScriptedBackend()) as door:
        response = await door.ask(headers={"x-request-id": "a b"})
        assert response.headers["x-request-id"].startswith("req_")


async def test_a_delta_is_sent_as_it_comes() -> None:
    gate = asyncio.Event()
    backend = ScriptedBackend([Scripted(pieces=("one", "two"), gate=gate)])
    body = HELLO | {"stream": True}
    async with door_before(backend) as door, door.http.post(door.url + CHAT, json=body) as response:
        first = await response.content.readany()
        assert b'"content":"one"' in first
        assert b"two" not in first
        gate.set()
        rest = await response.content.read()
        assert rest.endswith(b"data: [DONE]\n\n")


async def test_an_error_within_the_stream_is_its_last_event() -> None:
    broken = BackendGarbled("cut off", model="m", spent=Usage(1, 1))
    async with door_before(ScriptedBackend([Scripted(error=broken)])) as door:
        response = await door.ask(stream=True)
        *_, last, empty = (await response.text()).split("\n\n")
        assert (response.status, empty) == (200, "")
        error = json.loads(last.removeprefix("data: "))
        assert error["error"]["code"] == "upstream_protocol_error"
        assert error["request_id"] == response.headers["x-request-id"]
        assert "[DONE]" not in await response.text()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_hangs_up_ends_the_call_and_is_accounted(stream: bool) -> None:
    backend = ScriptedBackend([Scripted(gate=asyncio.Event())])
    async with door_before(backend) as door:
        asking = asyncio.ensure_future(door.ask(stream=stream))
        await asyncio.wait_for(backend.opened.wait(), 2)
        asking.cancel()
        await until(lambda: bool(door.notebook.attempts))
        assert backend.streams[0].closed
        assert [attempt.outcome for attempt in door.notebook.attempts] == ["client_disconnect"]
        await until(lambda: bool(door.notebook.records))
        assert door.notebook.records[0].outcome == "client_disconnect"


async def test_many_streams_at_once_do_not_mix() -> None:
    async with door_before(ScriptedBackend()) as door:

        async def one(number: int) -> str:
            response = await door.post(HELLO | {"messages": [user(f"Hello {number}")], "stream": True})
            return await response.text()

        answers: Sequence[str] = await asyncio.gather(*[one(number) for number in range(50)])
        assert all([answer.endswith("data: [DONE]\n\n") for answer in answers])
        assert len({answer[:60] for answer in answers}) == 50


async def test_each_request_is_counted_once() -> None:
    async with door_before(ScriptedBackend()) as door:
        await door.ask()
        await door.ask(temperature=9)
        assert [record.outcome for record in door.notebook.records] == ["ok", "invalid_request"]


async def test_a_client_that_asks_before_it_sends_is_refused_at_once() -> None:
    async with door_before(ScriptedBackend(), DoorLimits(max_body_bytes=2000)) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(door.url.rpartition(":")[2]))
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 9999\r\n\r\n"
        writer.write(head)
        assert b" 413 " in await asyncio.wait_for(reader.readline(), 2)
        writer.close()
        await writer.wait_closed()


async def test_a_much_too_large_body_still_sees_its_answer() -> None:
    async with door_before(ScriptedBackend(), DoorLimits(max_body_bytes=2000)) as door:
        response = await door.post(b"x" * 20_000_000)
        assert await told(response) == (413, "payload_too_large", None)
        assert (await door.ask()).status == 200
