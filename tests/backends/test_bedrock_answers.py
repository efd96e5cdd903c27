"""Answers to completions: every block, every end, and what is no answer."""

import json
from typing import Any

import pytest
from bedrock_words import NOVA, ask

from llm_gateway.backends.bedrock.asked import Asked
from llm_gateway.backends.bedrock.estimate import blocks_tokens, request_tokens, text_tokens
from llm_gateway.backends.bedrock.parse import Told, complete_stream, deltas_of, parse_whole, partial_stream
from llm_gateway.backends.bedrock.transcript import GarbledEvent, Transcript
from llm_gateway.backends.bedrock.usage_json import FINISH_REASONS, read_usage
from llm_gateway.domain.completions import (
    CitationDelta,
    Completion,
    Delta,
    ReasoningDelta,
    TextDelta,
    ToolInputDelta,
    ToolUseStart,
    Usage,
)
from llm_gateway.domain.content import CachePoint, Media, Native, Reasoning, Text, ToolResult, ToolUse, text_of
from llm_gateway.domain.errors import BackendGarbled, BackendUnavailable
from llm_gateway.domain.requests import ToolSpec

ASKED = Asked(ask("Hello"), ("was changed",), NOVA)
USAGE = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}


def heard(*events: tuple[str, Any]) -> tuple[Transcript, list[Delta]]:
    transcript, deltas = Transcript(), list[Delta]()
    for name, payload in events:
        transcript.take(name, json.dumps(payload).encode(), deltas)
    return transcript, deltas


def piece(index: int, **delta: Any) -> tuple[str, Any]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": delta, "p": "abc"}


def begin(index: int, **start: Any) -> tuple[str, Any]:
    return "contentBlockStart", {"contentBlockIndex": index, "start": start}


STOP = ("messageStop", {"stopReason": "end_turn"})
METADATA = ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 5}, "serviceTier": {"type": "flex"}})
TOLD = Told("id-1", 12.0, 3.0)


def complete(*events: tuple[str, Any]) -> Completion:
    return complete_stream(heard(*events, STOP, METADATA)[0], ASKED, TOLD)


def test_blocks_of_all_kinds_grow_side_by_side() -> None:
    completion = complete(
        piece(0, reasoningContent={"text": "I "}),
        piece(0, reasoningContent={"text": "think"}),
        piece(0, reasoningContent={"signature": "sig"}),
        piece(1, reasoningContent={"redactedContent": "aGk="}),
        piece(2, text=""),
        piece(2, text="So"),
        begin(3, toolUse={"toolUseId": "t1", "name": "look"}),
        piece(3, toolUse={"input": '{"a":'}),
        piece(5, text="later"),
        piece(3, toolUse={"input": " 1}"}),
        begin(4, toolUse={"toolUseId": "t2", "name": "rest", "type": "server_tool_use"}),
    )
    assert completion.blocks == (
        Reasoning("I think", "sig"),
        Reasoning(redacted="aGk="),
        Text("So"),
        ToolUse("t1", "look", {"a": 1}),
        ToolUse("t2", "rest", {}, "server_tool_use"),
        Text("later"),
    )
    assert completion.service_tier == "flex"
    assert completion.warnings == ("was changed",)
    assert (completion.upstream_request_id, completion.upstream_ms, completion.first_delta_ms) == ("id-1", 12.0, 3.0)


def test_a_tool_of_the_model_s_own_server_is_no_call_for_the_caller() -> None:
    completion, deltas = heard(
        begin(0, toolUse={"toolUseId": "s", "name": "search", "type": "server_tool_use"}),
        piece(0, toolUse={"input": '{"q": 1}'}),
        begin(1, toolUse={"toolUseId": "t", "name": "look", "type": "tool_use"}),
        STOP,
        METADATA,
    )
    assert deltas == [ToolUseStart(1, "t", "look")]
    blocks = complete_stream(completion, ASKED, TOLD).blocks
    assert blocks == (ToolUse("s", "search", {"q": 1}, "server_tool_use"), ToolUse("t", "look", {}))


def test_a_redacted_thought_in_pieces_is_one_base64() -> None:
    completion = complete(
        piece(0, reasoningContent={"redactedContent": "aGk="}), piece(0, reasoningContent={"redactedContent": "aGk="})
    )
    assert completion.blocks == (Reasoning(redacted="aGloaQ=="),)


def test_deltas_say_what_happens() -> None:
    _, deltas = heard(
        piece(0, reasoningContent={"text": "hm"}),
        piece(0, reasoningContent={"text": ""}),
        piece(1, text=""),
        piece(1, text="So"),
        begin(2, toolUse={"toolUseId": "t", "name": "n"}),
        piece(2, toolUse={"input": ""}),
        piece(2, toolUse={"input": "{}"}),
        piece(3, novelty=1),
        ("surprise", {"a": 1}),
    )
    assert deltas == [
        ReasoningDelta(0, "hm"),
        TextDelta(1, "So"),
        ToolUseStart(2, "t", "n"),
        ToolInputDelta(2, "{}"),
    ]


def test_citations_images_and_tool_results_are_kept() -> None:
    completion = complete(
        piece(0, text="Matz"),
        piece(0, citation={"title": "facts"}),
        begin(1, toolResult={"toolUseId": "t", "type": "nova_result", "status": "success"}),
        piece(1, toolResult=[{"text": "a"}, {"json": {"b": 1}}]),
        begin(2, image={"format": "png"}),
        piece(2, image={"source": {"bytes": "aGk="}}),
        piece(3, citation={"title": "alone"}),
    )
    assert completion.blocks == (
        Native("citationsContent", {"content": [{"text": "Matz"}], "citations": [{"title": "facts"}]}),
        Native(
            "toolResult",
            {
                "toolUseId": "t",
                "type": "nova_result",
                "status": "success",
                "content": [{"text": "a"}, {"json": {"b": 1}}],
            },
        ),
        Native("image", {"format": "png", "source": {"bytes": "aGk="}}),
        Native("citationsContent", {"content": [], "citations": [{"title": "alone"}]}),
    )
    assert text_of(completion.blocks) == "Matz"
    assert deltas_of(completion.blocks) == [
        TextDelta(0, "Matz"),
        CitationDelta(0, {"title": "facts"}),
        CitationDelta(3, {"title": "alone"}),
    ]


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("contentBlockDelta", b"{"),
        ("contentBlockDelta", b"[]"),
        ("contentBlockDelta", b'{"delta": {"text": "a"}}'),
        ("contentBlockDelta", b'{"contentBlockIndex": -1, "delta": {"text": "a"}}'),
        ("contentBlockDelta", b'{"contentBlockIndex": 0, "delta": 7}'),
        ("contentBlockStart", b'{"start": {}}'),
        ("contentBlockStart", b'{"contentBlockIndex": 0, "start": {"toolUse": {"name": "n"}}}'),
        ("messageStop", b"{}"),
        ("messageStop", b'{"stopReason": ""}'),
    ],
)
def test_an_event_that_says_nothing_is_garbled(name: str, payload: bytes) -> None:
    with pytest.raises(GarbledEvent):
        Transcript().take(name, payload, [])


def test_the_last_usage_counts() -> None:
    transcript, _ = heard(piece(0, text="a"), STOP, METADATA, ("metadata", {"usage": {**USAGE, "outputTokens": 9}}))
    assert complete_stream(transcript, ASKED, TOLD).usage.output_tokens == 9
    transcript, _ = heard(STOP, METADATA, ("metadata", {}))
    assert complete_stream(transcript, ASKED, TOLD).usage.output_tokens == 2


def test_an_answer_without_its_end_is_an_error_and_paid() -> None:
    transcript, _ = heard(piece(0, text="a few words"), METADATA)
    with pytest.raises(BackendGarbled) as caught:
        complete_stream(transcript, ASKED, TOLD)
    assert caught.value.spent == Usage(3, 2)
    transcript, _ = heard(piece(0, text="a few words"))
    with pytest.raises(BackendGarbled) as caught:
        complete_stream(transcript, ASKED, TOLD)
    assert caught.value.spent is not None
    assert caught.value.spent.estimated
    assert caught.value.spent.output_tokens == 3


@pytest.mark.parametrize("stop", FINISH_REASONS)
def test_known_ends_have_our_words(stop: str) -> None:
    transcript, _ = heard(piece(0, text="a"), ("messageStop", {"stopReason": stop}), METADATA)
    completion = complete_stream(transcript, ASKED, TOLD)
    assert completion.stop_reason == stop
    assert completion.finish_reason == FINISH_REASONS[stop]


def test_a_call_that_was_cut_is_left_out_and_said() -> None:
    events = (
        piece(0, text="So"),
        begin(1, toolUse={"toolUseId": "t", "name": "look"}),
        piece(1, toolUse={"input": '{"a'}),
    )
    transcript, _ = heard(*events, ("messageStop", {"stopReason": "max_tokens"}), METADATA)
    completion = complete_stream(transcript, ASKED, TOLD)
    assert completion.blocks == (Text("So"),)
    assert "look" in completion.warnings[-1]
    assert partial_stream(heard(*events)[0], ASKED, TOLD).blocks == (Text("So"),)
    with pytest.raises(BackendGarbled):
        complete(*events)


def test_what_has_come_so_far_is_a_completion_of_its_own() -> None:
    transcript, _ = heard(piece(0, text="a few words"))
    partial = partial_stream(transcript, ASKED, TOLD)
    assert partial.blocks == (Text("a few words"),)
    assert (partial.stop_reason, partial.finish_reason) == ("incomplete", "length")
    assert partial.usage.estimated
    transcript, _ = heard(piece(0, text="a"), STOP, METADATA)
    partial = partial_stream(transcript, ASKED, TOLD)
    assert (partial.stop_reason, partial.usage) == ("end_turn", Usage(3, 2))


# --- whole answers ----------------------------------------------------------------------------------------------------


def whole(**answer: Any) -> Completion:
    given = {"output": {"message": {"role": "assistant", "content": [{"text": "a"}]}}, "stopReason": "end_turn"}
    return parse_whole(json.dumps({**given, "usage": USAGE, **answer}).encode(), ASKED, TOLD)


def content(*blocks: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": list(blocks)}}


def test_a_whole_answer_is_told_as_deltas() -> None:
    completion = whole(
        output=content(
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
            {"reasoningContent": {"redactedContent": "aGk="}},
            {"text": ""},
            {"text": "So"},
            {"toolUse": {"toolUseId": "t", "name": "n", "input": {"a": 1}}},
            {"toolUse": {"toolUseId": "u", "name": "m", "input": {}}},
            {"image": {"format": "png", "source": {"bytes": "aGk="}}},
        ),
        serviceTier={"type": "priority"},
    )
    assert deltas_of(completion.blocks) == [
        ReasoningDelta(0, "hm", "sig"),
        ReasoningDelta(1, redacted="aGk="),
        TextDelta(2, "So"),
        ToolUseStart(3, "t", "n"),
        ToolInputDelta(3, '{"a":1}'),
        ToolUseStart(4, "u", "m"),
    ]
    assert isinstance(completion.blocks[-1], Media)
    assert completion.service_tier == "priority"


def test_a_whole_answer_without_usage_is_estimated() -> None:
    completion = whole(usage=None)
    assert completion.usage.estimated
    assert completion.usage.output_tokens == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"<html>",
        b"[]",
        b"null",
        b"{}",
        b'{"output": {}}',
        b'{"output": {"message": {"content": 7}}}',
        b'{"output": {"message": {"content": []}}}',
        b'{"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}, "Version": "1.0"}',
    ],
)
def test_what_is_no_answer_is_an_error_and_the_input_is_spent(body: bytes) -> None:
    with pytest.raises(BackendGarbled) as caught:
        parse_whole(body, ASKED, TOLD)
    assert caught.value.spent is not None
    assert caught.value.spent.input_tokens > 0
    assert caught.value.upstream_request_id == "id-1"


def test_ends_that_are_failures() -> None:
    for stop in ("malformed_model_output", "malformed_tool_use"):
        with pytest.raises(BackendUnavailable) as failed:
            whole(stopReason=stop)
        assert failed.value.code == "upstream_model_error"
        assert failed.value.spent == Usage(3, 2)
    with pytest.raises(BackendGarbled) as strange:
        whole(stopReason="bored")
    assert "bored" in strange.value.message


# --- usage and estimates ----------------------------------------------------------------------------------------------


def test_cache_writes_are_told_apart_by_their_time_to_live() -> None:
    told = {**USAGE, "cacheReadInputTokens": 7, "cacheWriteInputTokens": 10}
    assert read_usage(told) == Usage(3, 2, 7, 10, 0)
    details = [{"ttl": "1h", "inputTokens": 4}, {"ttl": "5m", "inputTokens": 6}, {"ttl": "1h"}, 7]
    assert read_usage({**told, "cacheDetails": details}) == Usage(3, 2, 7, 6, 4)
    assert read_usage({**told, "cacheDetails": [{"ttl": "1h", "inputTokens": 99}]}) == Usage(3, 2, 7, 0, 10)


@pytest.mark.parametrize("usage", [None, {}, {"inputTokens": 1}, {"inputTokens": -1, "outputTokens": 1}, 7, []])
def test_no_counts_are_no_usage(usage: object) -> None:
    assert read_usage(usage) is None


def test_counts_may_come_as_whole_floats() -> None:
    assert read_usage({"inputTokens": 3.0, "outputTokens": 2}) == Usage(3, 2)
    assert read_usage({"inputTokens": 3.5, "outputTokens": 2}) is None
    assert read_usage({"inputTokens": True, "outputTokens": 2}) is None


def test_estimates_go_by_size() -> None:
    assert text_tokens("") == 0
    assert text_tokens("abcd") == 1
    assert text_tokens("日本語") == 3
    assert text_tokens("\ud800") == 1
    blocks = (
        Text("abcd"),
        Media("image", "png", {"bytes": "x"}),
        Media("document", "txt", {"text": "abcd"}, name="a"),
        ToolUse("t", "look", {"a": 1}),
        ToolResult("t", (Text("abcd"),)),
        Reasoning("abcd", "sig"),
        Reasoning(redacted="abcd"),
        CachePoint(),
        Native("x", {"a": float("nan")}),
        Native("x", {1: 2}),
    )
    assert blocks_tokens(blocks) > 4_600
    tools = (ToolSpec("look", {"type": "object"}, "Looks"),)
    assert request_tokens(ask("abcd").request) < request_tokens(ask("abcd", tools=tools, system=(Text("x"),)).request)
