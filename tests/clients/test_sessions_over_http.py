"""Sessions over ``/mcp`` for clients that begin with ``initialize``, against the real process."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from malformed import JSON_HEADERS, envelope, in_a_session
from mcp import Client

from llm_gateway.sandbox.log import ABORTED_BY_CLIENT
from llm_gateway.sandbox.server import Sandbox
from money.kept import Kept
from processes import Running, running_gateway, until

OLD = "2025-11-25"
ABOUT = {"protocolVersion": OLD, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
INITIALIZE = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": ABOUT}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.fixture
async def gateway(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Running]:
    async with running_gateway(sandbox.url, tmp_path, MCP_MAX_SESSIONS="3") as running:
        yield running


@pytest.fixture
async def http(gateway: Running) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=gateway.url, headers=JSON_HEADERS, timeout=60) as client:
        yield client


def told(answer: httpx2.Response) -> dict[str, Any]:
    return json.loads(answer.text.partition("data: ")[2] or answer.text)


async def open_one(http: httpx2.AsyncClient, **headers: str) -> dict[str, str]:
    answer = await http.post("/mcp", json=INITIALIZE, headers=headers)
    assert (answer.status_code, told(answer)["result"]["protocolVersion"]) == (200, OLD)
    return {"mcp-session-id": answer.headers["mcp-session-id"], **headers}


async def test_a_session_is_given_used_and_ended(http: httpx2.AsyncClient) -> None:
    session = await open_one(http)
    begun = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert (await http.post("/mcp", json=begun, headers=session)).status_code == 202
    for version in ({}, {"mcp-protocol-version": OLD}):
        listed = await http.post("/mcp", json=LIST, headers=session | version)
        assert "generate" in [tool["name"] for tool in told(listed)["result"]["tools"]]
        assert "mcp-session-id" not in listed.headers
    assert (await http.get("/mcp", headers=session)).status_code == 405
    assert (await http.delete("/mcp", headers=session)).status_code == 204
    for answer in (await http.post("/mcp", json=LIST, headers=session), await http.delete("/mcp", headers=session)):
        assert (answer.status_code, told(answer)["error"]["data"]["code"]) == (404, "not_found")
        assert "initialize" in told(answer)["error"]["message"]


async def test_who_skips_initialize_is_told_so(http: httpx2.AsyncClient) -> None:
    for version in ({}, {"mcp-protocol-version": OLD}):
        answer = await http.post("/mcp", json=LIST, headers=version)
        assert (answer.status_code, told(answer)["error"]["code"]) == (400, -32600)
        assert "initialize" in told(answer)["error"]["message"]
    assert (await http.delete("/mcp")).status_code == 400


async def test_a_refused_initialize_opens_nothing(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/mcp", json=INITIALIZE | {"params": {"protocolVersion": 5}})
    assert "error" in told(answer)
    assert "mcp-session-id" not in answer.headers


async def test_the_newer_era_has_no_session(http: httpx2.AsyncClient) -> None:
    body, headers = envelope("get_stats", {}, new=True)
    answer = await http.post("/mcp", json=body, headers=headers | {"mcp-session-id": "unknown"})
    assert (answer.status_code, told(answer)["result"]["isError"]) == (200, False)
    assert "mcp-session-id" not in answer.headers
    assert (await http.delete("/mcp", headers=headers)).status_code == 405


async def test_the_longest_unused_session_makes_room(http: httpx2.AsyncClient) -> None:
    opened = [await open_one(http) for _ in range(3)]
    assert (await http.post("/mcp", json=LIST, headers=opened[0])).status_code == 200
    opened.append(await open_one(http))
    known = [(await http.post("/mcp", json=LIST, headers=each)).status_code for each in opened]
    assert known == [200, 404, 200, 200]


async def test_a_cancelled_request_lets_the_model_go_and_is_told_so(http: httpx2.AsyncClient, sandbox: Sandbox) -> None:
    session = await open_one(http)
    body, _ = envelope("generate", asking("[[fault:stall]] go on"), new=False)
    asked = asyncio.ensure_future(http.post("/mcp", json=body | {"id": "mine"}, headers=session))
    await until(lambda: sandbox.open_now == 1, 20)
    for number, other in enumerate((await open_one(http), session)):
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "mine"}}
        assert (await http.post("/mcp", json=cancel, headers=other)).status_code == 202
        if number == 0:
            assert sandbox.open_now == 1  # of another session
    assert told(await asked)["error"]["code"] == -32800
    await until(lambda: sandbox.open_now == 0, 20)
    assert [record.outcome for record in sandbox.log] == [ABORTED_BY_CLIENT]


async def test_without_sessions_each_request_stands_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    async with (
        running_gateway(sandbox.url, tmp_path, MCP_MAX_SESSIONS="0") as gateway,
        httpx2.AsyncClient(base_url=gateway.url, headers=JSON_HEADERS, timeout=60) as http,
        Client(gateway.url + "/mcp", mode="legacy") as client,
    ):
        assert client.protocol_version == OLD
        assert not (await client.call_tool("get_stats", {})).is_error
        assert "mcp-session-id" not in (await http.post("/mcp", json=INITIALIZE)).headers
        assert (await http.post("/mcp", json=LIST)).status_code == 200


async def test_a_session_is_its_keys_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    mine, anothers = [{"authorization": f"Bearer {await kept.new_key('--name', name)}"} for name in ("a", "b")]
    async with kept.gateway(sandbox) as (running, _), httpx2.AsyncClient(base_url=running.url, timeout=60) as http:
        session = await open_one(http, **JSON_HEADERS, **mine)
        assert (await http.post("/mcp", json=LIST, headers=session | anothers)).status_code == 404
        assert (await http.delete("/mcp", headers=session | anothers)).status_code == 404
        assert (await http.post("/mcp", json=LIST, headers=session)).status_code == 200


async def test_no_session_is_opened_while_the_server_stops(sandbox: Sandbox, tmp_path: Path) -> None:
    async with (
        running_gateway(sandbox.url, tmp_path) as gateway,
        httpx2.AsyncClient(base_url=gateway.url, headers=JSON_HEADERS, timeout=60) as http,
    ):
        session = await asyncio.to_thread(in_a_session, gateway.url)
        body, _ = envelope("generate", asking("[[fault:slow-first-token:2]] Say: done"), new=False)
        asked = asyncio.ensure_future(http.post("/mcp", json=body, headers=session))
        await until(lambda: sandbox.open_now == 1, 20)
        gateway.process.terminate()
        while (await http.get("/health")).status_code == 200:
            pass
        late = await http.post("/mcp", json=INITIALIZE)
        assert (late.status_code, told(late)["error"]["data"]["code"]) == (503, "draining")
        assert "retry-after" in late.headers
        assert told(await asked)["result"]["structuredContent"]["content"] == "done"


async def test_a_promised_body_that_never_comes_is_not_waited_for(sandbox: Sandbox, tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    async with kept.gateway(sandbox, BODY_READ_TIMEOUT="0.3", ADMIN_API_KEY="a-master-key") as (running, _):
        for path in ("/mcp", "/messages/", "/admin/keys", "/v1/messages"):
            answer = await asyncio.to_thread(promise_a_body, running.url, path)
            assert answer.startswith("HTTP/1.1 408"), (path, answer)
            assert "BODY_READ_TIMEOUT" in answer


async def test_bodies_of_every_door_are_bounded(sandbox: Sandbox, tmp_path: Path) -> None:
    large = b'{"a":"' + b"x" * 20_000 + b'"}'
    deep = b'{"a":' * 80 + b"1" + b"}" * 80
    kept = Kept(tmp_path)
    async with (
        kept.gateway(sandbox, MAX_BODY_BYTES="10000", ADMIN_API_KEY="a-master-key") as (running, _),
        httpx2.AsyncClient(base_url=running.url, headers=JSON_HEADERS, timeout=60) as http,
    ):
        for path in ("/mcp", "/messages/", "/admin/keys"):
            for body, status, code in ((large, 413, "payload_too_large"), (deep, 400, "invalid_request")):
                answer = await http.post(path, content=body, headers={"x-admin-api-key": "a-master-key"})
                error = answer.json()["error"]
                assert (answer.status_code, error.get("data", error)["code"]) == (status, code), path
                assert (error["code"] == -32600) == (path != "/admin/keys")


def promise_a_body(url: str, path: str) -> str:
    """All that is answered to a head whose body does not follow."""
    address = httpx2.URL(url)
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nx-admin-api-key: a-master-key\r\ncontent-type: application/json"
    with socket.create_connection((address.host, address.port or 80), 30) as connection:
        connection.sendall(f"{head}\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{{".encode())
        received = b""
        while b"\r\n\r\n" not in received or not received.endswith(b"}"):
            piece = connection.recv(65536)
            if not piece:
                break
            received += piece
    return received.decode()


def asking(text: str) -> dict[str, Any]:
    return {"model": "nova-lite", "messages": [{"role": "user", "content": text}]}
