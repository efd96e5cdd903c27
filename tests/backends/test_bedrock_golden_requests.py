"""Golden calls, rendered by us and by botocore: the same bytes after one way of writing JSON, the same path."""

import json
from typing import Any
from urllib.parse import quote

import bedrock_oracle as oracle
import pytest
from bedrock_golden import GOLDEN
from bedrock_words import ask

from llm_gateway.backends.bedrock.converse_json import read_request
from llm_gateway.backends.bedrock.render import render, render_counting
from llm_gateway.domain.requests import GuardrailWish, ModelCall


@pytest.mark.parametrize("operation", ["Converse", "ConverseStream"])
@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_call_is_rendered_as_botocore_renders_it(name: str, operation: str) -> None:
    call = GOLDEN[name]
    ours = render(call).body
    theirs = oracle.serialized(operation, call.model.invoked_id, json.loads(ours))
    assert json.dumps(json.loads(ours)).encode() == theirs["body"]  # botocore's separators and escapes, our key order
    suffix = "converse" if operation == "Converse" else "converse-stream"
    assert theirs["url_path"] == f"/model/{quote(call.model.invoked_id, safe='~')}/{suffix}"
    assert theirs["method"] == "POST"
    assert theirs["headers"]["Content-Type"] == "application/json"
    assert not theirs["query_string"]


@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_call_reads_back_as_it_was(name: str) -> None:
    call = GOLDEN[name]
    body = json.loads(render(call).body)
    request, left = read_request(call.request.model, body)
    assert not left
    again = json.loads(render(ModelCall(request, call.model)).body)
    assert again == body


def test_numbers_beyond_64_bits_stay_what_they_are() -> None:
    body = render(ask("Hello", extra_fields={"big": 2**70, "float": 1.5})).body
    assert json.loads(body)["additionalModelRequestFields"] == {"big": 2**70, "float": 1.5}


def test_foreign_mappings_are_written_as_objects() -> None:
    from types import MappingProxyType

    frozen: Any = MappingProxyType({"a": MappingProxyType({"b": 1})})
    body = render(ask("Hello", extra_fields=frozen)).body
    assert json.loads(body)["additionalModelRequestFields"] == {"a": {"b": 1}}


def test_the_golden_matrix_holds_every_member_a_request_can_have() -> None:
    bodies = [json.loads(render(call).body) for call in GOLDEN.values()]
    kinds = {kind for body in bodies for turn in body["messages"] for block in turn["content"] for kind in block}
    assert kinds >= {"text", "image", "document", "video", "audio", "toolUse", "toolResult", "reasoningContent"}
    assert kinds >= {"cachePoint", "guardContent", "citationsContent", "searchResult"}
    members = {member for body in bodies for member in body}
    assert members == {
        *("messages", "system", "inferenceConfig", "toolConfig", "additionalModelRequestFields"),
        *("guardrailConfig", "requestMetadata", "performanceConfig", "serviceTier", "outputConfig"),
    }


def test_a_stream_says_how_the_guardrail_works_and_a_whole_answer_does_not() -> None:
    rendered = render(ask("Hello", guardrail=GuardrailWish("gr1abc", "3", stream_mode="async")))
    for operation, body in (("ConverseStream", rendered.body), ("Converse", rendered.whole_body)):
        theirs = oracle.serialized(operation, "m", json.loads(body))
        assert json.dumps(json.loads(body)).encode() == theirs["body"]
    assert json.loads(rendered.body)["guardrailConfig"]["streamProcessingMode"] == "async"
    assert "streamProcessingMode" not in json.loads(rendered.whole_body)["guardrailConfig"]


@pytest.mark.parametrize("name", GOLDEN)
def test_what_is_counted_is_what_botocore_would_count(name: str) -> None:
    call = GOLDEN[name]
    body = render_counting(call)
    theirs = oracle.serialized("CountTokens", call.model.invoked_id, json.loads(body))
    assert json.dumps(json.loads(body)).encode() == theirs["body"]
