"""``list_models``, ``get_stats`` and what the server says of itself, in both eras."""

from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from mcp_house import ERAS, HELLO, asking, call, refusal

from houses import CATALOG, TODAY, build_house
from llm_gateway import __version__
from llm_gateway.backends.scripted import Scripted
from llm_gateway.caching.memory_cache import NoCache
from llm_gateway.domain.completions import Usage
from llm_gateway.surfaces.tool_schemas import GET_STATS_OUTPUT, LIST_MODELS_OUTPUT

pytestmark = pytest.mark.parametrize("mode", ERAS)
PROMISED = [
    *("nova-pro", "nova-lite", "nova-micro", "claude-3-5-sonnet", "claude-3-5-haiku", "claude-3-opus"),
    *("claude-3-sonnet", "claude-3-haiku", "llama-3-3-70b", "llama-3-2-90b", "llama-3-2-11b", "llama-3-1-70b"),
    *("llama-3-1-8b", "mistral-large-2", "mistral-small"),
]
CARD_FIELDS = {
    *("name", "model_id", "description", "context_window", "input_cost_per_1k", "output_cost_per_1k"),
    *("supports_system", "max_tokens", "provider", "input_modalities", "output_modalities", "capabilities"),
    *("cache_read_cost_per_1k", "cache_write_cost_per_1k", "lifecycle", "price_source", "price_checked_on"),
    "profiles",
}


async def test_the_list_has_the_promised_names_and_fields(mode: str) -> None:
    async with asking(build_house(), mode) as client:
        listed = await call(client, "list_models")
    jsonschema.validate(listed, LIST_MODELS_OUTPUT)
    cards = {card["name"]: card for card in listed["result"]}
    assert set(PROMISED) <= cards.keys()
    assert all(card.keys() == CARD_FIELDS for card in listed["result"])
    lite = cards["nova-lite"]
    assert (lite["input_cost_per_1k"], lite["output_cost_per_1k"]) == (0.00006, 0.00024)
    assert (lite["provider"], lite["supports_system"], lite["max_tokens"]) == ("amazon", True, 10000)
    datetime.fromisoformat(lite["price_checked_on"])


@pytest.mark.parametrize(
    "filters",
    [
        {"provider": "anthropic"},
        {"capability": "vision"},
        {"lifecycle": "retired"},
        {"lifecycle": "legacy", "provider": "meta"},
        {"provider": "amazon", "capability": "tools", "lifecycle": "active"},
        {"provider": None, "capability": None, "lifecycle": None},
    ],
)
async def test_filters_leave_what_passes_all_of_them(mode: str, filters: dict[str, Any]) -> None:
    async with asking(build_house(), mode) as client:
        every = (await call(client, "list_models"))["result"]
        got = await call(client, "list_models", filters)
    jsonschema.validate(got, LIST_MODELS_OUTPUT)
    wanted = {name: value for name, value in filters.items() if value is not None}
    listing = CATALOG.listing(
        provider=wanted.get("provider"),
        capability=wanted.get("capability"),
        lifecycle=wanted.get("lifecycle"),
        today=datetime.now(UTC).date(),
    )
    assert [card["name"] for card in got["result"]] == [card.name for card in listing]
    for card in got["result"]:
        assert card in every
        assert "provider" not in wanted or card["provider"] == wanted["provider"]
        assert "lifecycle" not in wanted or card["lifecycle"]["status"] == wanted["lifecycle"]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"lifecycle": "dead"}, "lifecycle"),
        ({"provider": 5}, "provider"),
        ({"provider": " "}, "provider"),
        ({"provider": "nobody"}, "provider"),
        ({"capability": ["tools"]}, "capability"),
        ({"providr": "amazon"}, "providr"),
    ],
)
async def test_a_wrong_filter_is_named(mode: str, arguments: dict[str, Any], field: str) -> None:
    async with asking(build_house(), mode) as client:
        error = await refusal(client, "list_models", arguments)
    assert (error["code"], error["field"]) == ("invalid_request", field)


async def test_stats_of_a_fresh_process_are_all_zero(mode: str) -> None:
    async with asking(build_house(), mode) as client:
        stats = await call(client, "get_stats")
    jsonschema.validate(stats, GET_STATS_OUTPUT)
    metrics = stats["metrics"]
    assert datetime.fromisoformat(metrics.pop("since")).tzinfo is not None
    assert metrics == {
        "enabled": True,
        "total_requests": 0,
        "successful_requests": 0,
        "errors": 0,
        "error_rate_percent": 0,
        "total_tokens": 0,
        "total_cost_usd": 0,
        "unpriced_calls": 0,
        "cache_hits": 0,
        "cache_misses": 0,
        "cache_hit_rate_percent": 0,
        "average_latency_ms": 0,
        "latency_ms": {"p50": 0, "p95": 0, "p99": 0},
        "requests_by_model": {},
        "tokens_by_model": {},
        "cost_by_model": {},
        "errors_by_code": {},
    }
    assert stats["cache"] == {"current_size": 0, "max_size": 10, "ttl": 60, "enabled": True}


async def test_stats_tell_what_was_done(mode: str) -> None:
    house = build_house(Scripted(usage=Usage(input_tokens=100, output_tokens=10)))
    async with asking(house, mode) as client:
        for _ in range(3):
            await call(client, "generate")
        await refusal(client, "generate", HELLO | {"model": "nope"})
        stats = await call(client, "get_stats")
    jsonschema.validate(stats, GET_STATS_OUTPUT)
    metrics = stats["metrics"]
    assert (metrics["total_requests"], metrics["successful_requests"], metrics["errors"]) == (4, 3, 1)
    assert (metrics["cache_hits"], metrics["cache_misses"], metrics["cache_hit_rate_percent"]) == (2, 1, 66.67)
    assert (metrics["error_rate_percent"], metrics["total_tokens"]) == (25, 110)
    assert metrics["tokens_by_model"] == {"nova-lite": 110}
    assert metrics["cost_by_model"] == {"nova-lite": metrics["total_cost_usd"]} == {"nova-lite": 0.0000084}
    assert metrics["errors_by_code"] == {"model_not_found": 1}
    assert 0 <= metrics["latency_ms"]["p50"] <= metrics["latency_ms"]["p95"] <= metrics["latency_ms"]["p99"]
    assert stats["cache"]["current_size"] == 1


async def test_a_cache_that_is_off_says_so(mode: str) -> None:
    async with asking(build_house(cache=NoCache()), mode) as client:
        stats = await call(client, "get_stats")
    jsonschema.validate(stats, GET_STATS_OUTPUT)
    assert stats["cache"]["enabled"] is False


async def test_get_stats_takes_nothing(mode: str) -> None:
    async with asking(build_house(), mode) as client:
        assert (await refusal(client, "get_stats", {"reset": True}))["field"] == "reset"


async def test_the_tools_describe_themselves(mode: str) -> None:
    async with asking(build_house(), mode) as client:
        tools = {tool.name: tool for tool in await client.list_tools()}
        info = client.server_info
    assert set(tools) == {"generate", "list_models", "get_stats", "count_tokens", "estimate_cost", "compare", "embed"}
    assert info is not None
    assert (info.name, info.version) == ("llm-gateway", __version__)
    for tool in tools.values():
        assert tool.description
        assert tool.title
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint
        jsonschema.Draft202012Validator.check_schema(tool.input_schema)
        jsonschema.Draft202012Validator.check_schema(tool.output_schema or {})
        assert tool.input_schema["additionalProperties"] is False
    assert tools["generate"].input_schema["required"] == ["model", "messages"]


def test_the_catalog_of_these_tests_has_retired_and_legacy_models(mode: str) -> None:
    listing = CATALOG.listing(provider=None, capability=None, lifecycle=None, today=TODAY)
    assert {card.lifecycle.status for card in listing} == {"active", "legacy", "retired"}
