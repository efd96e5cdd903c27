"""What an answer holds beside text goes out as JSON, and comes back as it was."""

import pytest

from llm_gateway.domain.content import Block, CachePoint, Media, Native, Reasoning, Text, ToolResult, ToolUse
from llm_gateway.surfaces.answer_blocks import encode_block, encode_more
from llm_gateway.surfaces.content_blocks import decode_block

BLOCKS: list[Block] = [
    Text("hi"),
    Media("image", "png", {"bytes": "aGk="}),
    Media("document", "txt", {"text": "x"}, name="a b", options={"context": "c", "citations": {"enabled": True}}),
    ToolUse("t:1", "a.b", {"x": [1, None]}),
    ToolUse("t", "nova_grounding", {}, "server_tool_use"),
    ToolResult("t", (Text("x"), Native("json", {"a": 1})), "error"),
    ToolResult("t", (), None, "nova_grounding_result"),
    Reasoning("hm", "c2ln"),
    Reasoning("hm"),
    Reasoning(redacted="c2Vj"),
    CachePoint(),
    CachePoint("1h"),
    Native("citationsContent", {"content": [{"text": "x"}], "citations": []}),
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_comes_back_as_it_was(block: Block) -> None:
    assert decode_block(encode_block(block), "content[0]") == block


def test_plain_text_needs_nothing_more() -> None:
    assert encode_more(()) == {}
    assert encode_more((Text("hi"),)) == {}


def test_calls_and_thoughts_are_named() -> None:
    encoded = encode_more(
        (
            Reasoning("hm", "c2ln"),
            Reasoning(redacted="c2Vj"),
            Text("I look"),
            ToolUse("s", "nova_grounding", {}, "server_tool_use"),
            ToolUse("t", "look", {"a": 1}),
        )
    )
    assert encoded["tool_calls"] == [{"id": "t", "name": "look", "input": {"a": 1}}]
    assert encoded["reasoning"] == [{"text": "hm", "signature": "c2ln"}, {"redacted": "c2Vj"}]
    blocks = encoded["content_blocks"]
    assert isinstance(blocks, list)
    assert [next(iter(block)) for block in blocks] == [
        "reasoningContent",
        "reasoningContent",
        "text",
        "toolUse",
        "toolUse",
    ]
