"""The arguments of ``generate``: what they become, and how wrong ones are refused."""

from typing import Any

import pytest

from llm_gateway.domain.content import CachePoint, Message, Text
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import GenerateRequest
from llm_gateway.surfaces.generate_arguments import decode_generate

USER = {"role": "user", "content": "hi"}
ASKED: dict[str, Any] = {"model": "nova-lite", "messages": [USER]}


def test_the_least_that_can_be_asked() -> None:
    assert decode_generate(ASKED) == GenerateRequest(
        model="nova-lite", messages=(Message("user", (Text("hi"),)),), cache="use"
    )


def test_null_is_as_good_as_left_out() -> None:
    names = ("temperature", "max_tokens", "top_p", "stop_sequences", "system", "cache")
    assert decode_generate(ASKED | dict.fromkeys(names)) == decode_generate(ASKED)


def test_everything_that_can_be_asked() -> None:
    messages = [
        {"role": "system", "content": "one"},
        {"role": "user", "content": [{"text": "hi"}]},
        {"role": "assistant", "content": "yes?"},
        {"role": "system", "content": [{"text": "two"}, {"cachePoint": {}}]},
        USER,
    ]
    asked = decode_generate(
        {
            "model": " nova-lite ",
            "messages": messages,
            "temperature": 2,
            "max_tokens": 1,
            "top_p": 1,
            "stop_sequences": ["\n", "é"],
            "system": "zero",
            "cache": "refresh",
        }
    )
    assert asked == GenerateRequest(
        model="nova-lite",
        messages=(
            Message("user", (Text("hi"),)),
            Message("assistant", (Text("yes?"),)),
            Message("user", (Text("hi"),)),
        ),
        system=(Text("zero"), Text("one"), Text("two"), CachePoint()),
        temperature=2,
        max_tokens=1,
        top_p=1,
        stop_sequences=("\n", "é"),
        cache="refresh",
    )


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"model": None}, "model", "missing"),
    ({"model": ""}, "model", "blank"),
    ({"model": 5}, "model", "string"),
    ({"model": "x" * 2049}, "model", "2048"),
    ({"messages": None}, "messages", "missing"),
    ({"messages": []}, "messages", "user message"),
    ({"messages": "hi"}, "messages", "list"),
    ({"messages": ["hi"]}, "messages[0]", "object"),
    ({"messages": [{"role": "system", "content": "only"}]}, "messages", "user message"),
    ({"messages": [USER, {"role": "robot", "content": "x"}]}, "messages[1].role", "user"),
    ({"messages": [{"content": "x"}]}, "messages[0].role", "one of"),
    ({"messages": [{"role": "user"}]}, "messages[0].content", "string or a list"),
    ({"messages": [{"role": "user", "content": " "}]}, "messages[0].content", "blank"),
    ({"messages": [{"role": "user", "content": []}]}, "messages[0].content", "empty"),
    ({"messages": [USER | {"name": "x"}]}, "messages[0].name", "not known"),
    (
        {"messages": [USER, {"role": "system", "content": [{"toolResult": {"toolUseId": "t"}}]}]},
        "messages[1].content",
        "text and cache points",
    ),
    ({"temperature": 2.5}, "temperature", "from 0 to 2"),
    ({"temperature": float("nan")}, "temperature", "from 0 to 2"),
    ({"top_p": 1.1}, "top_p", "from 0 to 1"),
    ({"max_tokens": 0}, "max_tokens", "from 1"),
    ({"max_tokens": -5}, "max_tokens", "from 1"),
    ({"max_tokens": 1.5}, "max_tokens", "whole number"),
    ({"stop_sequences": "END"}, "stop_sequences", "list"),
    ({"stop_sequences": ["a", ""]}, "stop_sequences[1]", "empty"),
    ({"stop_sequences": [1]}, "stop_sequences[0]", "string"),
    ({"stop_sequences": ["x"] * 2501}, "stop_sequences", "2500"),
    ({"system": ""}, "system", "blank"),
    ({"system": ["x"]}, "system", "string"),
    ({"cache": "maybe"}, "cache", "use, refresh, bypass"),
    ({"stream": True}, "stream", "not known"),
]


@pytest.mark.parametrize(("change", "field", "mend"), WRONG)
def test_a_wrong_argument_is_named_with_its_mend(change: dict[str, Any], field: str, mend: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_generate(ASKED | change)
    assert refused.value.field == field
    assert mend in refused.value.message
