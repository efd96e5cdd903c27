"""The fingerprint: equal for equal calls, another for any change that can change the answer."""

from dataclasses import fields, replace

import pytest

from houses import CATALOG, TODAY, ask
from llm_gateway.caching.fingerprint import fingerprint
from llm_gateway.domain.content import CachePoint, Media, Message, Native, Reasoning, Text, ToolResult, ToolUse
from llm_gateway.domain.requests import (
    GenerateRequest,
    GuardrailWish,
    ModelCall,
    ReasoningWish,
    ResponseFormat,
    ToolChoice,
    ToolSpec,
)


def call(request: GenerateRequest, model: str = "nova-lite") -> ModelCall:
    return ModelCall(request, CATALOG.resolve(model, region="us-east-1", today=TODAY))


CHANGES: dict[str, object] = {
    "messages": (Message("user", (Text("Other"),)),),
    "system": (Text("Be brief."),),
    "temperature": 0.1,
    "top_p": 0.5,
    "max_tokens": 7,
    "stop_sequences": ("x",),
    "tools": (ToolSpec("t", {"type": "object"}),),
    "tool_choice": ToolChoice("any"),
    "parallel_tool_calls": False,
    "reasoning": ReasoningWish(effort="low"),
    "response_format": ResponseFormat("json_object"),
    "guardrail": GuardrailWish("gr", "1"),
    "service_tier": "flex",
    "latency": "optimized",
    "metadata": {"team": "a"},
    "extra_fields": {"top_k": 5},
    "cache_prompt": True,
}


def test_every_member_of_a_request_is_looked_at() -> None:
    assert {field.name for field in fields(GenerateRequest)} == set(CHANGES) | {"model", "cache"}


@pytest.mark.parametrize("member", CHANGES)
def test_changing_one_member_changes_the_fingerprint(member: str) -> None:
    request = ask()
    assert fingerprint(call(replace(request, **{member: CHANGES[member]}))) != fingerprint(call(request))


def test_the_word_for_the_model_and_the_cache_mode_do_not_count() -> None:
    by_id = replace(ask(), model="us.amazon.nova-lite-v1:0", cache="refresh")
    assert fingerprint(call(by_id, by_id.model)) == fingerprint(call(ask()))


def test_another_model_or_profile_is_another_question() -> None:
    prints = {fingerprint(call(ask(), model)) for model in ("nova-lite", "nova-pro", "amazon.nova-lite-v1:0")}
    assert len(prints) == 3


def test_the_order_of_keys_does_not_count() -> None:
    one = replace(ask(), extra_fields={"a": 1, "b": 2})
    two = replace(ask(), extra_fields={"b": 2, "a": 1})
    assert fingerprint(call(one)) == fingerprint(call(two))


def test_blocks_of_different_kinds_with_the_same_text_are_told_apart() -> None:
    blocks = [
        Text("x"),
        Reasoning(text="x"),
        Native("text", "x"),
        CachePoint("x"),
        ToolUse("x", "x", "x"),
        ToolResult("x", (Text("x"),)),
        Media("image", "png", {"bytes": "x"}),
    ]
    prints = {fingerprint(call(replace(ask(), messages=(Message("user", (block,)),)))) for block in blocks}
    assert len(prints) == len(blocks)
