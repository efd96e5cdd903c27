"""Faults of the protocol itself: what docs/conformance.md says of them."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import pytest
from malformed import JSON_HEADERS, META, NEW, envelope, in_a_session

from llm_gateway.sandbox.server import Sandbox
from processes import Running, running_gateway

OLD = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.fixture
async def gateway(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Running]:
    async with running_gateway(sandbox.url, tmp_path) as running:
        yield running


def modern(method: str, version: str = NEW, **headers: str) -> tuple[dict[str, Any], dict[str, str]]:
    meta = META | {"io.modelcontextprotocol/protocolVersion": version}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta}}
    return body, JSON_HEADERS | {"mcp-method": method, "mcp-protocol-version": version} | headers


def unknown_tool(*, new: bool) -> tuple[dict[str, Any], dict[str, str]]:
    return envelope("no_such_tool", {}, new=new)


CALL, CALL_HEADERS = envelope("get_stats", {}, new=True)
FAULTS: dict[str, tuple[Any, dict[str, str], int, int]] = {
    "unknown tool, 2026": (*unknown_tool(new=True), 400, -32602),
    "unknown tool, 2025": (*unknown_tool(new=False), 200, -32602),
    "other method in the header": (CALL, CALL_HEADERS | {"mcp-method": "tools/list"}, 400, -32020),
    "other name in the header": (CALL, CALL_HEADERS | {"mcp-name": "generate"}, 400, -32020),
    "no method in the headers": (
        OLD | {"params": {"_meta": META}},
        modern("tools/list", **{"mcp-method": ""})[1],
        400,
        -32020,
    ),
    "other version in the header": (CALL, CALL_HEADERS | {"mcp-protocol-version": "2099-01-01"}, 400, -32020),
    "unknown version": (*modern("tools/list", "2099-01-01"), 400, -32022),
    "unknown method, 2026": (*modern("nothing/known"), 404, -32601),
    "unknown method, 2025": (OLD | {"method": "nothing/known"}, JSON_HEADERS, 200, -32601),
    "arguments that are a list": (*envelope("generate", [], new=True), 400, -32602),
    "no JSON": ("{{{", JSON_HEADERS, 400, -32700),
    "nothing": ("", JSON_HEADERS, 400, -32700),
    "a batch": ([OLD], JSON_HEADERS, 400, -32602),
    "too deep": ("[" * 100_000, JSON_HEADERS, 400, -32700),
    "nested deeper than is allowed": (
        f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"[" * 70}{"]" * 70}}}',
        JSON_HEADERS,
        400,
        -32600,
    ),
    "compressed": (OLD, JSON_HEADERS | {"content-encoding": "gzip"}, 415, -32600),
}


async def test_faults_of_the_protocol_have_their_codes(gateway: Running) -> None:
    told: dict[str, tuple[int, int | None]] = {}
    session = await asyncio.to_thread(in_a_session, gateway.url)
    async with httpx2.AsyncClient(headers=session) as http:
        for name, (body, headers, _, _) in FAULTS.items():
            content = body if isinstance(body, str) else json.dumps(body)
            answer = await http.post(gateway.url + "/mcp", content=content.encode(), headers=headers)
            data = answer.text.partition("data: ")[2] or answer.text
            told[name] = (answer.status_code, json.loads(data).get("error", {}).get("code"))
            assert "Traceback" not in answer.text
        big = await http.post(gateway.url + "/mcp", content=b" " * (17 * 1024 * 1024), headers=JSON_HEADERS)
    assert told == {name: (status, code) for name, (_, _, status, code) in FAULTS.items()}
    assert (big.status_code, big.json()["error"]["data"]["code"]) == (413, "payload_too_large")


async def test_bad_arguments_are_results_not_faults(gateway: Running) -> None:
    session = await asyncio.to_thread(in_a_session, gateway.url)
    async with httpx2.AsyncClient(headers=session) as http:
        for new in (True, False):
            body, headers = envelope("generate", {"model": 5}, new=new)
            answer = await http.post(gateway.url + "/mcp", json=body, headers=headers)
            data = answer.text.partition("data: ")[2] or answer.text
            result = json.loads(data)["result"]
            assert answer.status_code == 200
            assert result["isError"] is True
            assert result["structuredContent"]["error"]["code"] == "invalid_request"


async def test_pages_of_allowed_origins_may_read_and_others_are_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    origin = "https://app.example"
    preflight = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    async with (
        aiohttp.ClientSession() as http,
        running_gateway(sandbox.url, tmp_path, ALLOWED_ORIGINS=origin, ADMIN_API_KEY="a-master-key") as gateway,
    ):
        for path in ("/mcp", "/v1/chat/completions", "/v1/messages"):
            async with http.options(gateway.url + path, headers={"origin": origin, **preflight}) as answer:
                assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, origin)
            async with http.options(gateway.url + path, headers={"origin": "https://evil.example", **preflight}) as no:
                assert (no.status, "access-control-allow-origin" in no.headers) == (403, False)
        async with http.options(f"{gateway.url}/admin/keys", headers={"origin": origin, **preflight}) as closed:
            assert "access-control-allow-origin" not in closed.headers
        async with http.get(f"{gateway.url}/admin/keys", headers={"origin": origin}) as closed:
            assert "access-control-allow-origin" not in closed.headers
        async with http.get(f"{gateway.url}/v1/models", headers={"origin": origin}) as models:
            assert models.headers["access-control-allow-origin"] == origin
            assert "x-request-id" in models.headers["access-control-expose-headers"].lower()
