"""Blocks in everybody's spelling, and answers that somebody has changed before they go back."""

from typing import Any

import pytest
from for_agents.blocks import to_blocks
from for_agents.chat_model import ChatBedrockGateway
from for_agents.messages import BLOCKS, to_gateway
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

PICTURE = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
PAPER = {"document": {"format": "pdf", "source": {"bytes": "AAAA"}}}
NAMED = {"document": {"format": "pdf", "source": {"bytes": "AAAA"}, "name": "a.pdf"}}
FILM = {"video": {"format": "mov", "source": {"bytes": "AAAA"}}}
SOUND = {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}
THOUGHT = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}
CALL = {"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": 1}}}
SPELLINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}, PICTURE),
    ({"type": "image", "source_type": "base64", "mime_type": "image/png", "data": "AAAA"}, PICTURE),
    ({"type": "image", "url": "https://a/b.png"}, {"type": "resource_link", "uri": "https://a/b.png"}),
    ({"type": "image", "source": {"type": "url", "url": "data:image/png;base64,AAAA"}}, PICTURE),
    ({"type": "file", "base64": "AAAA", "mime_type": "application/pdf"}, PAPER),
    ({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}}, NAMED),
    ({"type": "document", "source": {"media_type": "application/pdf", "data": "AAAA"}, "title": "a.pdf"}, NAMED),
    (
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        {"document": {"format": "txt", "source": {"text": "words"}}},
    ),
    ({"type": "video", "base64": "AAAA", "mime_type": "video/quicktime"}, FILM),
    ({"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"}, SOUND),
    ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, SOUND),
    ({"type": "thinking", "thinking": "hm", "signature": "s"}, THOUGHT),
    ({"type": "reasoning", "reasoning": "hm", "extras": {"signature": "s"}}, THOUGHT),
    ({"type": "reasoning_content", "reasoning_content": {"text": "hm", "signature": "s"}}, THOUGHT),
    ({"type": "redacted_thinking", "data": "AAAA"}, {"reasoningContent": {"redactedContent": "AAAA"}}),
    ({"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}}, CALL),
    ({"type": "tool_call", "id": "1", "name": "f", "args": {"a": 1}}, CALL),
    ({"type": "non_standard", "value": THOUGHT}, THOUGHT),
    (THOUGHT, THOUGHT),
    ({"type": "riddle"}, {"type": "riddle"}),
]


@pytest.mark.parametrize(("written", "read"), SPELLINGS)
def test_every_spelling_is_read(written: dict[str, Any], read: dict[str, Any]) -> None:
    assert to_blocks(written) == [read]


def test_cache_points_stand_where_anthropics_callers_put_them() -> None:
    kept = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    told = to_gateway([SystemMessage([kept]), HumanMessage([{**kept, "cache_control": {"type": "ephemeral"}}])])
    assert told[0]["content"] == [{"text": "long"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert told[1]["content"] == [{"text": "long"}, {"cachePoint": {"type": "default"}}]


def test_a_call_that_somebody_changed_goes_back_changed_and_a_refused_one_not_at_all() -> None:
    other = {"toolUse": {"toolUseId": "2", "name": "f", "input": {}}}
    answer = AIMessage(
        "", tool_calls=[{"name": "f", "args": {"a": 2}, "id": "1"}], additional_kwargs={BLOCKS: [THOUGHT, CALL, other]}
    )
    told = to_gateway([HumanMessage("x"), answer, ToolMessage("one", tool_call_id="1")])
    assert told[1]["content"] == [THOUGHT, {"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": 2}}}]


def test_calls_are_told_once_whether_they_stand_in_the_content_or_beside_it() -> None:
    calls = [{"name": "f", "args": {"a": 1}, "id": "1"}, {"name": "g", "args": {}, "id": "2"}]
    answer = AIMessage([{"type": "text", "text": "so"}, {"type": "tool_call", **calls[0]}], tool_calls=calls)
    second = {"toolUse": {"toolUseId": "2", "name": "g", "input": {}}}
    assert to_gateway([HumanMessage("x"), answer])[1]["content"] == [{"text": "so"}, CALL, second]


def test_tools_may_be_written_as_anthropic_and_converse_do() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    ours = {"toolSpec": {"name": "f", "inputSchema": {"json": schema}}}
    anthropics = {"name": "g", "input_schema": schema, "cache_control": {"type": "ephemeral"}}
    bound: Any = ChatBedrockGateway(model="nova-lite").bind_tools([ours, anthropics])
    point = {"cachePoint": {"type": "default"}}
    assert bound.kwargs["tools"] == [ours, {"name": "g", "input_schema": schema}, point]


@pytest.mark.parametrize(("thinks", "way"), [({}, "tools"), ({"reasoning": {"effort": "low"}}, "response_format")])
def test_a_model_that_thinks_is_held_to_a_schema_without_a_tool(thinks: dict[str, Any], way: str) -> None:
    model = ChatBedrockGateway(model="claude-sonnet-4-5", **thinks)
    first: Any = model.with_structured_output({"title": "T", "type": "object", "properties": {}})
    assert way in first.steps[0].kwargs
