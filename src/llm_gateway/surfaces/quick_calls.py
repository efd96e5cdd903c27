"""``tools/call`` on a short way: our tools answer in a middleware of the SDK's server, before FastMCP's own dispatch.

That dispatch takes more CPU than the gateway: contexts, a middleware chain, models built, dumped, checked and dumped
again. The SDK's server lets a middleware answer a request with a finished wire result, and takes a lookup of input
schemas in place of the ``tools/list`` that it otherwise runs within each call of the 2026-07-28 wire. All else stays
theirs: transports, both eras, the check of the request, cancellation, progress, the span per request with the caller's
trace context, ``tools/list``.

A call on this way does not pass FastMCP's ``on_call_tool`` middleware and extensions (there are none), and its span
bears the method without the tool's name.

The one private name used is ``FastMCP._mcp_server``; tests/surfaces/test_quick_calls.py holds that it is what it is
here, and that a call gives what FastMCP's own way would give.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, cast

import orjson
from fastmcp import FastMCP
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import x_mcp_header_map
from mcp.types import INVALID_PARAMS
from mcp_types import SERVER_INFO_META_KEY
from mcp_types.methods import validate_client_request
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from llm_gateway.domain.callers import Caller

Json = dict[str, object]
Report = Callable[[float, float | None, str | None], Awaitable[None]]
"""Sends one progress notification: how far, of how much, in words."""

Identify = Callable[[ServerRequestContext[Any, Any]], Awaitable[Caller]]
"""Who sent a request.

Raises:
    GatewayError: nobody we know.
"""

Answer = Callable[[Mapping[str, object], Report | None, Callable[[], Awaitable[Caller]]], Awaitable["ToolAnswer"]]


class ToolAnswer:
    """What a tool says: an object for programs and a text for models. An error's text says how to mend the call."""

    __slots__ = ("is_error", "structured", "text")

    def __init__(self, structured: Json, text: str, *, is_error: bool = False) -> None:
        self.structured = structured
        self.text = text
        self.is_error = is_error


def shown(result: Json) -> ToolAnswer:
    """The object, and once more as text for clients that read only that (a list stands bare)."""
    bare = result["result"] if result.keys() == {"result"} else result
    return ToolAnswer(result, orjson.dumps(bare).decode())


def failed(error: Json) -> ToolAnswer:
    """An error that programs and models can read."""
    return ToolAnswer({"error": error}, str(error["message"]), is_error=True)


class QuickCalls:
    """A middleware of the SDK's server: answers calls of the tools it knows, refuses those nobody knows."""

    def __init__(self, tools: Mapping[str, Answer], server_info: Json, identify: Identify) -> None:
        self._tools = tools
        self._identify = identify
        self._server_info = server_info

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Everything but calls of tools passes.

        Raises:
            ValidationError: the request is malformed; the SDK answers -32602.
            MCPError: nobody knows the tool.
        """
        if ctx.method != "tools/call" or ctx.request_id is None:
            return await call_next(ctx)
        validate_client_request(ctx.method, ctx.protocol_version, ctx.params)
        params = ctx.params or {}
        name = str(params["name"])
        tool = self._tools.get(name)
        if tool is None:
            known = ", ".join(self._tools)
            raise MCPError(code=INVALID_PARAMS, message=f"Unknown tool: {name[:200]!r}; there are: {known}")
        wants_progress = ctx.meta is not None and ctx.meta.get("progress_token") is not None
        arguments = cast("Mapping[str, object]", params.get("arguments") or {})
        report = ctx.session.report_progress if wants_progress else None
        answer = await tool(arguments, report, partial(self._identify, ctx))
        return self._on_the_wire(answer, ctx.protocol_version)

    def _on_the_wire(self, answer: ToolAnswer, version: str) -> dict[str, Any]:
        result: dict[str, Any] = {
            "content": [{"type": "text", "text": answer.text}],
            "structuredContent": answer.structured,
            "isError": answer.is_error,
        }
        if version in MODERN_PROTOCOL_VERSIONS:
            result["resultType"] = "complete"
            result["_meta"] = {SERVER_INFO_META_KEY: self._server_info}
        return result


def sdk_server(server: FastMCP) -> Server[Any]:
    """The SDK's server within FastMCP's."""
    return server._mcp_server  # pyright: ignore[reportPrivateUsage] # pinned by a test


def answer_quickly(
    server: FastMCP,
    tools: Mapping[str, Answer],
    input_schemas: Mapping[str, Mapping[str, Any]],
    identify: Identify,
) -> None:
    """Puts the tools of a fresh server on the short way; they and their schemas must not change afterwards."""
    low_level = sdk_server(server)
    with_headers = {name: schema for name, schema in input_schemas.items() if x_mcp_header_map(schema)}
    low_level.get_tool_input_schema = with_headers.get  # the others leave nothing to compare with Mcp-Param-* headers
    low_level.middleware.append(QuickCalls(tools, low_level.server_info_stamp, identify))
