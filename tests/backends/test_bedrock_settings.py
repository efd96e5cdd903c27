"""Guardrail, tier, latency and metadata are checked with their fields before AWS is asked."""

from typing import Any

import pytest
from bedrock_words import ask

from llm_gateway.backends.bedrock.converse_json import read_request
from llm_gateway.backends.bedrock.render import render
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import GuardrailWish

ODD: Any = "odd"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no guardrail": ({"guardrail": GuardrailWish("", "1")}, "guardrail.id"),
    "a blank guardrail": ({"guardrail": GuardrailWish("a b", "1")}, "guardrail.id"),
    "version 0": ({"guardrail": GuardrailWish("gr", "0")}, "guardrail.version"),
    "no version": ({"guardrail": GuardrailWish("gr", "")}, "guardrail.version"),
    "the latest": ({"guardrail": GuardrailWish("gr", "latest")}, "guardrail.version"),
    "an odd trace": ({"guardrail": GuardrailWish("gr", "1", ODD)}, "guardrail.trace"),
    "an odd mode": ({"guardrail": GuardrailWish("gr", "1", None, ODD)}, "guardrail.stream_mode"),
    "an odd tier": ({"service_tier": ODD}, "service_tier"),
    "an odd latency": ({"latency": ODD}, "latency"),
    "17 pairs": ({"metadata": {f"k{at}": "v" for at in range(17)}}, "metadata"),
    "no key": ({"metadata": {"": "v"}}, "metadata"),
    "an odd key": ({"metadata": {"ü": "v"}}, "metadata"),
    "a long value": ({"metadata": {"k": "v" * 257}}, "metadata.k"),
    "a number": ({"metadata": {"k": 7}}, "metadata.k"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_odd_setting_is_refused_with_its_field(name: str) -> None:
    given, field = REFUSED[name]
    with pytest.raises(InvalidRequest) as caught:
        render(ask(**given))
    assert caught.value.field == field


def test_no_metadata_is_no_member() -> None:
    assert b"requestMetadata" not in render(ask(metadata={})).body


def test_settings_nobody_can_read_have_no_place() -> None:
    body: dict[str, Any] = {
        "messages": [],
        "guardrailConfig": {"guardrailIdentifier": "g"},
        "serviceTier": {"type": "odd"},
        "performanceConfig": {},
        "requestMetadata": {},
        "outputConfig": {"textFormat": {"structure": {"jsonSchema": {"schema": "no JSON"}}}},
    }
    request, left = read_request("m", body)
    assert set(left) == set(body) - {"messages"}
    assert request.guardrail is None
