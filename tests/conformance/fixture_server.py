"""Our HTTP site with the tools, resources and prompts that MCP's conformance suite asks for mounted beside ours.

``PYTHONPATH=src:tests python tests/conformance/fixture_server.py`` listens on a free port of loopback, prints
the address of ``/mcp`` as its first line, and serves until it is ended. Site, guard, transports, eras and our
tools are the shipped ones; the model behind them is scripted. Fixtures for what the gateway never does (sampling,
elicitation, roots, completion, tasks) are left out: docs/conformance.md lists those scenarios with the reason.
"""

import asyncio
import base64
import os
import socket
import sys
from typing import Annotated, Any

import uvicorn
from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.prompts import Message
from fastmcp.tools.base import Tool, ToolResult
from mcp.shared.exceptions import MCPError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)
from pydantic import Field

from houses import build_house
from llm_gateway.surfaces.http_site import create_site
from llm_gateway.surfaces.mcp_tools import create_mcp_server

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
WAV = base64.b64encode(b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00"
                       b"\x01\x00\x08\x00data\x00\x00\x00\x00").decode()  # fmt: skip
_ADDRESS = {
    "$anchor": "addressDef",
    "type": "object",
    "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
}
JSON_SCHEMA_2020_12: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": _ADDRESS},
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def _text(text: str) -> TextContent:
    return TextContent(type="text", text=text)


def _image() -> ImageContent:
    return ImageContent(type="image", data=PNG, mime_type="image/png")


def _resource(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))


class SchemaTool(Tool):
    """A tool whose schema has to arrive word for word."""

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        return ToolResult(content=[_text("ok")])


def add_contents(server: FastMCP) -> None:
    @server.tool(output_schema=None)
    async def test_simple_text() -> ToolResult:
        """Gives a text."""
        return ToolResult(content=[_text("This is a simple text response for testing.")])

    @server.tool(output_schema=None)
    async def test_image_content() -> ToolResult:
        """Gives an image."""
        return ToolResult(content=[_image()])

    @server.tool(output_schema=None)
    async def test_audio_content() -> ToolResult:
        """Gives a sound."""
        return ToolResult(content=[AudioContent(type="audio", data=WAV, mime_type="audio/wav")])

    @server.tool(output_schema=None)
    async def test_embedded_resource() -> ToolResult:
        """Gives a resource."""
        text = "This is an embedded resource content."
        return ToolResult(content=[_resource("test://embedded-resource", "text/plain", text)])

    @server.tool(output_schema=None)
    async def test_multiple_content_types() -> ToolResult:
        """Gives a text, an image and a resource."""
        json_text = '{"test":"data","value":123}'
        resource = _resource("test://mixed-content-resource", "application/json", json_text)
        return ToolResult(content=[_text("Multiple content types test:"), _image(), resource])


def add_deeds(server: FastMCP) -> None:
    @server.tool(output_schema=None)
    async def test_error_handling() -> ToolResult:
        """Fails."""
        raise ToolError("This tool intentionally returns an error for testing")

    @server.tool(output_schema=None)
    async def test_tool_with_progress(ctx: Context) -> ToolResult:
        """Tells its progress."""
        for done in (0, 50, 100):
            await ctx.report_progress(done, 100)
            await asyncio.sleep(0.05)
        return ToolResult(content=[_text("done")])

    @server.tool(output_schema=None)
    async def test_tool_with_logging(ctx: Context) -> ToolResult:
        """Logs what it does."""
        for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await ctx.session.send_log_message(level="info", data=text, related_request_id=ctx.request_id)
            await asyncio.sleep(0.05)
        return ToolResult(content=[_text("done")])

    @server.tool(output_schema=None)
    async def test_x_mcp_header(
        region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})], query: str = ""
    ) -> ToolResult:
        """Wants one argument in a header too."""
        return ToolResult(content=[_text(f"{region}: {query}")])

    @server.tool(output_schema=None)
    async def test_missing_capability() -> ToolResult:
        """Needs a client that can sample; refused before it gets here."""
        return ToolResult(content=[_text("never said")])

    server.add_tool(
        SchemaTool(name="json_schema_2020_12_tool", description="Keeps its schema.", parameters=JSON_SCHEMA_2020_12)
    )


def add_resources(server: FastMCP) -> None:
    @server.resource("test://static-text", mime_type="text/plain", description="A text.")
    async def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png", description="An image.")
    async def static_binary() -> bytes:
        return base64.b64decode(PNG)

    @server.resource("test://template/{id}/data", mime_type="application/json", description="A template.")
    async def template(id: str) -> str:  # noqa: A002 - the suite's name
        return f'{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}'


def add_prompts(server: FastMCP) -> None:
    @server.prompt(description="Simple.")
    async def test_simple_prompt() -> str:
        return "This is a simple prompt for testing."

    @server.prompt(description="With arguments.")
    async def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt(name="test_prompt_with_embedded_resource", description="With a resource.")
    async def with_embedded_resource(resourceUri: str) -> list[Message]:  # noqa: N803 - the suite's name
        resource = _resource(resourceUri, "text/plain", "Embedded resource content for testing.")
        return [Message(resource), Message("Please process the embedded resource above.")]

    @server.prompt(description="With an image.")
    async def test_prompt_with_image() -> list[Message]:
        return [Message(_image()), Message("Please analyze the image above.")]


def let_fixtures_pass(server: FastMCP, ours: set[str]) -> None:
    """Our short way refuses tools it does not know; here FastMCP knows more."""
    low_level = server._mcp_server
    quick = low_level.middleware.pop()

    async def by_name(ctx: Any, call_next: Any) -> Any:
        name = (ctx.params or {}).get("name")
        if ctx.method == "tools/call" and name == "test_missing_capability":
            needed = {"requiredCapabilities": {"sampling": {}}}
            raise MCPError(code=MISSING_REQUIRED_CLIENT_CAPABILITY, message="sampling is required", data=needed)
        fixture = ctx.method == "tools/call" and isinstance(name, str) and name.startswith(("test_", "json_schema"))
        return await (call_next(ctx) if fixture and name not in ours else quick(ctx, call_next))

    low_level.middleware.append(by_name)
    headers = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    known = low_level.get_tool_input_schema
    low_level.get_tool_input_schema = lambda name: headers if name == "test_x_mcp_header" else known(name)


async def main() -> None:
    house = build_house()
    server = create_mcp_server(house.gateway, house.reports)
    ours = {tool.name for tool in await server.list_tools()}
    add_contents(server)
    add_deeds(server)
    add_resources(server)
    add_prompts(server)
    let_fixtures_pass(server, ours)
    site = create_site(server=server, gateway=house.gateway, reports=house.reports, bound_host="127.0.0.1")
    with socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "0")))) as bound:
        sys.stdout.write(f"http://127.0.0.1:{bound.getsockname()[1]}/mcp\n")
        sys.stdout.flush()
        config = uvicorn.Config(site, log_level="warning", timeout_graceful_shutdown=1)
        await uvicorn.Server(config).serve(sockets=[bound])


if __name__ == "__main__":
    asyncio.run(main())
