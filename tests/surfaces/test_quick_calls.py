"""The short way of ``tools/call``: nobody can tell it from FastMCP's own, and every private name it leans on holds.

What callers see of it (errors, progress, cancellation, both eras) is told in test_mcp_generate.py.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from fastmcp import Client, FastMCP
from fastmcp.utilities.tests import ASGIServer, asgi_server
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp_house import HELLO

from houses import build_house
from llm_gateway.domain.callers import ANYBODY, Caller
from llm_gateway.surfaces.mcp_tools import create_mcp_server
from llm_gateway.surfaces.quick_calls import QuickCalls, Report, ToolAnswer, answer_quickly

MODES: dict[str, Any] = {"2026-07-28": "2026-07-28", "2025-11-25": "legacy"}
eras = pytest.mark.parametrize("era", MODES)


async def anybody(_: object) -> Caller:
    return ANYBODY


def served() -> FastMCP:
    house = build_house()
    return create_mcp_server(house.gateway, house.reports)


def slow_way(server: FastMCP) -> FastMCP:
    """The same server, without the short way."""
    low_level = server._mcp_server
    low_level.middleware = [kept for kept in low_level.middleware if not isinstance(kept, QuickCalls)]
    return server


async def post(site: ASGIServer, era: str, params: dict[str, Any]) -> str:
    """The bare answer to a bare ``tools/call``."""
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": era}
    if era == "2026-07-28":
        headers |= {"mcp-method": "tools/call", "mcp-name": str(params.get("name", ""))}
        envelope = {"protocolVersion": era, "clientCapabilities": {}}
        meta = {f"io.modelcontextprotocol/{name}": value for name, value in envelope.items()}
        params = params | {"_meta": params.get("_meta", {}) | meta}
    async with site.http_client(headers) as http:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        answer = await http.post(site.url, json=message)
    assert answer.status_code in (200, 400)
    return answer.text


def test_fastmcp_keeps_the_sdks_server_where_we_look_for_it() -> None:
    low_level = served()._mcp_server
    assert isinstance(low_level, Server)
    assert sum(isinstance(each, QuickCalls) for each in low_level.middleware) == 1


async def test_the_sdk_asks_the_lookup_of_input_schemas_instead_of_listing_the_tools() -> None:
    server = served()
    low_level = server._mcp_server
    lookup = low_level.get_tool_input_schema
    assert lookup is not None
    looked_up: list[str] = []
    methods: list[str] = []

    def note_lookup(name: str) -> Any:
        looked_up.append(name)
        return lookup(name)

    async def note_method(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        methods.append(ctx.method)
        return await call_next(ctx)

    low_level.get_tool_input_schema = note_lookup
    low_level.middleware.insert(0, note_method)
    async with asgi_server(server, stateless_http=True) as site:
        assert '"isError":false' in await post(site, "2026-07-28", {"name": "generate", "arguments": HELLO})
    assert (looked_up, methods) == (["generate"], ["tools/call"])


def test_the_lookup_gives_the_schemas_that_bind_headers_and_no_others() -> None:
    server = FastMCP("bare")
    binding = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    answer_quickly(server, {}, {"plain": {"type": "object", "properties": {}}, "binding": binding}, anybody)
    lookup = server._mcp_server.get_tool_input_schema
    assert lookup is not None
    assert [lookup(name) for name in ("plain", "binding", "unknown")] == [None, binding, None]


@eras
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("list_models", {"provider": "amazon"}),
        ("list_models", {"provider": "nobody"}),
        ("get_stats", {}),
        ("get_stats", {"unknown": 1}),
        ("generate", HELLO),
        ("generate", HELLO | {"model": "nova-por"}),
        ("generate", {}),
    ],
)
async def test_both_ways_give_the_same_result(era: str, tool: str, arguments: dict[str, Any]) -> None:
    results: list[object] = []
    for server in (served(), slow_way(served())):
        async with asgi_server(server, stateless_http=True) as site, site.client(mode=MODES[era]) as client:
            result = await client.call_tool_mcp(tool, arguments)
        results.append(_without_what_differs(result.model_dump(mode="json", by_alias=True)))
    quick, slow = results
    assert quick == slow


def _without_what_differs(value: object) -> object:
    """Request ids, times and latencies are of one call; a text repeats the object, so they are in it too."""
    if isinstance(value, Mapping):
        own = {"request_id", "latency_ms", "ms", "average_latency_ms", "since", *(["text"] if "text" in value else [])}
        return {name: _without_what_differs(member) for name, member in value.items() if name not in own}
    return [_without_what_differs(member) for member in value] if isinstance(value, list) else value


@eras
@pytest.mark.parametrize("meta", [{}, {"progressToken": 0}, {"progressToken": "mine"}])
async def test_only_a_caller_with_a_progress_token_is_told_of_progress(era: str, meta: dict[str, Any]) -> None:
    async def tool(arguments: Mapping[str, object], report: Report | None, identify: object) -> ToolAnswer:
        if report is not None:
            await report(1, None, "half")
        return ToolAnswer({}, "")

    server = FastMCP("bare")
    server._mcp_server.middleware.append(QuickCalls({"tool": tool}, {"name": "bare", "version": "1"}, anybody))
    async with asgi_server(server, stateless_http=True) as site:
        answer = await post(site, era, {"name": "tool", "_meta": meta})
    assert ("notifications/progress" in answer) == bool(meta)
    assert '"isError":false' in answer


@eras
async def test_an_unknown_tool_is_a_protocol_error_that_names_the_tools(era: str) -> None:
    async with Client(served(), mode=MODES[era]) as client:
        with pytest.raises(MCPError) as refused:
            await client.call_tool_mcp("generat", {})
    assert refused.value.error.code == -32602
    assert "generate, list_models, get_stats" in refused.value.error.message


@eras
@pytest.mark.parametrize("params", [{}, {"name": 7}, {"name": "generate", "arguments": ["no", "object"]}])
async def test_a_malformed_call_is_a_protocol_error(era: str, params: dict[str, Any]) -> None:
    async with asgi_server(served(), stateless_http=True) as site:
        answer = await post(site, era, params)
    assert '"error":{' in answer
    assert "-32602" in answer or "-32020" in answer  # a header that the body contradicts is found first


async def test_the_tools_answer_within_the_process_too() -> None:
    result = await served().call_tool("generate", HELLO)
    assert result.structured_content is not None
    assert result.structured_content["content"] == "Hello there"
