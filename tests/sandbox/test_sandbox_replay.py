"""Recorded exchanges are played again, byte for byte, or translated into the other form."""

import base64
import json
from pathlib import Path

import botocore.parsers
import botocore.session
import pytest

from llm_gateway.sandbox.asked import Asked, read_path
from llm_gateway.sandbox.events import events_of, whole_of
from llm_gateway.sandbox.frames import event_frame, exception_frame
from llm_gateway.sandbox.replay import load
from llm_gateway.sandbox.server import Sandbox

NOVA = "us.amazon.nova-pro-v1:0"
ASKED = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
ANSWER = {
    "output": {"message": {"role": "assistant", "content": [
        {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "s1"}}},
        {"reasoningContent": {"redactedContent": "eA=="}},
        {"text": ""},
        {"citationsContent": {"content": [{"text": "said"}], "citations": [{"title": "t"}]}},
        {"toolUse": {"toolUseId": "t1", "name": "f", "input": {}}},
        {"toolUse": {"toolUseId": "t2", "name": "g", "input": {"a": [1, "é"]}, "type": "server_tool_use"}},
        {"toolResult": {"toolUseId": "t2", "type": "g_result", "content": [{"json": {"x": 1}}, {"text": "y"}]}},
        {"image": {"format": "png", "source": {"bytes": "eA=="}}},
        {"text": "Wörter und mehr davon"},
    ]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
    "metrics": {"latencyMs": 5},
    "additionalModelResponseFields": {"k": 1},
}  # fmt: skip


def write(folder: Path, name: str, operation: str, body, *, status=200, model=NOVA, asked=ASKED, headers=None):
    response = {"status": status, "headers": {"X-Amzn-RequestId": f"id-{name}", "Date": "x", **(headers or {})}}
    if isinstance(body, bytes):
        response["body_base64"] = base64.b64encode(body).decode()
    elif isinstance(body, str):
        response["body_raw"] = body
    else:
        response["body"] = body
    exchange = {"request": {"path": f"/model/{model}/{operation}", "body": asked}, "response": response}
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(exchange))


def stream_of(answer):
    return b"".join(event_frame(kind, payload) for kind, payload in events_of(answer))


def test_an_answer_survives_being_streamed():
    assert whole_of(events_of(ANSWER)) == ANSWER


def test_two_citations_stay_with_their_texts():
    delta = "contentBlockDelta"
    told = [{"text": "a"}, {"citation": {"title": "t"}}, {"text": "b"}, {"citation": {"title": "u"}}]
    whole = whole_of(
        [("messageStart", {}), *((delta, {"contentBlockIndex": 0, "delta": each}) for each in told), ("x", {})]
    )
    (block,) = whole["output"]["message"]["content"]
    assert block["citationsContent"]["content"] == [{"text": "a"}, {"text": "b"}]
    assert [cited["title"] for cited in block["citationsContent"]["citations"]] == ["t", "u"]


async def test_the_recorded_bytes_come_with_their_headers(tmp_path, wire):
    write(tmp_path / "in", "a", "converse", '{"odd" :  1}')
    write(tmp_path / "in", "b", "converse-stream", stream_of(ANSWER), model="x.y")
    denied = {"x-amzn-errortype": "AccessDeniedException:x"}
    write(tmp_path, "c", "converse", {"message": "No."}, status=403, model="x.z", headers=denied)
    async with Sandbox(replay=tmp_path) as player:
        wire.url = player.url
        heard = await wire.post(NOVA, "converse", ASKED)
        assert (heard.data, heard.headers["x-amzn-requestid"]) == (b'{"odd" :  1}', "id-a")
        assert player.log[0].request_id == "id-a"
        streamed = await wire.post("x.y", "converse-stream", ASKED)
        assert streamed.data == stream_of(ANSWER)
        assert streamed.headers["content-type"] == "application/vnd.amazon.eventstream"
        refused = await wire.post("x.z", "converse-stream", ASKED)
        assert (refused.status, refused.headers["x-amzn-errortype"]) == (403, "AccessDeniedException:x")


async def test_several_recordings_play_in_order_and_the_last_repeats(tmp_path, wire):
    for name in ("a", "b"):
        write(tmp_path, name, "converse", f'"{name}"')
    async with Sandbox(replay=tmp_path) as player:
        wire.url = player.url
        heard = [(await wire.post(NOVA, "converse", ASKED)).data for _ in range(3)]
        assert heard == [b'"a"', b'"b"', b'"b"']
        player.reset()
        assert (await wire.post(NOVA, "converse", ASKED)).data == b'"a"'


async def test_one_form_is_translated_into_the_other(tmp_path, wire):
    write(tmp_path, "a", "converse", ANSWER)
    write(tmp_path, "b", "converse-stream", stream_of(ANSWER), model="x.y")
    broken = event_frame("messageStart", {"role": "assistant"}) + exception_frame("throttlingException", "Slow down.")
    write(tmp_path, "c", "converse-stream", broken, model="x.z")
    async with Sandbox(replay=tmp_path) as player:
        wire.url = player.url
        streamed = await wire.post(NOVA, "converse-stream", ASKED)
        told = whole_of([(name, json.loads(payload)) for name, payload in streamed.events])
        assert told == ANSWER and streamed.headers["x-amzn-requestid"] == "id-a"
        assert json.loads((await wire.post("x.y", "converse", ASKED)).data) == ANSWER
        twin = await wire.post("x.z", "converse", ASKED)
        assert (twin.status, json.loads(twin.data)["message"]) == (429, "Slow down.")


async def test_what_is_alike_is_found_and_what_is_not_is_told(tmp_path, wire):
    write(tmp_path, "a", "converse", ANSWER)
    async with Sandbox(replay=tmp_path) as player:
        wire.url = player.url
        assert (await wire.post(NOVA, "converse", {**ASKED, "inferenceConfig": {"maxTokens": 5}})).status == 200
        assert (await wire.post(NOVA, "converse-stream", {**ASKED, "inferenceConfig": {"topP": 1}})).status == 200
        other = await wire.post("amazon.nova-pro-v1:0", "converse", ASKED)
        assert other.status == 404 and f"closest recorded model is '{NOVA}'" in json.loads(other.data)["message"]
        same = await wire.post(NOVA, "converse", {"messages": []})
        assert same.status == 404 and "others of this model" in json.loads(same.data)["message"]
        assert (await wire.ask("Hi [[fault:throttle]]")).status == 429


def test_a_folder_without_recordings_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        load(tmp_path / "none")
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text('{"request": {"path": "/foundation-models"}}')
    with pytest.raises(ValueError, match="no recorded exchange"):
        load(tmp_path)
    write(tmp_path, "c", "converse", ANSWER, asked='{"messages": []}')
    write(tmp_path, "d", "converse", ANSWER, asked="{cut")
    library = load(tmp_path)
    assert library.skipped == 2
    assert library.play(Asked("Converse", NOVA, {"messages": []})).status == 200


def recorded(traffic: Path):
    for file in sorted(traffic.glob("exchanges/*/*.json")):
        exchange = json.loads(file.read_bytes())
        path = read_path(exchange["request"]["path"])
        body = exchange["request"]["body"]
        if "synthetic" in exchange["provenance"]:
            continue
        if path and path[0] in ("Converse", "ConverseStream") and isinstance(body, dict):
            yield Asked(*path, body), exchange["response"]["status"]


async def test_all_recorded_traffic_plays_in_both_forms_and_botocore_reads_it(traffic, wire):
    operation = botocore.session.get_session().get_service_model("bedrock-runtime").operation_model("Converse")
    parser = botocore.parsers.RestJSONParser()
    asked = [each for each, _ in recorded(traffic)]
    async with Sandbox(replay=traffic) as player:
        wire.url = player.url
        for each in asked:
            whole = await wire.post(each.model_id, "converse", each.body)
            streamed = await wire.post(each.model_id, "converse-stream", each.body)
            names = streamed.names if streamed.status == 200 else []
            went_well = streamed.status == 200 and not names[-1].endswith("Exception")
            assert whole.status != 404 and (whole.status == 200) == went_well
            parsed = parser.parse(
                {"status_code": whole.status, "headers": whole.headers, "body": whole.data}, operation.output_shape
            )
            if whole.status == 200:
                assert "output" in parsed and "stopReason" in parsed
                assert names.count("messageStop") == 1
            else:
                assert parsed["Error"]["Message"]
    assert len(asked) > 290


async def test_the_checks_take_what_bedrock_took(traffic, wire):
    """One exchange was edited after it was recorded, and is beyond what the real service takes."""
    refused = []
    for each, status in recorded(traffic):
        operation = "converse" if each.operation == "Converse" else "converse-stream"
        heard = await wire.post(each.model_id, operation, each.body)
        if status == 200 and heard.status != 200:
            refused.append(heard.data)
        if status == 400:
            assert heard.status == 400
    assert len(refused) <= 1


def test_a_recording_is_found_by_what_was_said_in_other_words(tmp_path):
    call = {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}}
    result = {"toolUseId": "t", "content": [{"json": {"b": [1]}}], "status": "success"}
    said = [
        {"role": "user", "content": [{"text": "One. "}, {"text": "Two."}, {"cachePoint": {"type": "default"}}]},
        {"role": "assistant", "content": [{"text": "Look:"}, call]},
        {"role": "user", "content": [{"toolResult": result}]},
    ]
    write(tmp_path, "a", "converse", ANSWER, asked={"messages": said})
    other = [
        {"role": "user", "content": [{"text": "One. "}]},
        {"role": "user", "content": [{"text": "Two."}]},
        {"role": "assistant", "content": [call, {"text": "Look:"}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": [{"text": '{"b":[1]}'}]}}]},
    ]
    library = load(tmp_path)
    assert library.play(Asked("Converse", NOVA, {"messages": other})).status == 200
    assert library.play(Asked("Converse", NOVA, {"messages": [*other, *said[:1]]})).status == 404
