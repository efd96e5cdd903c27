"""The MCP door: its tools. Decode, ask, encode; the only place here that catches everything.

Arguments are decoded by our own checks (FastMCP would answer in pydantic's words), results and errors leave as
structured content in both MCP eras.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

import structlog
from fastmcp import FastMCP
from fastmcp.tools.base import Tool, ToolResult
from mcp.server.context import ServerRequestContext
from mcp.types import TextContent, ToolAnnotations
from pydantic import PrivateAttr

from llm_gateway import __version__
from llm_gateway.administration import Administration
from llm_gateway.domain.callers import ANYBODY, Caller
from llm_gateway.domain.completions import Delta, TextDelta
from llm_gateway.domain.errors import GatewayError
from llm_gateway.gateway import Gateway, OnDeltas
from llm_gateway.reports import Reports
from llm_gateway.surfaces import tool_schemas
from llm_gateway.surfaces.asking import Arguments, Asking, Work
from llm_gateway.surfaces.embed_tool import embed_tool
from llm_gateway.surfaces.encoding import Json, encode_card, encode_generation, encode_stats
from llm_gateway.surfaces.forecast_tools import forecast_tools
from llm_gateway.surfaces.generate_arguments import decode_generate, take_terms
from llm_gateway.surfaces.identity import caller_of, on_terms
from llm_gateway.surfaces.json_values import a_word, filled_text, only
from llm_gateway.surfaces.money_tools import all_time, money_tools
from llm_gateway.surfaces.quick_calls import Identify, Report, ToolAnswer, answer_quickly, failed, shown
from llm_gateway.surfaces.request_ids import new_request_id
from llm_gateway.surfaces.wire_errors import error_body, internal_error_body


class GatewayTool(Tool):
    """A tool that answers by one function to a JSON object."""

    _work: Work = PrivateAttr()

    @classmethod
    def offer(
        cls, name: str, description: str, schemas: tuple[Any, Any], work: Work, hints: ToolAnnotations
    ) -> "GatewayTool":
        """``schemas``: of the arguments and of the result."""
        tool = cls(
            name=name,
            title=name.replace("_", " ").capitalize(),
            description=description,
            parameters=schemas[0],
            output_schema=tool_schemas.or_an_error(schemas[1]),
            annotations=hints,
        )
        tool._work = work
        return tool

    async def answer(
        self, arguments: Arguments, report: Report | None, identify: Callable[[], Awaitable[Caller]]
    ) -> ToolAnswer:
        """Never raises but when it is cancelled: failures are answers with ``is_error``."""
        request_id = new_request_id()
        try:
            asking = Asking(request_id, await identify(), _telling(report))
            return shown(await self._work(arguments, asking))
        except GatewayError as error:
            return failed(error_body(error, request_id))
        except Exception:  # noqa: BLE001 - the top of this surface: logged with its trace, answered without its text
            structlog.get_logger().exception("internal_error", request_id=request_id, tool=self.name)
            return failed(internal_error_body(request_id))

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        """FastMCP's own way to a tool, for ``server.call_tool`` within the process."""
        return _as_result(await self.answer(arguments, None, _nobody))


async def _nobody() -> Caller:
    return ANYBODY


def _as_result(answer: ToolAnswer) -> ToolResult:
    return ToolResult(
        content=[TextContent(type="text", text=answer.text)],
        structured_content=answer.structured,
        is_error=answer.is_error,
    )


def _telling(report: Report | None) -> OnDeltas | None:
    """Sends each piece of text as a progress notification, if the caller wants them."""
    if report is None:
        return None
    sent = 0

    async def tell(deltas: Sequence[Delta]) -> None:
        nonlocal sent
        text = "".join([delta.text for delta in deltas if isinstance(delta, TextDelta)])
        if text:
            sent += 1
            await report(sent, None, text)

    return tell


def _identifying(gateway: Gateway, own_key: str | None) -> Identify:
    async def identify(ctx: ServerRequestContext[Any, Any]) -> Caller:
        meta = cast("Mapping[str, Any] | None", ctx.meta)
        if ctx.request is None:
            return on_terms(await gateway.identify(own_key), meta)
        scope = ctx.request.scope
        return on_terms(caller_of(scope, dict(scope["headers"])), meta)

    return identify


def create_mcp_server(
    gateway: Gateway, reports: Reports, *, desk: Administration | None = None, own_key: str | None = None
) -> FastMCP:
    """A fresh server with its tools; one instance can be served once. ``own_key`` is the key of whoever speaks over
    standard input and output; over HTTP each request bears its own."""

    async def generate(arguments: Arguments, asking: Asking) -> Json:
        try:
            arguments, caller = take_terms(arguments, asking.caller)
            request = decode_generate(arguments)
        except GatewayError as error:
            gateway.turn_away(error, request_id=asking.request_id)
            raise
        generation = await gateway.generate(
            request, request_id=asking.request_id, caller=caller, on_deltas=asking.on_deltas
        )
        return encode_generation(generation, has_format=request.response_format is not None)

    async def list_models(arguments: Arguments, _: Asking) -> Json:
        only(arguments, ("provider", "capability", "lifecycle"), "")
        filters = {name: filled_text(value, name) for name, value in arguments.items() if value is not None}
        if "lifecycle" in filters:
            a_word(filters["lifecycle"], "lifecycle", ("active", "legacy", "retired"))
        return {"result": [encode_card(card) for card in reports.models(**filters)]}

    async def get_stats(arguments: Arguments, asking: Asking) -> Json:
        only(arguments, (), "")
        return {**encode_stats(await reports.stats()), "all_time": await all_time(desk, asking.caller)}

    s = tool_schemas
    reading = ToolAnnotations(read_only_hint=True, idempotent_hint=True, destructive_hint=False, open_world_hint=False)
    asking = ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=True)
    offer = GatewayTool.offer
    tools = [
        offer("generate", s.GENERATE, (s.GENERATE_INPUT, s.GENERATE_OUTPUT), generate, asking),
        offer("list_models", s.LIST_MODELS, (s.LIST_MODELS_INPUT, s.LIST_MODELS_OUTPUT), list_models, reading),
        offer("get_stats", s.GET_STATS, (s.GET_STATS_INPUT, s.GET_STATS_OUTPUT), get_stats, reading),
        *[offer(*each) for each in (*forecast_tools(gateway), embed_tool(gateway), *money_tools(desk))],
    ]
    server = FastMCP(
        "llm-gateway",
        s.INSTRUCTIONS,
        version=__version__,
        mask_error_details=True,
        on_duplicate="error",
        tools=tools,
    )
    answers = {tool.name: tool.answer for tool in tools}
    answer_quickly(server, answers, {tool.name: tool.parameters for tool in tools}, _identifying(gateway, own_key))
    return server
