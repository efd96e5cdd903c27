"""Other people's clients against the real process: official SDK and FastMCP, stdio, /mcp and /sse, both eras."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx2
import jsonschema
import pytest
from fastmcp import Client as FastMcpClient
from fastmcp.client.transports import SSETransport, StdioTransport, StreamableHttpTransport
from malformed import in_a_session
from mcp import Client as SdkClient
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from llm_gateway.sandbox.log import ABORTED_BY_CLIENT
from llm_gateway.sandbox.server import Sandbox
from llm_gateway.surfaces.tool_schemas import GENERATE_OUTPUT
from processes import SERVER, Running, environment, running_gateway, until

HELLO: dict[str, Any] = {"model": "nova-lite", "messages": [{"role": "user", "content": "Say: Good morning to you"}]}
NEW, OLD = "2026-07-28", "2025-11-25"


@pytest.fixture
async def gateway(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Running]:
    async with running_gateway(sandbox.url, tmp_path) as running:
        yield running


def asking(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "nova-lite", "messages": [{"role": "user", "content": text}], **more}


def check(result: Any, sandbox: Sandbox) -> None:
    answer = cast("dict[str, Any]", result.structured_content)
    assert not result.is_error
    jsonschema.validate(answer, GENERATE_OUTPUT)
    assert answer["content"] == "Good morning to you"
    assert answer["estimated_cost_usd"] > 0
    assert [record.operation for record in sandbox.log] == ["ConverseStream"]


# --- the official SDK -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "era"), [("auto", NEW), ("legacy", OLD)])
@pytest.mark.parametrize("transport", ["stdio", "mcp", "sse"])
async def test_the_official_client(transport: str, mode: Any, era: str, sandbox: Sandbox, tmp_path: Path) -> None:
    heard: list[str | None] = []

    async def on_progress(done: float, total: float | None, text: str | None) -> None:
        heard.append(text)

    async def use(server: Any, expected_era: str) -> None:
        async with SdkClient(server, mode=mode) as client:
            assert client.protocol_version == expected_era
            tools = (await client.list_tools()).tools
            assert {tool.name for tool in tools} >= {"generate", "list_models", "get_stats"}
            check(await client.call_tool("generate", HELLO, progress_callback=on_progress), sandbox)
            wrong = await client.call_tool("generate", HELLO | {"model": "nova-por"})
            assert wrong.is_error
            assert cast("dict[str, Any]", wrong.structured_content)["error"]["code"] == "model_not_found"
            stats = cast("dict[str, Any]", (await client.call_tool("get_stats", {})).structured_content)
            assert (stats["metrics"]["total_requests"], stats["metrics"]["errors"]) == (2, 1)

    if transport == "stdio":
        env = environment(sandbox.url)
        await use(StdioServerParameters(command=SERVER[0], args=list(SERVER[1:]), env=env, cwd=tmp_path), era)
    else:
        async with running_gateway(sandbox.url, tmp_path) as gateway:
            if transport == "mcp":
                await use(gateway.url + "/mcp", era)
            else:
                await use(sse_client(gateway.url + "/sse"), era)
    assert "".join(text or "" for text in heard) == "Good morning to you"


async def test_the_official_low_level_session(gateway: Running, sandbox: Sandbox) -> None:
    async with (
        streamable_http_client(gateway.url + "/mcp") as (read, write, *_),
        ClientSession(read, write) as session,
    ):
        assert (await session.initialize()).protocol_version == OLD
        check(await session.call_tool("generate", HELLO), sandbox)


async def test_the_official_low_level_session_over_stdio(sandbox: Sandbox, tmp_path: Path) -> None:
    server = StdioServerParameters(command=SERVER[0], args=list(SERVER[1:]), env=environment(sandbox.url), cwd=tmp_path)
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        assert (await session.initialize()).protocol_version == OLD
        check(await session.call_tool("generate", HELLO), sandbox)


# --- FastMCP's client -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "era"), [("auto", NEW), ("legacy", OLD)])
@pytest.mark.parametrize("transport", ["stdio", "mcp", "sse"])
async def test_fastmcps_client(transport: str, mode: Any, era: str, sandbox: Sandbox, tmp_path: Path) -> None:
    async def use(server: Any, expected_era: str) -> None:
        async with FastMcpClient(server, mode=mode) as client:
            assert client.protocol_version == expected_era
            check(await client.call_tool("generate", HELLO), sandbox)
            assert len((await client.call_tool("list_models")).data) > 50

    if transport == "stdio":
        await use(
            StdioTransport(
                command=SERVER[0],
                args=list(SERVER[1:]),
                env=environment(sandbox.url),
                cwd=str(tmp_path),
                keep_alive=False,
            ),
            era,
        )
    else:
        async with running_gateway(sandbox.url, tmp_path) as gateway:
            if transport == "mcp":
                await use(StreamableHttpTransport(gateway.url + "/mcp"), era)
            else:
                await use(SSETransport(gateway.url + "/sse"), OLD)


async def test_the_block_of_claude_desktop(sandbox: Sandbox, tmp_path: Path) -> None:
    block = {"command": SERVER[0], "args": list(SERVER[1:]), "env": environment(sandbox.url), "cwd": str(tmp_path)}
    async with FastMcpClient({"mcpServers": {"llm-gateway": block | {"keep_alive": False}}}) as client:
        check(await client.call_tool("generate", HELLO), sandbox)


# --- the site ---------------------------------------------------------------------------------------------------------


async def test_the_pages_and_who_may_see_them(gateway: Running) -> None:
    async with httpx2.AsyncClient(base_url=gateway.url) as http:
        card = (await http.get("/")).json()
        assert card["service"] == "llm-gateway"
        assert card["status"] == "ok"
        assert card["transports"] == {"streamable-http": "/mcp", "sse": "/sse"}
        assert card["models"] > 50
        assert (await http.get("/health")).json() == {"status": "healthy"}
        assert (await http.get("/nothing")).status_code == 404
        for method, path in (
            ("POST", "/mcp"),
            ("GET", "/sse"),
            ("POST", "/messages/"),
            ("GET", "/"),
            ("GET", "/health"),
        ):
            for headers, status, code in (
                ({"origin": "https://evil.example"}, 403, "forbidden_origin"),
                ({"host": "evil.example"}, 421, "unknown_host"),
            ):
                answer = await http.request(method, path, headers=headers)
                assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), path


async def test_two_callers_who_ask_the_same_share_one_call(gateway: Running, sandbox: Sandbox) -> None:
    question = asking("[[fault:slow-first-token:0.5]] Say: shared")
    async with SdkClient(gateway.url + "/mcp") as one, SdkClient(gateway.url + "/mcp", mode="legacy") as two:
        answers = await asyncio.gather(one.call_tool("generate", question), two.call_tool("generate", question))
    told = [cast("dict[str, Any]", answer.structured_content) for answer in answers]
    assert [answer["content"] for answer in told] == ["shared", "shared"]
    assert sorted(answer["cached"] for answer in told) == [False, True]
    assert len(sandbox.log) == 1


# --- leaving ----------------------------------------------------------------------------------------------------------

META = {
    "io.modelcontextprotocol/protocolVersion": NEW,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
ENVELOPES = {
    "2026": ({"_meta": META}, {"mcp-method": "tools/call", "mcp-name": "generate", "mcp-protocol-version": NEW}),
    "2026, with progress": (
        {"_meta": META | {"progressToken": 1}},
        {"mcp-method": "tools/call", "mcp-name": "generate", "mcp-protocol-version": NEW},
    ),
    "2025": ({}, {"mcp-protocol-version": OLD}),
}


@pytest.mark.parametrize("fault", ["hang", "stall", "endless"])
@pytest.mark.parametrize("era", ENVELOPES)
async def test_who_hangs_up_lets_the_upstream_call_go(era: str, fault: str, gateway: Running, sandbox: Sandbox) -> None:
    params, headers = ENVELOPES[era]
    if era == "2025":
        headers = headers | await asyncio.to_thread(in_a_session, gateway.url)
    params = params | {"name": "generate", "arguments": asking(f"[[fault:{fault}]] go on")}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    head = {"host": "localhost", "content-type": "application/json", "accept": "application/json, text/event-stream"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in (head | headers).items())
    address = httpx2.URL(gateway.url)
    _, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(f"POST /mcp HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body)
    await until(lambda: sandbox.open_now == 1, 5)
    writer.close()
    await until(lambda: sandbox.open_now == 0, 1)
    assert [record.outcome for record in sandbox.log] == [ABORTED_BY_CLIENT]
    await until(lambda: bool(gateway.log("request")), 2)
    assert [entry["outcome"] for entry in gateway.log("request")] == ["client_disconnect"]


CANCELLING = [(transport, mode) for transport in ("stdio", "mcp", "sse") for mode in ("auto", "legacy")]


@pytest.mark.parametrize(("transport", "mode"), CANCELLING)
async def test_who_cancels_lets_the_upstream_call_go(
    transport: str, mode: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    async def use(server: Any) -> None:
        async with SdkClient(server, mode=mode) as client:
            await ask_and_cancel(client, sandbox)
            await until(lambda: sandbox.open_now == 0, 1)

    if transport == "stdio":
        env = environment(sandbox.url)
        await use(StdioServerParameters(command=SERVER[0], args=list(SERVER[1:]), env=env, cwd=tmp_path))
    else:
        async with running_gateway(sandbox.url, tmp_path) as gateway:
            await use(gateway.url + "/mcp" if transport == "mcp" else sse_client(gateway.url + "/sse"))
    assert [record.outcome for record in sandbox.log] == [ABORTED_BY_CLIENT]


async def ask_and_cancel(client: SdkClient, sandbox: Sandbox) -> None:
    asked = asyncio.ensure_future(client.call_tool("generate", asking("[[fault:stall]] go on")))
    await until(lambda: sandbox.open_now == 1, 10)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_server_that_is_told_to_stop_answers_first(mode: Any, sandbox: Sandbox, tmp_path: Path) -> None:
    async with (
        running_gateway(sandbox.url, tmp_path) as gateway,
        SdkClient(gateway.url + "/mcp", mode=mode) as client,
    ):
        await client.list_tools()  # or the client asks for it after its answer, when nobody is there any more
        question = asking("[[fault:slow-first-token:1]] Say: late but there")
        asked = asyncio.ensure_future(client.call_tool("generate", question))
        await until(lambda: sandbox.open_now == 1, 5)
        gateway.process.terminate()
        answer = cast("dict[str, Any]", (await asked).structured_content)
        assert answer["content"] == "late but there"


async def test_a_server_that_is_told_twice_lets_its_calls_go(sandbox: Sandbox, tmp_path: Path) -> None:
    async with (
        running_gateway(sandbox.url, tmp_path) as gateway,
        SdkClient(gateway.url + "/mcp", mode="legacy") as client,
    ):
        asked = asyncio.ensure_future(client.call_tool("generate", asking("[[fault:stall]] go on")))
        await until(lambda: sandbox.open_now == 1, 5)
        gateway.process.terminate()
        await asyncio.sleep(0.5)
        gateway.process.terminate()
        await until(lambda: sandbox.open_now == 0, 3)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
