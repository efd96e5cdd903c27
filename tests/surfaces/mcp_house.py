"""A gateway with a scripted backend, asked through FastMCP's own client in memory."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import jsonschema
from fastmcp import Client

from houses import House
from llm_gateway.surfaces.mcp_tools import create_mcp_server

ERAS = {"auto": "2026-07-28", "legacy": "2025-11-25"}
HELLO: dict[str, Any] = {"model": "nova-lite", "messages": [{"role": "user", "content": "Hello"}]}


@asynccontextmanager
async def asking(house: House, mode: str = "auto") -> AsyncGenerator[Client[Any]]:
    """A client in one era."""
    async with Client(create_mcp_server(house.gateway, house.reports), mode=cast(Any, mode)) as client:
        assert client.protocol_version == ERAS[mode]
        yield client


async def call(client: Client[Any], tool: str, arguments: Any = None, **more: Any) -> dict[str, Any]:
    """The structured content of a good result."""
    result = await client.call_tool(
        tool, HELLO if arguments is None and tool == "generate" else arguments or {}, **more
    )
    assert not result.is_error
    return cast("dict[str, Any]", result.structured_content)


async def refusal(client: Client[Any], tool: str, arguments: Any) -> dict[str, Any]:
    """The ``error`` of a result that is one; its text says the same for clients that read only text."""
    result = await client.call_tool(tool, arguments, raise_on_error=False)
    assert result.is_error
    told = cast("dict[str, Any]", result.structured_content)
    (schema,) = [offered.output_schema for offered in await client.list_tools() if offered.name == tool]
    jsonschema.validate(told, schema or {})  # some clients check errors too
    error = told["error"]
    assert [block.text for block in result.content] == [error["message"]]
    return error
