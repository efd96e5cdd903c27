"""Looking before leaping: tokens and cost without spending, and several models side by side."""

from typing import Any

import jsonschema
import pytest
from mcp_house import asking, call, refusal

from houses import build_house
from llm_gateway.backends.scripted import Scripted
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.errors import BackendThrottled
from llm_gateway.surfaces.forecast_schemas import (
    COMPARE_INPUT,
    COMPARE_OUTPUT,
    COST_INPUT,
    COST_OUTPUT,
    COUNT_INPUT,
    COUNT_OUTPUT,
)

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def house() -> Any:
    return build_house(Scripted(usage=Usage(input_tokens=1_000, output_tokens=100)))


async def test_tokens_are_counted_where_bedrock_counts_and_estimated_elsewhere(house: Any) -> None:
    async with asking(house) as client:
        for arguments, tokens, estimated in (
            ({"model": "claude-haiku-4-5", "messages": HELLO}, 10, False),
            ({"model": "nova-lite", "prompt": "Hello"}, 1, True),
            ({"model": "nova-lite", "messages": HELLO, "prompt": None, "temperature": 0.5}, 1, True),
        ):
            jsonschema.validate({k: v for k, v in arguments.items() if v is not None}, COUNT_INPUT)
            counted = await call(client, "count_tokens", arguments)
            jsonschema.validate(counted, COUNT_OUTPUT)
            assert (counted["input_tokens"], counted["estimated"]) == (tokens, estimated)
            assert counted["model"] == arguments["model"]
    assert house.backend.calls == []


async def test_the_cost_is_told_from_no_answer_to_the_longest(house: Any) -> None:
    async with asking(house) as client:
        arguments = {"model": "claude-haiku-4-5", "messages": HELLO, "max_tokens": 1_000}
        jsonschema.validate(arguments, COST_INPUT)
        told = await call(client, "estimate_cost", arguments)
        jsonschema.validate(told, COST_OUTPUT)
        # ten tokens in at 1.1 and a thousand out at 5.5 US dollars a million, through the profile of the region
        assert (told["low_usd"], told["high_usd"]) == (pytest.approx(0.000011), pytest.approx(0.005511))
        told = await call(client, "estimate_cost", {"model": "nova-lite", "prompt": "Hello", "max_tokens": 999_999})
        assert (told["max_tokens"], told["estimated"]) == (10_000, True)
        told = await call(client, "estimate_cost", {"model": "nova-lite", "prompt": "Hello"})
        assert told["max_tokens"] == 2_000
        unknown = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc"
        told = await call(client, "estimate_cost", {"model": unknown, "prompt": "Hello"})
        assert (told["low_usd"], told["high_usd"]) == (None, None)
    assert house.backend.calls == []


async def test_models_are_asked_side_by_side(house: Any) -> None:
    arguments = {"models": ["nova-lite", "nova-pro", "nova-lite"], "prompt": "Hello", "max_tokens": 50}
    jsonschema.validate(arguments, COMPARE_INPUT)
    async with asking(house) as client:
        told = await call(client, "compare", arguments)
    jsonschema.validate(told, COMPARE_OUTPUT)
    assert [row["asked"] for row in told["rows"]] == ["nova-lite", "nova-pro"]
    assert all(row["content"] == "Hello there" and row["latency_ms"] >= 0 for row in told["rows"])
    assert told["cheapest"] == "nova-lite"
    assert told["fastest"] in ("nova-lite", "nova-pro")
    assert told["total_cost_usd"] == pytest.approx(sum(row["estimated_cost_usd"] for row in told["rows"]))
    assert len({row["request_id"] for row in told["rows"]}) == 2
    assert [sent.request.max_tokens for sent in house.backend.calls] == [50, 50]


async def test_a_failing_model_is_a_row_with_its_error() -> None:
    throttled = BackendThrottled("too much", model="nova-lite")
    house = build_house(Scripted(error=throttled, early=True))
    async with asking(house) as client:
        told = await call(client, "compare", {"models": ["nova-lite", "nova-por"], "messages": HELLO})
    jsonschema.validate(told, COMPARE_OUTPUT)
    codes = [row["error"]["code"] for row in told["rows"]]
    assert codes == ["upstream_throttled", "model_not_found"]
    assert (told["cheapest"], told["fastest"], told["total_cost_usd"]) == (None, None, 0.0)


async def test_a_fault_of_ours_is_a_row_without_its_text() -> None:
    broken: Any = RuntimeError("a secret")
    async with asking(build_house(Scripted(error=broken))) as client:
        told = await call(client, "compare", {"models": ["nova-lite"], "messages": HELLO})
    error = told["rows"][0]["error"]
    assert error["code"] == "internal_error"
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("tool", "arguments", "field"),
    [
        ("count_tokens", {"model": "nova-lite"}, "messages"),
        ("count_tokens", {"model": "nova-lite", "prompt": " "}, "prompt"),
        ("count_tokens", {"model": "nova-lite", "prompt": "x", "messages": HELLO}, "prompt"),
        ("estimate_cost", {"model": "nova-lite", "prompt": "x", "max_tokens": 0}, "max_tokens"),
        ("estimate_cost", {"model": "nova-por", "prompt": "x"}, "model"),
        ("compare", {"prompt": "x"}, "models"),
        ("compare", {"models": [], "prompt": "x"}, "models"),
        ("compare", {"models": ["nova-lite"] * 11, "prompt": "x"}, "models"),
        ("compare", {"models": [7], "prompt": "x"}, "models[0]"),
        ("compare", {"models": ["nova-lite"], "model": "nova-pro", "prompt": "x"}, "model"),
        ("compare", {"models": ["nova-lite"], "promt": "x"}, "promt"),
    ],
)
async def test_wrong_arguments_are_refused_by_name(
    house: Any, tool: str, arguments: dict[str, Any], field: str
) -> None:
    async with asking(house) as client:
        error = await refusal(client, tool, arguments)
    assert error["field"] == field
    assert house.backend.calls == []
