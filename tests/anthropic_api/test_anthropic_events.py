"""Deltas to events, and whole answers to messages, where the sandbox has no such answer."""

import json
from typing import Any

import pytest

from llm_gateway.domain.completions import (
    Completion,
    Delta,
    FinishReason,
    Generation,
    ReasoningDelta,
    TextDelta,
    ToolInputDelta,
    ToolUseStart,
    Usage,
)
from llm_gateway.domain.content import Block, CachePoint, Native, Reasoning, Text, ToolUse
from llm_gateway.surfaces.anthropic_api.answers import message_json
from llm_gateway.surfaces.anthropic_api.events import EventWriter

CITED = Native("citationsContent", {"content": [{"text": "It is"}, {"text": " so."}], "citations": []})
SERVERS_OWN = ToolUse("id", "nova_grounding", {}, "server_tool_use")


def generation_of(
    *blocks: Block, finish: FinishReason = "stop", stop: str = "end_turn", tier: str | None = None
) -> Generation:
    usage = Usage(
        input_tokens=5, output_tokens=7, cache_read_tokens=11, cache_write_5m_tokens=13, cache_write_1h_tokens=17
    )
    completion = Completion(blocks=blocks, finish_reason=finish, stop_reason=stop, usage=usage, service_tier=tier)
    return Generation(
        request_id="req_1",
        model="m",
        model_id="v.m",
        completion=completion,
        cached=False,
        latency_ms=1,
        cost_nano_usd=None,
    )


def told(*batches: list[Delta], blocks: tuple[Block, ...] = (), stops: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The data of all events."""
    writer = EventWriter(request_id="req_1", asked="asked", stops=stops)
    written = b"".join([writer.deltas(batch) for batch in batches]) + writer.end(generation_of(*blocks))
    return [json.loads(part.split(b"\ndata: ")[1]) for part in written.split(b"\n\n")[:-1]]


def inner(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What stands between the start and the end of the message, in short."""
    return [
        (event["type"].removeprefix("content_block_"), event["index"], event.get("content_block", event.get("delta")))
        for event in events[1:-2]
    ]


def test_blocks_follow_each_other_and_are_numbered_without_gaps() -> None:
    events = told(
        [ReasoningDelta(0, "Hm"), ReasoningDelta(0, ".", "sig")],
        [TextDelta(2, "a"), TextDelta(2, 'b"\n')],
        [ToolUseStart(3, "t1", "f"), ToolUseStart(5, "t2", "g"), ToolInputDelta(5, '{"x":'), ToolInputDelta(5, "1}")],
    )
    assert inner(events) == [
        ("start", 0, {"type": "thinking", "thinking": "", "signature": ""}),
        ("delta", 0, {"type": "thinking_delta", "thinking": "Hm"}),
        ("delta", 0, {"type": "thinking_delta", "thinking": "."}),
        ("delta", 0, {"type": "signature_delta", "signature": "sig"}),
        ("stop", 0, None),
        ("start", 1, {"type": "text", "text": ""}),
        ("delta", 1, {"type": "text_delta", "text": "a"}),
        ("delta", 1, {"type": "text_delta", "text": 'b"\n'}),
        ("stop", 1, None),
        ("start", 2, {"type": "tool_use", "id": "t1", "name": "f", "input": {}}),
        ("stop", 2, None),
        ("start", 3, {"type": "tool_use", "id": "t2", "name": "g", "input": {}}),
        ("delta", 3, {"type": "input_json_delta", "partial_json": '{"x":'}),
        ("delta", 3, {"type": "input_json_delta", "partial_json": "1}"}),
        ("stop", 3, None),
    ]


def test_a_redacted_thought_comes_whole() -> None:
    events = told([ReasoningDelta(0, redacted="abc=")], [ReasoningDelta(0, redacted="def=")], [TextDelta(1, "a")])
    assert inner(events)[:2] == [("start", 0, {"type": "redacted_thinking", "data": "abc=def="}), ("stop", 0, None)]
    assert inner(told([ReasoningDelta(0, redacted="abc=")]))[0][2]["data"] == "abc="


def test_a_kept_answer_is_told_as_it_would_have_come() -> None:
    blocks = (
        Reasoning("Hm", "sig"),
        Reasoning(redacted="abc="),
        CITED,
        SERVERS_OWN,
        ToolUse("t1", "f", {"x": 1}),
        ToolUse("t2", "g", {}),
        CachePoint(),
    )
    assert [(kind, index) for kind, index, _ in inner(told(blocks=blocks))] == [
        *[("start", 0), ("delta", 0), ("delta", 0), ("stop", 0)],
        *[("start", 1), ("stop", 1)],
        *[("start", 2), ("delta", 2), ("delta", 2), ("stop", 2)],
        *[("start", 3), ("delta", 3), ("stop", 3)],
        *[("start", 4), ("stop", 4)],
    ]


def test_an_answer_of_nothing_is_still_a_message() -> None:
    assert [event["type"] for event in told()] == ["message_start", "message_delta", "message_stop"]


def test_input_without_its_call_is_not_told() -> None:
    assert inner(told([ToolInputDelta(0, "{}")])) == []


def test_a_message_counts_each_kind_of_token() -> None:
    message = message_json(generation_of(Text("a"), tier="flex"), asked="asked", stops=())
    assert (message["id"], message["model"]) == ("msg_1", "asked")
    assert message["usage"] == {
        "input_tokens": 5,
        "output_tokens": 7,
        "cache_read_input_tokens": 11,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 13, "ephemeral_1h_input_tokens": 17},
        "service_tier": "flex",
    }


def test_a_message_holds_what_anthropic_has_blocks_for() -> None:
    blocks = (Reasoning("Hm"), CITED, SERVERS_OWN, Native("image", {}), CachePoint(), ToolUse("t1", "f", {}))
    assert message_json(generation_of(*blocks), asked="a", stops=())["content"] == [
        {"type": "thinking", "thinking": "Hm", "signature": ""},
        {"type": "text", "text": "It is so.", "citations": []},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
    ]


@pytest.mark.parametrize(
    ("finish", "stop", "stops", "reason", "met"),
    [
        ("stop", "end_turn", (), "end_turn", None),
        ("stop", "stop_sequence", ("a",), "stop_sequence", "a"),
        ("stop", "stop_sequence", ("a", "b"), "stop_sequence", None),
        ("length", "max_tokens", ("a",), "max_tokens", None),
        ("length", "model_context_window_exceeded", (), "model_context_window_exceeded", None),
        ("tool_use", "tool_use", (), "tool_use", None),
        ("content_filter", "guardrail_intervened", (), "refusal", None),
        ("content_filter", "content_filtered", (), "refusal", None),
        ("stop", "a word of tomorrow", (), "end_turn", None),
    ],
)
def test_the_end_is_told_in_anthropics_words(
    finish: FinishReason, stop: str, stops: tuple[str, ...], reason: str, met: str | None
) -> None:
    message = message_json(generation_of(finish=finish, stop=stop), asked="a", stops=stops)
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, met)


PLACE = {"start": 3, "end": 9}
CITATIONS = [
    {"title": "t", "sourceContent": [{"text": "a"}, {"text": "b"}], "location": {"documentChar": PLACE}},
    {"location": {"documentPage": PLACE | {"documentIndex": 1}}},
    {"location": {"documentChunk": PLACE}},
    {"source": "s", "title": "t", "location": {"searchResultLocation": PLACE | {"searchResultIndex": 2}}},
    {"location": {"web": {"url": "https://example.com"}}},
    "no citation",
]


def test_citations_are_told_in_anthropics_form() -> None:
    block = Native("citationsContent", {"content": [{"text": "It is so."}], "citations": CITATIONS})
    (told,) = message_json(generation_of(block), asked="a", stops=())["content"]  # type: ignore[misc]
    in_a_document = {"cited_text": "", "document_index": 0, "document_title": None, "file_id": None}
    in_a_result = {"cited_text": "", "search_result_index": 2, "title": "t", "source": "s"}
    chars = {"type": "char_location", "cited_text": "ab", "document_title": "t"}
    assert told["citations"] == [
        {**in_a_document, **chars, "start_char_index": 3, "end_char_index": 9},
        {**in_a_document, "type": "page_location", "document_index": 1, "start_page_number": 3, "end_page_number": 9},
        {**in_a_document, "type": "content_block_location", "start_block_index": 3, "end_block_index": 9},
        {**in_a_result, "type": "search_result_location", "start_block_index": 3, "end_block_index": 9},
    ]
