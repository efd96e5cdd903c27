"""Content blocks in both spellings, good and bad."""

from typing import Any

import pytest

from llm_gateway.domain.content import CachePoint, Media, Native, Reasoning, Text, ToolResult, ToolUse
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.surfaces.content_blocks import decode_block, decode_content

PNG = "iVBORw0KGgo="
S3 = {"s3Location": {"uri": "s3://bucket/key"}}
GOOD: list[tuple[dict[str, Any], Any]] = [
    ({"text": "hi"}, Text("hi")),
    ({"type": "text", "text": "hi"}, Text("hi")),
    ({"type": "text", "text": "hi", "annotations": {}, "_meta": {}}, Text("hi")),
    ({"image": {"format": "png", "source": {"bytes": PNG}}}, Media("image", "png", {"bytes": PNG})),
    ({"type": "image", "data": PNG, "mimeType": "image/jpg"}, Media("image", "jpeg", {"bytes": PNG})),
    ({"type": "audio", "data": PNG, "mimeType": "audio/wav"}, Media("audio", "wav", {"bytes": PNG})),
    (
        {"document": {"format": "pdf", "name": "a", "source": S3, "context": "c", "citations": {"enabled": True}}},
        Media("document", "pdf", S3, "a", {"context": "c", "citations": {"enabled": True}}),
    ),
    ({"video": {"format": "mp4", "source": S3}}, Media("video", "mp4", S3)),
    ({"audio": {"format": "mp3", "source": {"bytes": PNG}}}, Media("audio", "mp3", {"bytes": PNG})),
    ({"toolUse": {"toolUseId": "t-1", "name": "f"}}, ToolUse("t-1", "f", {})),
    (
        {"toolUse": {"toolUseId": "t-1", "name": "f", "input": {"a": [1, None]}, "type": "server_tool_use"}},
        ToolUse("t-1", "f", {"a": [1, None]}, "server_tool_use"),
    ),
    ({"toolResult": {"toolUseId": "t-1"}}, ToolResult("t-1", ())),
    (
        {
            "toolResult": {
                "toolUseId": "t-1",
                "content": [{"json": {"a": 1}}, {"type": "text", "text": "x"}, {"text": "y"}],
                "status": "error",
                "type": "web",
            }
        },
        ToolResult("t-1", (Native("json", {"a": 1}), Text("x"), Text("y")), "error", "web"),
    ),
    ({"toolResult": {"toolUseId": "t-1", "status": "success"}}, ToolResult("t-1", (), "success")),
    ({"reasoningContent": {"reasoningText": {"text": "hm"}}}, Reasoning("hm")),
    ({"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}, Reasoning("hm", "s")),
    ({"reasoningContent": {"redactedContent": PNG}}, Reasoning(redacted=PNG)),
    ({"cachePoint": {}}, CachePoint()),
    ({"cachePoint": {"type": "default", "ttl": "1h"}}, CachePoint("1h")),
    ({"guardContent": {"text": {"text": "x"}}}, Native("guardContent", {"text": {"text": "x"}})),
    (
        {"guardContent": {"text": {"text": "x", "qualifiers": ["query"]}}},
        Native("guardContent", {"text": {"text": "x", "qualifiers": ["query"]}}),
    ),
    (
        {"guardContent": {"image": {"format": "png", "source": {"bytes": PNG}}}},
        Native("guardContent", {"image": {"format": "png", "source": {"bytes": PNG}}}),
    ),
    ({"searchResult": {"title": "t"}}, Native("searchResult", {"title": "t"})),
]


@pytest.mark.parametrize(("written", "block"), GOOD)
def test_a_good_block_is_read(written: dict[str, Any], block: Any) -> None:
    assert decode_block(written, "b") == block


BAD: list[tuple[Any, str]] = [
    ("hi", "b"),
    (None, "b"),
    (5, "b"),
    ([], "b"),
    ({}, "b"),
    ({"text": "a", "image": {}}, "b"),
    ({"txt": "a"}, "b.txt"),
    ({"text": None}, "b.text"),
    ({"text": ""}, "b.text"),
    ({"text": "\ud800"}, "b.text"),
    ({"type": "text"}, "b.text"),
    ({"type": "text", "text": "a", "tone": 1}, "b.tone"),
    ({"type": "picture"}, "b.type"),
    ({"type": None}, "b.type"),
    ({"type": "image", "data": PNG}, "b.mimeType"),
    ({"type": "image", "data": PNG, "mimeType": "image/tiff"}, "b.mimeType"),
    ({"type": "image", "data": PNG, "mimeType": "audio/wav"}, "b.mimeType"),
    ({"type": "image", "data": "a", "mimeType": "image/png"}, "b.data"),
    ({"type": "image", "data": "", "mimeType": "image/png"}, "b.data"),
    ({"type": "image", "data": "a b=", "mimeType": "image/png"}, "b.data"),
    ({"type": "image", "mimeType": "image/png"}, "b.data"),
    ({"image": []}, "b.image"),
    ({"image": {"source": {"bytes": PNG}}}, "b.image.format"),
    ({"image": {"format": "bmp", "source": {"bytes": PNG}}}, "b.image.format"),
    ({"image": {"format": "png"}}, "b.image.source"),
    ({"image": {"format": "png", "source": {}}}, "b.image.source"),
    ({"image": {"format": "png", "source": {"bytes": PNG} | S3}}, "b.image.source"),
    ({"image": {"format": "png", "source": {"url": "x"}}}, "b.image.source.url"),
    ({"image": {"format": "png", "source": {"bytes": 5}}}, "b.image.source.bytes"),
    ({"image": {"format": "png", "source": {"s3Location": {"n": float("nan")}}}}, "b.image.source.s3Location.n"),
    ({"document": {"format": "pdf", "source": S3, "name": ""}}, "b.document.name"),
    ({"document": {"format": "pdf", "source": S3, "citations": float("inf")}}, "b.document.citations"),
    ({"toolUse": {"name": "f"}}, "b.toolUse.toolUseId"),
    ({"toolUse": {"toolUseId": "a b", "name": "f"}}, "b.toolUse.toolUseId"),
    ({"toolUse": {"toolUseId": "x" * 65, "name": "f"}}, "b.toolUse.toolUseId"),
    ({"toolUse": {"toolUseId": "t"}}, "b.toolUse.name"),
    ({"toolUse": {"toolUseId": "t", "name": "f", "type": 1}}, "b.toolUse.type"),
    ({"toolUse": {"toolUseId": "t", "name": "f", "input": {"x": 10**30}}}, "b.toolUse.input.x"),
    ({"toolResult": {"content": []}}, "b.toolResult.toolUseId"),
    ({"toolResult": {"toolUseId": "t", "content": {}}}, "b.toolResult.content"),
    ({"toolResult": {"toolUseId": "t", "content": ["x"]}}, "b.toolResult.content[0]"),
    ({"toolResult": {"toolUseId": "t", "content": [{"json": 1, "text": "x"}]}}, "b.toolResult.content[0].text"),
    ({"toolResult": {"toolUseId": "t", "status": "ok"}}, "b.toolResult.status"),
    ({"reasoningContent": {}}, "b.reasoningContent.reasoningText"),
    ({"reasoningContent": {"reasoningText": {}}}, "b.reasoningContent.reasoningText.text"),
    (
        {"reasoningContent": {"reasoningText": {"text": "x", "signature": 1}}},
        "b.reasoningContent.reasoningText.signature",
    ),
    ({"reasoningContent": {"redactedContent": "?"}}, "b.reasoningContent.redactedContent"),
    ({"cachePoint": {"ttl": "2d"}}, "b.cachePoint.ttl"),
    ({"cachePoint": {"type": "x"}}, "b.cachePoint.type"),
    ({"guardContent": "x"}, "b.guardContent"),
    ({"guardContent": {}}, "b.guardContent"),
    ({"guardContent": {"txt": {}}}, "b.guardContent.txt"),
    ({"guardContent": {"text": "x"}}, "b.guardContent.text"),
    ({"guardContent": {"text": {}}}, "b.guardContent.text.text"),
    ({"guardContent": {"text": {"text": "x", "qualifiers": "query"}}}, "b.guardContent.text.qualifiers"),
    ({"guardContent": {"text": {"text": "x", "qualifiers": [None]}}}, "b.guardContent.text.qualifiers[0]"),
    ({"guardContent": {"image": {"format": "gif"}}}, "b.guardContent.image.format"),
    ({"guardContent": {"image": {"format": "png"}}}, "b.guardContent.image.source"),
    ({"guardContent": {"image": {"format": "png", "source": {}}}}, "b.guardContent.image.source.bytes"),
    ({"searchResult": []}, "b.searchResult"),
]


@pytest.mark.parametrize(("written", "field"), BAD)
def test_a_bad_block_is_refused_by_its_field(written: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_block(written, "b")
    assert refused.value.field == field
    assert refused.value.message


def test_content_is_text_or_a_list_of_blocks() -> None:
    assert decode_content("hi", "c") == (Text("hi"),)
    assert decode_content([{"text": "a"}, {"text": "b"}], "c") == (Text("a"), Text("b"))


@pytest.mark.parametrize(
    ("written", "field"),
    [("", "c"), ([], "c"), ([{"text": "\u00a0"}], "c"), (None, "c"), ({}, "c"), ([{"text": "a"}, 1], "c[1]")],
)
def test_other_content_is_refused(written: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_content(written, field="c")
    assert refused.value.field == field
