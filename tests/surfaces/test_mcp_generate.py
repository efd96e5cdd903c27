"""``generate`` as an MCP client sees it, in both eras, over a scripted backend."""

import asyncio
import json
from typing import Any

import jsonschema
import pytest
from mcp_house import ERAS, HELLO, asking, call, refusal
from structlog.testing import capture_logs

from houses import build_house
from llm_gateway.backends.scripted import Scripted
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.errors import (
    BackendError,
    BackendGarbled,
    BackendRefused,
    BackendThrottled,
    BackendTimeout,
    BackendUnavailable,
    CallerError,
    ContextTooLong,
    GatewayError,
    InvalidRequest,
    Overloaded,
    Unauthenticated,
    UnknownModel,
    UnsupportedFeature,
)
from llm_gateway.surfaces.tool_schemas import GENERATE_OUTPUT

pytestmark = pytest.mark.parametrize("mode", ERAS)


async def test_an_answer_has_every_promised_field(mode: str) -> None:
    house = build_house(
        Scripted(
            pieces=("Hel", "lo"), usage=Usage(input_tokens=1000, output_tokens=500), warnings=("max_tokens lowered",)
        )
    )
    async with asking(house, mode) as client:
        result = await client.call_tool("generate", HELLO)
    answer = result.structured_content
    assert answer is not None
    jsonschema.validate(answer, GENERATE_OUTPUT)
    assert answer.pop("request_id").startswith("req_")
    assert answer.pop("latency_ms") >= 0
    assert answer.pop("route")["target"] == "us.amazon.nova-lite-v1:0"
    assert answer == {
        "content": "Hello",
        "model": "nova-lite",
        "model_id": "us.amazon.nova-lite-v1:0",
        "usage": {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500},
        "finish_reason": "stop",
        "cached": False,
        "estimated_cost_usd": 0.00018,
        "warnings": ["max_tokens lowered"],
    }
    text = json.loads(result.content[0].text)
    assert text["content"] == "Hello"
    assert text == result.structured_content | {name: text[name] for name in ("request_id", "latency_ms", "route")}


async def test_prompt_cache_tokens_are_told_where_there_are_any(mode: str) -> None:
    usage = Usage(input_tokens=10, output_tokens=5, cache_read_tokens=7, cache_write_5m_tokens=3, estimated=True)
    async with asking(build_house(Scripted(usage=usage)), mode) as client:
        answer = await call(client, "generate")
    jsonschema.validate(answer, GENERATE_OUTPUT)
    assert answer["usage"] == {
        "input_tokens": 10,
        "output_tokens": 5,
        "total_tokens": 25,
        "cache_read_tokens": 7,
        "cache_write_tokens": 3,
        "estimated": True,
    }


@pytest.mark.parametrize("reason", ["stop", "length", "tool_use", "content_filter"])
async def test_every_finish_reason_fits_the_schema(mode: str, reason: Any) -> None:
    async with asking(build_house(Scripted(finish_reason=reason)), mode) as client:
        answer = await call(client, "generate")
    jsonschema.validate(answer, GENERATE_OUTPUT)
    assert answer["finish_reason"] == reason


async def test_a_repeat_is_cached_and_free_and_an_unknown_price_is_null(mode: str) -> None:
    async with asking(build_house(), mode) as client:
        await call(client, "generate")
        repeat = await call(client, "generate")
        unpriced = await call(client, "generate", HELLO | {"model": "acme.brand-new-v1:0"})
    for answer in (repeat, unpriced):
        jsonschema.validate(answer, GENERATE_OUTPUT)
    assert (repeat["cached"], repeat["estimated_cost_usd"]) == (True, 0)
    assert (unpriced["cached"], unpriced["estimated_cost_usd"]) == (False, None)


async def test_all_parameters_reach_the_model(mode: str) -> None:
    house = build_house()
    arguments = HELLO | {
        "temperature": 0,
        "max_tokens": 5.0,
        "top_p": 0.5,
        "stop_sequences": ["END"],
        "system": "Be brief.",
        "cache": "bypass",
    }
    async with asking(house, mode) as client:
        await call(client, "generate", arguments)
    request = house.backend.calls[0].request
    assert (request.temperature, request.max_tokens, request.top_p) == (0, 5, 0.5)
    assert (request.stop_sequences, request.cache) == (("END",), "bypass")
    assert request.system[0].text == "Be brief."  # pyright: ignore[reportAttributeAccessIssue]


async def test_who_asks_for_progress_sees_the_text_arrive(mode: str) -> None:
    gate = asyncio.Event()
    heard: list[tuple[float, str | None]] = []
    first = asyncio.Event()

    async def on_progress(done: float, total: float | None, text: str | None) -> None:
        assert total is None
        heard.append((done, text))
        first.set()

    async with asking(build_house(Scripted(pieces=("a", "", "b"), gate=gate)), mode) as client:
        asked = asyncio.ensure_future(client.call_tool("generate", HELLO, progress_handler=on_progress))
        await asyncio.wait_for(first.wait(), 5)
        assert heard == [(1, "a")]  # before the answer is whole
        gate.set()
        assert (await asked).structured_content["content"] == "ab"  # pyright: ignore[reportOptionalSubscript]
    assert heard == [(1, "a"), (2, "b")]


async def test_a_caller_that_cancels_lets_the_model_go(mode: str) -> None:
    house = build_house(Scripted(gate=asyncio.Event()))
    async with asking(house, mode) as client:
        asked = asyncio.ensure_future(client.call_tool("generate", HELLO))
        await asyncio.wait_for(house.backend.opened.wait(), 5)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        for _ in range(1000):
            if house.backend.streams[0].closed:
                break
            await asyncio.sleep(0.005)
    assert [attempt.outcome for attempt in house.notebook.attempts] == ["client_disconnect"]


SPENT = Usage(input_tokens=3, output_tokens=1, estimated=True)
ERRORS: dict[str, tuple[GatewayError, dict[str, Any]]] = {
    "caller": (CallerError("mend it"), {"code": "invalid_request", "type": "invalid_request_error"}),
    "invalid": (InvalidRequest("wrong", field="messages[0]"), {"code": "invalid_request", "field": "messages[0]"}),
    "unknown model": (
        UnknownModel("none", model="nova-por", closest=("nova-pro",), successor="nova-2"),
        {"code": "model_not_found", "model": "nova-por", "closest": ["nova-pro"], "successor": "nova-2"},
    ),
    "too long": (
        ContextTooLong("long", model="m", limit_tokens=5, asked_tokens=6),
        {"code": "context_length_exceeded", "field": "messages", "limit_tokens": 5, "asked_tokens": 6},
    ),
    "unsupported": (
        UnsupportedFeature("no", model="m", feature="vision", field="messages[0]"),
        {"code": "unsupported_feature", "feature": "vision", "model": "m", "field": "messages[0]"},
    ),
    "key": (Unauthenticated("who?"), {"code": "invalid_api_key"}),
    "overloaded": (
        Overloaded("full", retry_after_s=0.25),
        {"code": "overloaded", "type": "server_error", "retryable": True, "retry_after_ms": 250},
    ),
    "backend": (
        BackendError("broke", model="m", upstream_request_id="aws-1"),
        {"code": "upstream_error", "type": "server_error", "model": "m", "upstream_request_id": "aws-1"},
    ),
    "throttled": (
        BackendThrottled("busy", model="m", retry_after_s=2),
        {"code": "upstream_throttled", "type": "rate_limit_error", "retry_after_ms": 2000, "retryable": True},
    ),
    "timeout": (BackendTimeout("silent", model="m", spent=SPENT), {"code": "upstream_timeout", "retryable": True}),
    "unavailable": (BackendUnavailable("down", model="m"), {"code": "upstream_unavailable", "retryable": True}),
    "refused": (BackendRefused("denied", model="m"), {"code": "upstream_access_denied", "retryable": False}),
    "garbled": (BackendGarbled("what?", model="m", spent=SPENT), {"code": "upstream_protocol_error"}),
}


@pytest.mark.parametrize("early", [True, False], ids=["before the text", "after some text"])
@pytest.mark.parametrize("kind", ERRORS)
async def test_every_error_arrives_whole(mode: str, kind: str, early: bool) -> None:
    raised, expected = ERRORS[kind]
    house = build_house(Scripted(error=raised, early=early))
    async with asking(house, mode) as client:
        error = await refusal(client, "generate", HELLO)
    assert expected.items() <= error.items()
    assert (error["message"], error["retryable"]) == (raised.message, raised.retryable)
    assert error["request_id"] == house.notebook.records[0].request_id
    assert {"code", "type", "message", "retryable", "retry_after_ms", "request_id"} <= error.keys()
    assert house.metrics.snapshot().errors_by_code == {raised.code: 1}


@pytest.mark.parametrize("early", [True, False], ids=["before the text", "after some text"])
async def test_a_fault_of_ours_shows_nothing_of_itself(mode: str, early: bool) -> None:
    secret = "postgres://root:hunter2@db/prompts"
    fault: Any = KeyError(secret)
    with capture_logs() as logs:
        async with asking(build_house(Scripted(error=fault, early=early)), mode) as client:
            result = await client.call_tool("generate", HELLO, raise_on_error=False)
    error = result.structured_content["error"]  # pyright: ignore[reportOptionalSubscript]
    assert (error["code"], error["type"], error["retryable"]) == ("internal_error", "server_error", False)
    for trace in ("hunter2", "KeyError", "Traceback"):
        assert trace not in str(result)
    (entry,) = [entry for entry in logs if entry["event"] == "internal_error"]
    assert (entry["request_id"], entry["tool"]) == (error["request_id"], "generate")


async def test_a_refusal_is_counted_and_names_field_and_mend(mode: str) -> None:
    house = build_house()
    async with asking(house, mode) as client:
        error = await refusal(client, "generate", HELLO | {"temprature": 1})
        stats = await call(client, "get_stats")
    assert error["field"] == "temprature"
    assert "temperature" in error["message"]
    assert not house.backend.calls
    assert stats["metrics"]["errors_by_code"] == {"invalid_request": 1}


async def test_an_unknown_model_names_the_closest(mode: str) -> None:
    async with asking(build_house(), mode) as client:
        error = await refusal(client, "generate", HELLO | {"model": "nova-por"})
    assert (error["code"], error["field"], error["model"]) == ("model_not_found", "model", "nova-por")
    assert "nova-pro" in error["closest"]
