"""Every fault does on the wire what its line in the table says, and nothing hangs."""

import asyncio
import json
import time

import aiohttp
import pytest
from botocore.exceptions import ClientError

from llm_gateway.sandbox.faults import FAULTS, read_fault
from llm_gateway.sandbox.frames import BrokenFrame, split_frames
from llm_gateway.sandbox.server import Sandbox

HEALTHY = ["messageStart", "contentBlockStop", "messageStop", "metadata"]
REFUSING = {
    "throttle": (429, "ThrottlingException", "Too many tokens, please wait before trying again."),
    "throttle-requests": (429, "ThrottlingException", "Too many requests"),
    "throttle-day": (429, "ThrottlingException", "per day"),
    "too-many-connections": (503, "ServiceUnavailableException", "Too many connections"),
    "not-ready": (429, "ModelNotReadyException", "not ready"),
    "quota": (400, "ServiceQuotaExceededException", "service quota"),
    "validation": (400, "ValidationException", "Malformed"),
    "too-long": (400, "ValidationException", "Input is too long for requested model."),
    "access-denied": (403, "AccessDeniedException", "not authorized"),
    "expired-token": (403, "ExpiredTokenException", "is expired"),
    "unrecognized-client": (403, "UnrecognizedClientException", "is invalid"),
    "invalid-signature": (403, "InvalidSignatureException", "Signature expired"),
    "not-found": (404, "ResourceNotFoundException", "Model not found."),
    "legacy-not-found": (404, "ResourceNotFoundException", "Legacy"),
    "end-of-life": (404, "ResourceNotFoundException", "end of its life"),
    "on-demand": (400, "ValidationException", "isn’t supported"),
    "model-timeout": (408, "ModelTimeoutException", "timed out"),
    "model-error": (424, "ModelErrorException", "ToolUse"),
    "internal": (500, "InternalServerException", "unexpected error"),
    "unavailable": (503, "ServiceUnavailableException", "unable to process"),
}
EXCEPTIONS = {
    "": ("throttlingException", 429),
    "-throttle": ("throttlingException", 429),
    "-validation": ("validationException", 400),
    "-internal": ("internalServerException", 500),
    "-model-stream": ("modelStreamErrorException", 424),
    "-unavailable": ("serviceUnavailableException", 503),
}
WELL = ("slow-first-token:0.01", "slow-bytes:0", "one-byte-chunks", "merged-frames", "split-multibyte",
        "late-metadata:0.01", "stall:0.01")  # fmt: skip
STOPS = {
    "malformed-tool-use": "malformed_tool_use",
    "malformed-output": "malformed_model_output",
    "context-window-exceeded": "model_context_window_exceeded",
    "content-filtered": "content_filtered",
    "unknown-stop-reason": "sandbox_novelty",
}


def skeleton(names):
    return [name for name in names if name != "contentBlockDelta"]


@pytest.mark.parametrize("operation", ["converse", "converse-stream", "count-tokens"])
@pytest.mark.parametrize("name", REFUSING)
async def test_a_refusing_fault_is_an_error_answer(wire, name, operation):
    heard = await wire.ask("Hi", operation, f"amazon.nova-pro-v1:0--fault-{name}")
    status, kind, words = REFUSING[name]
    assert heard.status == status
    assert heard.headers["x-amzn-errortype"].startswith(f"{kind}:http://internal.amazon.com/coral/")
    assert words in json.loads(heard.data)["message"]
    assert heard.headers["x-amzn-requestid"]


async def test_boto3_knows_the_errors(aws):
    with pytest.raises(ClientError) as caught:
        await aws.converse("Hi [[fault:throttle]]")
    assert caught.value.response["Error"]["Code"] == "ThrottlingException"
    with pytest.raises(aws.client.exceptions.ModelTimeoutException):
        await aws.stream("Hi", "sandbox.fault-model-timeout")


async def test_a_throttle_can_say_when_to_come_back(wire):
    assert (await wire.ask("[[fault:throttle:1.5]]")).headers["x-amz-retry-after"] == "1500"
    assert "x-amz-retry-after" not in (await wire.ask("[[fault:throttle:soon]]")).headers


@pytest.mark.parametrize(
    ("argument", "words"),
    [("scp", "explicit deny"), ("marketplace", "aws-marketplace"), ("nonsense", "Your account")],
)
async def test_access_is_denied_for_several_reasons(wire, argument, words):
    body = json.loads((await wire.ask(f"[[fault:access-denied:{argument}]]")).data)
    assert words in body.get("message", body.get("Message"))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "prompt is too long: 225000 tokens > 200000 maximum"),
        ("us.amazon.nova-2-lite-v1:0", "exceeds the maximum length"),
        ("openai.gpt-oss-20b-1:0", "maximum context length"),
        ("amazon.titan-text-lite-v1", "maxLength"),
        ("sandbox.any", "Input is too long for requested model."),
    ],
)
async def test_too_long_is_told_in_the_familys_words(wire, model, words):
    assert words in json.loads((await wire.ask("[[fault:too-long]]", model=model)).data)["message"]


async def test_a_spelling_of_too_long_can_be_chosen(wire):
    assert "maxLength" in json.loads((await wire.ask("[[fault:too-long:schema]]")).data)["message"]


@pytest.mark.parametrize("operation", ["converse", "converse-stream"])
async def test_things_in_between_answer_without_json(wire, operation):
    page = await wire.ask("[[fault:bad-gateway-html]]", operation)
    assert page.status == 502 and page.headers["content-type"] == "text/html" and b"<html>" in page.data
    silent = await wire.ask("[[fault:gateway-timeout-empty]]", operation)
    assert (silent.status, silent.data) == (504, b"")
    html = await wire.ask("[[fault:html-200]]", operation)
    assert html.status == 200 and b"<html>" in html.data
    empty = await wire.ask("[[fault:empty-200]]", operation)
    assert (empty.status, empty.data, empty.ended) == (200, b"", "whole")


@pytest.mark.parametrize("operation", ["converse", "converse-stream"])
async def test_a_reset_comes_before_a_byte(sandbox, wire, operation):
    heard = await wire.ask("[[fault:reset]]", operation)
    assert heard.status == 0 and heard.ended in ("ServerDisconnectedError", "ClientOSError")
    (record,) = sandbox.log
    assert (record.status, record.outcome, record.fault) == (None, "reset", "reset")


@pytest.mark.parametrize("operation", ["converse", "converse-stream"])
@pytest.mark.parametrize("name", ["hang", "stall", "huge-frame", "endless"])
async def test_an_endless_fault_ends_when_the_client_leaves(sandbox, wire, name, operation):
    heard = await wire.ask(f"[[fault:{name}]]", operation, patience_s=0.15)
    assert heard.ended == "TimeoutError"
    assert (heard.status == 0) == (name == "hang")
    await _until(lambda: not sandbox.open_now)
    assert sandbox.log[0].outcome == "aborted_by_client" and sandbox.log[0].fault == name


@pytest.mark.parametrize("name", ["hang", "stall", "huge-frame", "endless"])
async def test_a_sandbox_with_hanging_calls_stops_within_a_second(wire, aws_at, name):
    async with Sandbox() as other:
        wire.url = other.url
        asked = asyncio.create_task(wire.ask(f"[[fault:{name}]]", "converse-stream", patience_s=20))
        await _until(lambda: other.open_now == 1)
        started = time.monotonic()
        await other.stop()
        assert time.monotonic() - started < 1
        assert (await asked).ended != "TimeoutError"
        assert other.log[0].outcome == "sandbox_stopped" and not other.open_now


@pytest.mark.parametrize("operation", ["converse", "converse-stream"])
@pytest.mark.parametrize("fault", WELL)
async def test_a_slow_or_oddly_cut_answer_is_whole(aws, wire, fault, operation):
    heard = await wire.ask(f"Say: hello [[fault:{fault}]]", operation)
    assert (heard.status, heard.ended) == (200, "whole")
    if operation == "converse":
        assert json.loads(heard.data)["stopReason"] == "end_turn"
    else:
        assert skeleton(heard.names)[-2:] == HEALTHY[-2:]
        assert [e async for e in _events(aws, fault)][-1]


async def test_one_byte_chunks_are_really_small(wire):
    heard = await wire.ask("[[fault:one-byte-chunks]]", "converse-stream")
    slow = await wire.ask("Say: hi [[fault:slow-bytes]]", "converse-stream")
    assert len(slow.chunks) > 100 and sum(map(len, heard.chunks)) == len(heard.data)


async def test_chunks_end_within_a_character(wire):
    heard = await wire.ask("[[fault:split-multibyte]]", "converse-stream")
    assert any(chunk[-1] >= 0xC0 for chunk in heard.chunks)
    assert "😀".encode() in heard.data


async def test_the_first_token_lets_one_wait_behind_the_head(wire):
    started = time.monotonic()
    heard = await wire.ask("[[fault:slow-first-token:0.2]]", "converse-stream")
    assert time.monotonic() - started >= 0.2 and heard.ended == "whole"


async def test_unknown_events_and_members_come_along(wire):
    assert (await wire.ask("[[fault:unknown-event]]", "converse-stream")).names.count("sandboxNovelty") == 2
    assert "sandboxNovelty" in json.loads((await wire.ask("[[fault:unknown-event]]")).data)


async def test_usage_twice_ends_with_the_right_one(wire):
    heard = await wire.ask("[[fault:usage-twice]]", "converse-stream")
    first, last = [json.loads(payload)["usage"] for name, payload in heard.events if name == "metadata"]
    assert first["outputTokens"] < last["outputTokens"]
    whole = json.loads((await wire.ask("[[fault:usage-twice]]")).data)
    assert last["totalTokens"] == whole["usage"]["totalTokens"]


@pytest.mark.parametrize("operation", ["converse", "converse-stream"])
async def test_usage_can_be_missing(wire, operation):
    bare, none = (await wire.ask("[[fault:no-usage]]", operation), await wire.ask("[[fault:no-metadata]]", operation))
    if operation == "converse":
        assert "usage" not in json.loads(bare.data) and set(json.loads(none.data)) == {"output", "stopReason"}
    else:
        assert "usage" not in json.loads(bare.events[-1][1]) and none.names[-1] == "messageStop"


async def test_no_stop_ends_cleanly_without_a_reason(wire):
    heard = await wire.ask("[[fault:no-stop]]", "converse-stream")
    assert heard.ended == "whole" and heard.names[-1] == "contentBlockStop"
    assert "stopReason" not in json.loads((await wire.ask("[[fault:no-stop]]")).data)


@pytest.mark.parametrize("operation", ["converse", "converse-stream"])
async def test_a_wrong_content_type_has_the_right_bytes(wire, operation):
    heard = await wire.ask("[[fault:wrong-content-type]]", operation)
    assert heard.headers["content-type"] == "text/plain"
    assert json.loads(heard.data) if operation == "converse" else heard.names[-1] == "metadata"


@pytest.mark.parametrize(
    ("name", "operation"),
    [("cut-json", "converse"), ("cut-json", "converse-stream"), ("crc", "converse"), ("cut-frame", "converse")],
)
async def test_cut_json_has_an_honest_length(wire, name, operation):
    heard = await wire.ask(f"[[fault:{name}]]", operation)
    assert heard.ended == "whole" and heard.data[:1] == b"{"
    with pytest.raises(json.JSONDecodeError):
        json.loads(heard.data)


async def test_half_a_body_breaks_a_promise(wire):
    whole, stream = await wire.ask("[[fault:half-body]]"), await wire.ask("[[fault:half-body]]", "converse-stream")
    assert whole.ended == stream.ended == "ClientPayloadError"
    assert len(whole.data) < int(whole.headers["content-length"]) and stream.names[0] == "messageStart"


@pytest.mark.parametrize("operation", ["converse", "converse-stream"])
async def test_a_reset_in_the_middle_leaves_half(wire, operation):
    heard = await wire.ask("[[fault:reset-mid]]", operation)
    assert heard.status == 200 and heard.data and heard.ended in ("ClientPayloadError", "ClientOSError")


async def test_a_wrong_crc_is_noticed_after_good_frames(wire):
    heard = await wire.ask("[[fault:crc]]", "converse-stream")
    read = []
    with pytest.raises(BrokenFrame):
        for frame in split_frames(heard.data):
            read.append(frame.headers[":event-type"])
    assert read[0] == "messageStart" and heard.ended == "whole"


async def test_a_cut_frame_ends_in_an_orderly_way(wire):
    heard = await wire.ask("[[fault:cut-frame]]", "converse-stream")
    with pytest.raises(BrokenFrame, match="within a frame"):
        list(split_frames(heard.data))
    assert heard.ended == "whole" and heard.names[-1] == "contentBlockDelta"


async def test_a_huge_frame_claims_20_mb(wire):
    heard = await wire.ask("[[fault:huge-frame]]", "converse-stream", patience_s=0.15)
    assert (20 * 1024 * 1024).to_bytes(4, "big") in heard.data
    whole = await wire.ask("[[fault:huge-frame]]", patience_s=0.15)
    assert whole.headers["content-length"] == str(20 * 1024 * 1024)


@pytest.mark.parametrize("variant", EXCEPTIONS)
async def test_an_exception_comes_first_or_in_the_middle(wire, variant):
    kind, status = EXCEPTIONS[variant]
    first = await wire.ask(f"[[fault:exception-first{variant}]]", "converse-stream")
    middle = await wire.ask(f"[[fault:exception-mid{variant}]]", "converse-stream")
    assert first.status == 200 and first.names == [kind]
    assert middle.names[0] == "messageStart" and middle.names[-2:] == ["contentBlockDelta", kind]
    assert (await wire.ask(f"[[fault:exception-first{variant}]]")).status == status
    assert (await wire.ask(f"[[fault:exception-mid{variant}]]")).status == status


async def test_an_error_frame_comes_first_or_in_the_middle(wire):
    first = await wire.ask("[[fault:error-frame-first]]", "converse-stream")
    middle = await wire.ask("[[fault:error-frame-mid]]", "converse-stream")
    assert first.names == ["InternalError"] and middle.names[-2:] == ["contentBlockDelta", "InternalError"]
    (frame,) = split_frames(first.data)
    assert frame.headers[":message-type"] == "error" and frame.headers[":error-message"]
    assert (await wire.ask("[[fault:error-frame-mid]]")).status == 500


@pytest.mark.parametrize("name", STOPS)
async def test_other_reasons_to_stop(aws, name):
    assert (await aws.converse(f"[[fault:{name}]]"))["stopReason"] == STOPS[name]
    assert (await aws.stream(f"[[fault:{name}]]"))[-2]["messageStop"]["stopReason"] == STOPS[name]


async def test_a_stream_is_paced_also_when_it_breaks(wire):
    async with Sandbox(delta_delay_ms=3) as slow:
        wire.url = slow.url
        heard = await wire.ask("[[fault:no-stop]]", "converse-stream")
        assert heard.names[-1] == "contentBlockStop" and len(heard.chunks) > 3


async def test_a_fault_keeps_the_checks_unless_it_comes_before_them(wire):
    heard = await wire.post("amazon.nova-pro-v1:0--fault-stall", "converse", {"messages": []})
    assert heard.status == 400 and b"must start with a user message" in heard.data
    assert (await wire.ask("Hi", model="amazon.nova-pro-v1:0--fault-content-filtered")).status == 200
    assert (await wire.post("does-not-exist--fault-throttle", "converse", {"messages": []})).status == 429


@pytest.mark.parametrize("model", ["sandbox.fault-throttle", "sandbox.fault-throttle-v1:0", "us.x.y--fault-throttle"])
async def test_a_model_id_chooses_a_fault(wire, model):
    assert (await wire.ask("Hi", model=model)).status == 429


async def test_a_model_id_can_carry_the_argument(wire):
    assert (await wire.ask("Hi", model="amazon.nova-pro-v1:0--fault-throttle:2")).headers["x-amz-retry-after"] == "2000"
    assert (await wire.ask("Hi", model="sandbox.fault-stall:0.01")).ended == "whole"


async def test_an_unknown_fault_is_named(wire):
    for heard in (await wire.ask("[[fault:thunder]]"), await wire.ask("Hi", model="sandbox.fault-thunder")):
        assert heard.status == 400 and "no fault called 'thunder'" in json.loads(heard.data)["message"]
    assert (await wire.ask("Hi", model="sandbox.default-thing")).status == 200


async def test_ok_is_no_fault(wire):
    assert (await wire.ask("[[fault:ok]]")).status == 200
    assert read_fault("ok") is None


def test_every_fault_says_what_it_does():
    assert len(FAULTS) >= 55 and all(fault.says and fault.name == name for name, fault in FAULTS.items())


async def test_many_slow_calls_run_side_by_side():
    async with Sandbox(latency_ms=500) as slow, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        headers = {"authorization": "AWS4-HMAC-SHA256 Credential=AKID/x"}
        body = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}

        async def one() -> int:
            async with http.post(f"{slow.url}/model/sandbox.any/converse", json=body, headers=headers) as response:
                await response.read()
                return response.status

        started = time.monotonic()
        statuses = await asyncio.gather(*(one() for _ in range(300)))
        assert set(statuses) == {200} and time.monotonic() - started < 4


async def _until(true) -> None:
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come true within five seconds")


async def _events(aws, fault):
    for event in await aws.stream(f"Say: hello [[fault:{fault}]]"):
        yield event
