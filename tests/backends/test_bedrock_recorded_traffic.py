"""Every recorded exchange: read as botocore reads it, rebuilt as it was sent."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import bedrock_oracle as oracle
import pytest
from bedrock_words import NOVA, ask, card

from llm_gateway.backends.bedrock.asked import Asked
from llm_gateway.backends.bedrock.converse_json import read_request
from llm_gateway.backends.bedrock.event_stream import FrameSplitter
from llm_gateway.backends.bedrock.faults import error_of, frame_fault, http_fault
from llm_gateway.backends.bedrock.parse import Told, complete_stream, deltas_of, parse_whole
from llm_gateway.backends.bedrock.render import render
from llm_gateway.backends.bedrock.transcript import Transcript
from llm_gateway.backends.bedrock.usage_json import FINISH_REASONS
from llm_gateway.domain.completions import (
    Completion,
    Delta,
    ReasoningDelta,
    TextDelta,
    ToolInputDelta,
    ToolUseStart,
)
from llm_gateway.domain.content import Reasoning, ToolUse, text_of
from llm_gateway.domain.errors import BackendError, CallerError, InvalidRequest
from llm_gateway.domain.requests import DEFAULT_MAX_TOKENS, DEFAULT_TEMPERATURE, ModelCall, ResolvedModel

Exchange = dict[str, Any]


def exchanges(traffic: Path, kind: str, *, status: int | None = 200) -> Iterator[Exchange]:
    found = 0
    for path in sorted((traffic / "exchanges").rglob("*.json")):
        exchange = json.loads(path.read_text(encoding="utf-8"))
        if exchange["kind"] != kind or not exchange["complete"]:
            continue
        if (exchange["response"]["status"] == 200) == (status == 200):
            found += 1
            yield exchange
    assert found, f"no exchange of kind {kind}"


def body_of(exchange: Exchange) -> bytes:
    response = exchange["response"]
    if "body_base64" in response:
        return base64.b64decode(response["body_base64"])
    raw = response.get("body_raw")
    return raw.encode() if raw else json.dumps(response["body"]).encode()


def streamed(body: bytes, chunk_bytes: int) -> tuple[Transcript, list[Delta]]:
    splitter, transcript, deltas = FrameSplitter(), Transcript(), list[Delta]()
    for at in range(0, len(body), chunk_bytes):
        for head, payload in splitter.feed(body[at : at + chunk_bytes]):
            assert head.kind == "event"
            transcript.take(head.name, payload, deltas)
    assert splitter.fault is None
    assert not splitter.pending_bytes
    return transcript, deltas


def has_exception(body: bytes) -> bool:
    return any(head.kind != "event" for head, _ in FrameSplitter().feed(body))


RECORDED = (
    "recorded",
    "recorded (JSON re-parsed by recorder; identical JSON value, not identical bytes)",
)
ASKED = Asked(ask(), (), NOVA)


def test_every_whole_answer_reads_as_botocore_reads_it(traffic: Path) -> None:
    for exchange in exchanges(traffic, "converse"):
        body = body_of(exchange)
        if '"reasoningContent": {}' in body.decode():
            continue  # hand-written, and botocore refuses it
        expected = oracle.whole(body)
        assert_same(
            parse_whole(body, ASKED, Told("id")), expected["output"]["message"]["content"], expected, exchange["id"]
        )


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1_000_000])
def test_every_stream_reads_as_botocore_reads_it_whatever_the_chunks(traffic: Path, chunk_bytes: int) -> None:
    for exchange in exchanges(traffic, "converse-stream"):
        body = body_of(exchange)
        if has_exception(body):
            continue
        events = oracle.stream(body)
        transcript, deltas = streamed(body, chunk_bytes)
        completion = complete_stream(transcript, ASKED, Told("id"))
        assert_same(completion, joined(events), last_words(events), exchange["id"])
        assert told_by(deltas) == told_by(deltas_of(completion.blocks)), exchange["id"]


def assert_same(completion: Completion, content: list[Any], answer: Any, exchange_id: str) -> None:
    """``content`` and ``answer`` are botocore's."""
    usage = answer["usage"]
    assert completion.stop_reason == answer["stopReason"], exchange_id
    assert completion.finish_reason == FINISH_REASONS[answer["stopReason"]]
    assert completion.usage.input_tokens == usage["inputTokens"]
    assert completion.usage.output_tokens == usage["outputTokens"]
    assert completion.usage.cache_read_tokens == usage.get("cacheReadInputTokens", 0)
    assert completion.usage.cache_write_tokens == usage.get("cacheWriteInputTokens", 0)
    assert completion.usage.total_tokens == usage["totalTokens"], exchange_id
    assert not completion.usage.estimated
    texts = [part["text"] for part in content if part.get("text")]
    texts += [inner["text"] for part in content for inner in part.get("citationsContent", {}).get("content", [])]
    assert text_of(completion.blocks) == "".join(texts), exchange_id
    calls = [part["toolUse"] for part in content if "toolUse" in part]
    ours = [block for block in completion.blocks if isinstance(block, ToolUse)]
    assert [(c.id, c.name, c.input) for c in ours] == [(c["toolUseId"], c["name"], c["input"]) for c in calls]
    thoughts = [part["reasoningContent"] for part in content if "reasoningContent" in part]
    ours_thought = [block for block in completion.blocks if isinstance(block, Reasoning)]
    assert [thought_of(block) for block in ours_thought] == [
        (
            t.get("reasoningText", {}).get("text", ""),
            t.get("reasoningText", {}).get("signature"),
            t.get("redactedContent"),
        )
        for t in thoughts
    ]


def thought_of(block: Reasoning) -> tuple[str, str | None, str | None]:
    return block.text or "", block.signature, block.redacted


def joined(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """botocore's events put together to content, without any of our code."""
    parts: dict[int, dict[str, Any]] = {}
    for event in events:
        start, delta = event.get("contentBlockStart", {}), event.get("contentBlockDelta", {})
        if "toolUse" in start.get("start", {}):
            parts[start["contentBlockIndex"]] = {"toolUse": {**start["start"]["toolUse"], "input": ""}}
        if delta:
            add_piece(parts.setdefault(delta["contentBlockIndex"], {}), delta["delta"])
    for part in parts.values():
        if "toolUse" in part:
            part["toolUse"]["input"] = json.loads(part["toolUse"]["input"] or "{}")
    return [part for _, part in sorted(parts.items())]


def add_piece(part: dict[str, Any], delta: dict[str, Any]) -> None:
    if "text" in delta:
        part["text"] = part.get("text", "") + delta["text"]
    if "toolUse" in delta:
        part["toolUse"]["input"] += delta["toolUse"].get("input", "")
    for name, piece in delta.get("reasoningContent", {}).items():
        thought = part.setdefault("reasoningContent", {"reasoningText": {}})
        into = thought if name == "redactedContent" else thought["reasoningText"]
        into[name] = into.get(name, "") + piece


def last_words(events: list[dict[str, Any]]) -> dict[str, Any]:
    stop = next(event["messageStop"] for event in events if "messageStop" in event)
    usage = [event["metadata"]["usage"] for event in events if "metadata" in event][-1]
    return {"stopReason": stop["stopReason"], "usage": usage}


def told_by(deltas: list[Delta]) -> dict[str, Any]:
    """Text, calls and thoughts that a listener would have, with tool input as JSON."""
    calls: dict[int, list[str]] = {}
    for delta in deltas:
        if isinstance(delta, ToolUseStart):
            calls[delta.block] = [delta.id, delta.name, ""]
        if isinstance(delta, ToolInputDelta):
            calls[delta.block][2] += delta.json_text
    thoughts = [delta for delta in deltas if isinstance(delta, ReasoningDelta)]
    return {
        "text": "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)),
        "calls": [(call_id, name, json.loads(text or "{}")) for call_id, name, text in calls.values()],
        "thinking": "".join(thought.text or "" for thought in thoughts),
        "signatures": "".join(thought.signature or "" for thought in thoughts),
    }


def test_every_recorded_fault_is_one_of_ours(traffic: Path) -> None:
    for kind in ("converse", "converse-stream"):
        for exchange in exchanges(traffic, kind, status=None):
            response = exchange["response"]
            headers = {name.lower(): value for name, value in response["headers"].items()}
            error = error_of(http_fault(response["status"], headers, body_of(exchange)), ASKED)
            assert isinstance(error, CallerError if response["status"] == 400 else BackendError), exchange["id"]


def test_the_recorded_exception_in_mid_stream_is_read(traffic: Path) -> None:
    faults = [
        frame_fault(head, payload, None)
        for exchange in exchanges(traffic, "converse-stream")
        for head, payload in FrameSplitter().feed(body_of(exchange))
        if head.kind != "event"
    ]
    assert faults
    assert all(fault.message for fault in faults)


ABLE = card(
    *("system", "streaming", "tools", "streaming_tools", "forced_tools", "reasoning", "prompt_cache"),
    "native_json_schema",
    base_id="zai.any",
    max_output=1_000_000,
    input_modalities=("text", "image", "video", "audio"),
)
ABLE_CLAUDE = replace(ABLE, id="anthropic.any", provider="anthropic")


def test_every_recorded_request_is_rendered_as_it_was_sent(traffic: Path) -> None:
    rebuilt = refused = 0
    for kind in ("converse", "converse-stream"):
        for exchange in [*exchanges(traffic, kind), *exchanges(traffic, kind, status=None)]:
            body = exchange["request"]["body"]
            if not isinstance(body, dict):
                continue  # a recorder wrote something that is no JSON
            request, left = read_request("m", body)
            try:
                model = ResolvedModel("m", "m", ABLE if "outputConfig" in body else None)
                sent = json.loads(render(ModelCall(request, model)).body)
            except InvalidRequest as error:
                assert exchange["response"]["status"] == 400 or exchange["provenance"] not in RECORDED, (
                    exchange["id"],
                    error.message,
                )
                refused += 1
                continue
            assert read_form(sent) == read_form(expected_body(body, left)), exchange["id"]
            rebuilt += 1
    assert rebuilt > 200
    assert refused < rebuilt / 10


def expected_body(body: dict[str, Any], left: tuple[str, ...]) -> dict[str, Any]:
    """What was recorded, with our defaults where the caller was silent, neighbours of one role as one."""
    expected = {name: value for name, value in json.loads(json.dumps(body)).items() if name not in left}
    if not expected.get("additionalModelRequestFields", True):
        del expected["additionalModelRequestFields"]
    inference = expected.setdefault("inferenceConfig", {})
    thinking = expected.get("additionalModelRequestFields", {}).get("thinking", {})
    budget = thinking.get("budget_tokens", 0)
    inference.setdefault("maxTokens", DEFAULT_MAX_TOKENS + (budget if budget >= DEFAULT_MAX_TOKENS else 0))
    if not thinking:
        inference.setdefault("temperature", DEFAULT_TEMPERATURE)
    if not inference.get("stopSequences", True):
        del inference["stopSequences"]
    tools = expected.get("toolConfig", {}).get("tools", [])
    if tools:
        kept = [tool for tool in tools if tool.keys() != {"cachePoint"} or tool != tools[0]]
        expected["toolConfig"]["tools"] = kept
        if not expected["toolConfig"]["tools"]:
            del expected["toolConfig"]
    expected["messages"] = merged(expected["messages"], lambda a, b: a["role"] == b["role"], "content", [])
    if expected.pop("system", None):
        blocks = json.loads(json.dumps(body["system"]))
        expected["system"] = merged(blocks, lambda a, b: "text" in a and "text" in b, "text", "\n\n")
    return expected


def read_form(body: dict[str, Any]) -> dict[str, Any]:
    """The body with the schema that goes as text read, for its spaces and order say nothing."""
    if "outputConfig" in body:
        form = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
        form["schema"] = json.loads(form["schema"])
    return body


def merged(parts: list[dict[str, Any]], alike: Callable[[Any, Any], bool], member: str, between: Any) -> list[Any]:
    """Neighbours that are alike as one."""
    found: list[dict[str, Any]] = []
    for part in parts:
        if found and alike(found[-1], part):
            found[-1][member] += between + part[member]
        else:
            found.append(part)
    return found


def test_a_card_changes_nothing_of_a_recorded_request_it_can_take(traffic: Path) -> None:
    for exchange in exchanges(traffic, "converse"):
        body = exchange["request"]["body"]
        if isinstance(body, dict) and exchange["provenance"] in RECORDED:
            signed = '"signature"' in json.dumps(body) or '"redactedContent"' in json.dumps(body)
            able = ABLE_CLAUDE if signed else ABLE
            request, _ = read_request("m", body)
            plain = render(ModelCall(request, ResolvedModel("m", "m", ABLE if "outputConfig" in body else None)))
            assert render(ModelCall(request, ResolvedModel("m", "m", able))) == plain, exchange["id"]
