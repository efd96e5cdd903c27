"""A script decides, in order, what happens to which call; the log tells what did."""

import json

import pytest

from llm_gateway.sandbox.log import RequestLog
from llm_gateway.sandbox.script import BadScript, Script
from llm_gateway.sandbox.server import Sandbox

NOVA = "amazon.nova-pro-v1:0"
TOOL = {"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object"}}}}


async def statuses(wire, *texts, model=NOVA, operation="converse"):
    return [(await wire.ask(text, operation, model)).status for text in texts]


async def test_faults_come_in_order_and_then_all_is_well(sandbox, wire):
    sandbox.set_script(Script.of([{"faults": ["throttle", "internal", "ok"]}]))
    assert await statuses(wire, "a", "b", "c", "d") == [429, 500, 200, 200]
    assert [record.outcome for record in sandbox.log] == ["throttle", "internal", "completed", "completed"]


async def test_a_script_can_begin_again(sandbox, wire):
    sandbox.set_script(Script.of({"faults": ["throttle", "ok"], "then": "repeat"}))
    assert await statuses(wire, "a", "b", "c", "d") == [429, 200, 429, 200]


async def test_a_step_waits_for_the_call_that_fits(sandbox, wire):
    steps = [
        {"match": {"model": "*claude*"}, "faults": ["internal"]},
        {"match": {"model": "nova", "text": "weather"}, "faults": ["throttle:2"]},
        {"match": {"operation": "converse-stream"}, "faults": ["unavailable"]},
    ]
    sandbox.set_script(Script.of(steps))
    assert await statuses(wire, "time", "the weather", "the weather") == [200, 429, 200]
    assert await statuses(wire, "time", "time", operation="converse-stream") == [503, 200]
    assert await statuses(wire, "time", model="anthropic.claude-3-haiku-20240307-v1:0") == [500]


async def test_a_script_comes_before_a_marker(sandbox, wire):
    sandbox.set_script(Script.of([{"faults": ["ok"]}]))
    assert await statuses(wire, "[[fault:throttle]]", "[[fault:throttle]]") == [200, 429]


async def test_a_script_can_write_the_answers(sandbox, aws):
    answers = [
        {"tool": "look", "input": {"at": 1}},
        {"text": "Both", "tools": [{"tool": "look"}, {"tool": "look"}]},
        {"text": "Seen."},
    ]
    sandbox.set_script(Script.of([{"faults": answers}]))
    first, second, third = [await aws.converse("Hi", toolConfig={"tools": [TOOL]}) for _ in answers]
    (call,) = first["output"]["message"]["content"]
    assert call["toolUse"]["input"] == {"at": 1} and first["stopReason"] == "tool_use"
    assert [set(block) for block in second["output"]["message"]["content"]] == [{"text"}, {"toolUse"}, {"toolUse"}]
    assert third["output"]["message"]["content"] == [{"text": "Seen."}] and third["stopReason"] == "end_turn"


async def test_a_script_comes_with_the_sandbox_or_over_http(wire):
    async with Sandbox(script=Script.read('[{"faults": ["throttle"]}]')) as scripted:
        wire.url = scripted.url
        assert await statuses(wire, "a", "b") == [429, 200]
        assert await wire.page("POST", "/_sandbox/script", json=[{"faults": ["internal"]}]) == (200, {"steps": 1})
        assert await statuses(wire, "a", "b") == [500, 200]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{", "no JSON"),
        ("3", "a list of steps"),
        ('[{"faults": []}]', "step 1: 'faults' must be"),
        ('[{"faults": ["ok"]}, {"faults": ["thunder"]}]', "step 2: the sandbox knows no fault called 'thunder'"),
        ('[{"faults": ["ok"], "then": "stop"}]', "'then' must be"),
        ('[{"faults": ["ok"], "match": {"operation": "fly"}}]', "no operation is called 'fly'"),
        ('[{"faults": ["ok"], "match": {"modle": "x"}}]', "unknown member 'modle'; known: model, operation, text"),
        ('[{"fault": ["ok"]}]', "unknown member 'fault'"),
        ('[{"faults": [{}]}]', "an answer has a 'text'"),
        ('[{"faults": [{"txt": "x"}]}]', "unknown member 'txt'"),
    ],
)
async def test_a_script_that_cannot_be_played_says_where(wire, written, words):
    with pytest.raises(BadScript):
        Script.read(written)
    status, body = await wire.page("POST", "/_sandbox/script", data=written.encode())
    assert status == 400 and words in body["message"]


async def test_the_log_holds_every_call_in_order(sandbox, aws, wire):
    await aws.converse("Hi", serviceTier={"type": "default"})
    await aws.stream("Hi")
    await wire.post("does-not-exist", "converse", {"messages": []})
    await wire.post(NOVA, "converse", b"{", authorization=None)
    first, second, third, fourth = sandbox.log
    assert (first.operation, first.model_id, first.status) == ("Converse", "us.amazon.nova-pro-v1:0", 200)
    assert first.body["serviceTier"] == {"type": "default"} and first.credential == "AKIDEXAMPLE" and not first.open_now
    assert second.operation == "ConverseStream" and second.outcome == "completed"
    assert (third.status, third.outcome, third.body) == (400, "completed", {"messages": []})
    assert (fourth.status, fourth.credential, fourth.body) == (403, None, None)
    assert sandbox.requests_to("does-not-exist") == [third]


async def test_the_log_is_told_over_http_and_forgotten_on_request(sandbox, wire):
    heard = await wire.ask("Hi [[fault:internal]]")
    status, told = await wire.page("GET", "/_sandbox/log")
    (record,) = told["requests"]
    assert status == 200 and told["open_now"] == 0
    assert record["outcome"] == record["fault"] == "internal" and record["open_now"] is False
    assert record["request_id"] == heard.headers["x-amzn-requestid"]
    sandbox.set_script(Script.of([{"faults": ["throttle"]}]))
    assert await wire.page("POST", "/_sandbox/reset") == (200, {"reset": True})
    assert sandbox.log == [] and (await wire.ask("Hi")).status == 200


def test_the_log_stays_small():
    log = RequestLog(2)
    numbers = [log.open(operation="Converse", model_id=str(n), credential=None, request_id="r") for n in range(3)]
    log.note(numbers[0], status=200)
    log.close(numbers[0])
    log.close(numbers[2])
    assert [(record.model_id, record.outcome) for record in log.records] == [("1", "open"), ("2", "completed")]
    assert log.open_now == 1


async def test_the_start_page_says_that_it_is_no_model(sandbox, wire):
    status, page = await wire.page("GET", "/")
    assert status == 200 and "no model" in page["what"] and "ConverseStream" in page["operations"]
    assert page["use"]["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] == sandbox.url
    assert page["faults"]["hang"] == "no answer at all"
    assert await wire.page("GET", "/health") == (200, {"status": "ok", "open_now": 0})


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("PUT", "/health"), ("GET", "/model/x/converse")])
async def test_other_pages_do_not_exist(wire, method, path):
    status, body = await wire.page(method, path)
    assert status == 404 and "GET / tells what it serves" in body["message"]


async def test_a_body_beyond_64_mb_is_too_large(sandbox, wire):
    heard = await wire.post(NOVA, "converse", b" " * (64 * 1024 * 1024 + 1))
    assert heard.status == 413 or heard.ended != "whole"
    assert sandbox.log[0].status == 413 or sandbox.log[0].outcome != "open"


async def test_an_arn_is_read_with_its_slashes_encoded_or_not(sandbox, wire):
    arn = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123"
    assert (await wire.ask("Hi", model=arn)).status == 200
    async with wire.http.post(
        f"{wire.url}/model/{arn}/converse",
        data=json.dumps({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}),
        headers={"authorization": "Bearer x"},
    ) as response:
        assert response.status == 200
    assert {record.model_id for record in sandbox.log} == {arn}
