"""Keys, budgets and usage by /admin, by agents' tools and by the command line: one truth, told three ways."""

import asyncio
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from clients.processes import running_gateway
from llm_gateway.sandbox.server import Sandbox
from money.kept import Kept

MASTER = "master-of-this-house"
ASKED = {"model": "nova-lite", "messages": [{"role": "user", "content": "Say: hi"}]}


class Admin:
    def __init__(self, http: aiohttp.ClientSession, url: str, key: str | None = MASTER) -> None:
        self._http = http
        self._url = url
        self._headers = {} if key is None else {"x-admin-api-key": key}

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        url = f"{self._url}/admin/{path}"
        async with self._http.request(method, url, json=body, headers=self._headers) as answer:
            assert answer.headers["cache-control"] == "no-store"
            return answer.status, await answer.json()


async def test_a_key_made_over_http_is_good_until_it_is_revoked(sandbox: Sandbox, kept: Kept) -> None:
    async with (
        aiohttp.ClientSession() as http,
        running_gateway(sandbox.url, kept.home, **kept.variables, ADMIN_API_KEY=MASTER) as gateway,
    ):
        admin = Admin(http, gateway.url)
        wish = {"name": "mapper", "team": "docs", "budget_usd": "0.5", "limits": {"rpm": 60}, "tags": {"a": "b"}}
        status, made = await admin.ask("POST", "keys", wish)
        assert (status, made["name"], made["budgets"][0]["budget_usd"]) == (200, "mapper", "0.5")
        way = StreamableHttpTransport(f"{gateway.url}/mcp", headers={"authorization": f"Bearer {made['key']}"})
        async with Client(way) as client:
            await client.call_tool("generate", ASKED | {"agent": "mapper", "run_id": "run-1"})
            budget = (await client.call_tool("get_budget", {})).structured_content
            usage = (await client.call_tool("get_usage", {"by": ["agent", "run"]})).structured_content
            stats = (await client.call_tool("get_stats", {})).structured_content
        assert budget is not None
        assert stats is not None
        assert usage is not None
        assert (stats["all_time"]["calls"], stats["all_time"]["total_cost_usd"]) == (1, usage["total_cost_usd"])
        (row,) = usage["rows"]
        assert (row["agent"], row["run"], row["calls"]) == ("mapper", "run-1", 1)
        assert budget["budgets"][0]["spent_usd"] == usage["total_cost_usd"] == row["cost_usd"]
        _, told = await admin.ask("GET", "usage?by=key,model")
        assert (told["rows"][0]["key"], told["total_cost_usd"]) == ("mapper", usage["total_cost_usd"])
        _, shown = await admin.ask("GET", "keys/mapper")
        assert (shown["spent_usd"], "key" in shown) == (usage["total_cost_usd"], False)
        status, rotated = await admin.ask("POST", "keys/mapper/rotate", {})
        assert (status, rotated["key"] == made["key"]) == (200, False)
        assert (await admin.ask("DELETE", "keys/mapper"))[1]["revoked_at"] is not None
        assert (await admin.ask("GET", "keys"))[1]["keys"][0]["revoked_at"] is not None
    by_command = await kept.command("usage", "--by", "key", "--format", "json")
    assert by_command["total_cost_usd"] == usage["total_cost_usd"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "keys", {"name": "a b"}, 400, "invalid_request"),
        ("POST", "keys", {"name": "a", "budget_usd": -1}, 400, "invalid_request"),
        ("POST", "keys", {"name": "a", "budget_usd": 1, "window": "week"}, 400, "invalid_request"),
        ("POST", "keys", {"name": "a", "limits": {"rpm": 0}}, 400, "invalid_request"),
        ("POST", "keys", {"name": "a", "role": "admin"}, 400, "invalid_request"),
        ("POST", "budgets", {"scope": "run", "scope_id": "x", "budget_usd": 1}, 400, "invalid_request"),
        ("GET", "keys/nobody", None, 404, "not_found"),
        ("DELETE", "budgets/none", None, 404, "not_found"),
        ("GET", "usage?by=colour", None, 400, "invalid_request"),
        ("GET", "nowhere", None, 404, "unknown_url"),
        ("PATCH", "keys/nobody", {}, 405, "method_not_allowed"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_field(
    method: str, path: str, body: Any, status: int, code: str, admin: Admin
) -> None:
    got, told = await admin.ask(method, path, body)
    assert (got, told["error"]["code"]) == (status, code)
    assert told["error"]["message"]


@pytest.fixture
async def admin(sandbox: Sandbox, kept: Kept) -> Any:
    async with (
        aiohttp.ClientSession() as http,
        running_gateway(sandbox.url, kept.home, **kept.variables, ADMIN_API_KEY=MASTER) as gateway,
    ):
        yield Admin(http, gateway.url)


@pytest.mark.parametrize("key", [None, "wrong", MASTER + "x"])
async def test_the_wrong_master_key_opens_nothing(key: str | None, sandbox: Sandbox, kept: Kept) -> None:
    async with (
        aiohttp.ClientSession() as http,
        running_gateway(sandbox.url, kept.home, **kept.variables, ADMIN_API_KEY=MASTER) as gateway,
    ):
        stranger = Admin(http, gateway.url, key)
        for path in ("keys", "budgets", "usage", "limits", "nowhere"):
            assert (await stranger.ask("GET", path))[0] == 401


async def test_without_a_master_key_there_is_no_admin(sandbox: Sandbox, kept: Kept) -> None:
    async with (
        aiohttp.ClientSession() as http,
        running_gateway(sandbox.url, kept.home, **kept.variables) as gateway,
    ):
        assert (await Admin(http, gateway.url, "").ask("GET", "keys"))[0] == 404


async def test_a_budget_that_passes_a_mark_is_told_to_the_webhook(sandbox: Sandbox, kept: Kept) -> None:
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def hear(request: web.Request) -> web.Response:
        await heard.put(await request.json())
        return web.Response()

    site = web.Application()
    site.router.add_post("/hook", hear)
    key = await kept.new_key("--name", "bar", "--budget", "0.002", "--window", "day", "--alert", "1")
    async with TestServer(site) as server:
        hook = {"ALERT_WEBHOOK_URL": str(server.make_url("/hook")), "ALERT_WEBHOOK_PRIVATE": "true"}
        async with kept.gateway(sandbox, **hook) as (running, http):
            asked = {**ASKED, "messages": [{"role": "user", "content": "Say: " + "a long word " * 100}]}
            headers = {"authorization": f"Bearer {key}"}
            async with http.post(f"{running.url}/v1/chat/completions", json=asked, headers=headers) as answer:
                assert answer.status == 200
            async with asyncio.timeout(20):
                told = await heard.get()
    assert (told["type"], told["data"]["percent"], told["data"]["scope"]) == ("budget.alert", 1, "key")


async def test_a_run_gives_a_part_of_its_purse_to_another(sandbox: Sandbox, kept: Kept) -> None:
    key = (await kept.command("keys", "create", "--name", "boss", "--run-budget", "0.01", "--json"))["key"]
    async with running_gateway(sandbox.url, kept.home, **kept.variables) as gateway:
        way = StreamableHttpTransport(f"{gateway.url}/mcp", headers={"authorization": f"Bearer {key}"})
        async with Client(way) as client:
            await client.call_tool("generate", ASKED | {"run_id": "parent"})
            given = await client.call_tool("give_budget", {"run_id": "parent", "to_run_id": "child", "usd": "0.004"})
            told = {each["scope_id"]: each for each in cast("dict[str, Any]", given.structured_content)["budgets"]}
            assert (told["child"]["budget_usd"], told["parent"]["budget_usd"]) == ("0.004", "0.006")
            too_much = {"run_id": "parent", "to_run_id": "child", "usd": 1}
            refused = await client.call_tool("give_budget", too_much, raise_on_error=False)
            assert refused.is_error
            assert cast("dict[str, Any]", refused.structured_content)["error"]["field"] == "usd"
