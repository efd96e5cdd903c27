"""A gateway process with keys: who is let in, what they may spend, and what the ledger says of it."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from clients.processes import CHECKOUT, environment
from llm_gateway.sandbox.server import Sandbox
from money.kept import Kept

CHAT = {"model": "nova-lite", "messages": [{"role": "user", "content": "Say: hello"}]}


class Door:
    """One key's way into a gateway."""

    def __init__(self, http: aiohttp.ClientSession, url: str, key: str | None = None) -> None:
        self._http = http
        self._url = url
        self._headers = {} if key is None else {"authorization": f"Bearer {key}"}

    async def chat(self, headers: dict[str, str] | None = None, **more: Any) -> tuple[int, dict[str, Any]]:
        asked = self._headers | (headers or {})
        async with self._http.post(f"{self._url}/v1/chat/completions", json=CHAT | more, headers=asked) as answer:
            return answer.status, await answer.json()

    async def status(self, method: str, path: str) -> int:
        async with self._http.request(method, f"{self._url}{path}", headers=self._headers, json={}) as answer:
            return answer.status


async def test_without_keys_the_door_is_open_and_what_is_spent_is_written_down(sandbox: Sandbox, kept: Kept) -> None:
    async with kept.gateway(sandbox) as (running, http):
        status, answer = await Door(http, running.url).chat(headers={"x-request-id": "mine-1"})
    assert status == 200
    ((request_id, cost, outcome),) = await kept.ask("SELECT request_id, cost_nano_usd, outcome FROM ledger")
    assert (request_id, outcome) == ("mine-1", "ok")
    usage = answer["usage"]
    assert cost == usage["prompt_tokens"] * 60 + usage["completion_tokens"] * 240


async def test_with_the_first_key_every_route_but_health_is_closed(sandbox: Sandbox, kept: Kept) -> None:
    key = await kept.new_key("--name", "bar")
    async with kept.gateway(sandbox) as (running, http):
        for door in (Door(http, running.url), Door(http, running.url, "sk-wrong"), Door(http, running.url, key + "x")):
            for method, path in (
                *(("POST", "/v1/chat/completions"), ("POST", "/v1/messages"), ("GET", "/v1/models")),
                *(("POST", "/mcp"), ("GET", "/sse"), ("POST", "/messages/"), ("POST", "/v1/embeddings")),
                *(("GET", "//v1/models"), ("GET", "/%2e/v1/models"), ("GET", "/nowhere")),
            ):
                assert await door.status(method, path) == 401, (method, path)
            assert await door.status("GET", "/health") == 200
        status, told = await Door(http, running.url).chat()
        assert (status, told["error"]["code"]) == (401, "invalid_api_key")
        assert (await Door(http, running.url, key).chat())[0] == 200
    for part in (key, key[3:20]):
        assert part not in "".join(running.lines)
        assert not await kept.says(part)


async def test_a_key_is_known_over_mcp_too(sandbox: Sandbox, kept: Kept) -> None:
    key = await kept.new_key("--name", "bar")
    async with kept.gateway(sandbox) as (running, _):
        way = StreamableHttpTransport(f"{running.url}/mcp", headers={"authorization": f"Bearer {key}"})
        async with Client(way) as client:
            arguments = {"model": "nova-lite", "messages": [{"role": "user", "content": "Say: hi"}], "agent": "mapper"}
            answer = await client.call_tool("generate", arguments)
    assert answer.structured_content is not None
    assert await kept.ask("SELECT key_name, agent, outcome FROM ledger") == [("bar", "mapper", "ok")]


async def test_a_budget_pays_for_so_many_and_no_more(sandbox: Sandbox, kept: Kept) -> None:
    budget = "0.002"
    key = await kept.new_key("--name", "bar", "--budget", budget, "--window", "lifetime")
    async with kept.gateway(sandbox, BUDGET_CLAMP="false") as (running, http):
        door = Door(http, running.url, key)
        answers = await asyncio.gather(*[door.chat(max_tokens=200) for _ in range(200)])
    codes = [told["error"]["code"] for status, told in answers if status != 200]
    spent = (await kept.ask("SELECT SUM(cost_nano_usd), COUNT(*) FROM ledger"))[0]
    assert set(codes) == {"budget_exceeded"}
    assert spent[1] == 200 - len(codes) >= 37  # 48,060 nano-dollars at the most a call: 41 hold at once
    assert spent[0] <= 2_000_000
    assert await kept.ask("SELECT spent_nano_usd, held_nano_usd FROM budget_use") == [(spent[0], 0)]


async def test_a_key_asks_only_the_models_it_may(sandbox: Sandbox, kept: Kept) -> None:
    key = await kept.new_key("--name", "bar", "--model", "nova-*")
    async with kept.gateway(sandbox) as (running, http):
        door = Door(http, running.url, key)
        assert (await door.chat())[0] == 200
        status, told = await door.chat(model="mistral-large-2")
    assert (status, told["error"]["code"], told["error"]["type"]) == (403, "model_not_allowed", "permission_error")
    assert "nova-*" in told["error"]["message"]


async def test_a_key_may_name_a_model_as_its_agents_do(sandbox: Sandbox, kept: Kept) -> None:
    key = await kept.new_key("--name", "bar", "--model", "claude-haiku-4.5", "--model", "amazon.nova-lite-v1:0")
    async with kept.gateway(sandbox) as (running, http):
        door = Door(http, running.url, key)
        for model in ("claude-haiku-4.5", "claude-haiku-4-5", "nova-lite"):
            assert (await door.chat(model=model))[0] == 200
        assert (await door.chat(model="nova-pro"))[0] == 403


async def test_fifty_repeats_under_one_name_are_one_call(sandbox: Sandbox, kept: Kept) -> None:
    async with kept.gateway(sandbox) as (running, http):
        door, name = Door(http, running.url), {"idempotency-key": "order-17"}
        answers = await asyncio.gather(*[door.chat(headers=name) for _ in range(50)])
        later = await door.chat(headers=name)
        other = await door.chat(headers=name, model="nova-pro")
    contents = {told["choices"][0]["message"]["content"] for status, told in [*answers, later] if status == 200}
    assert (len(contents), {status for status, _ in answers}, later[0]) == (1, {200}, 200)
    assert (other[0], other[1]["error"]["code"]) == (422, "idempotency_conflict")
    assert await kept.ask("SELECT COUNT(*), COUNT(DISTINCT idempotency_key) FROM ledger") == [(1, 1)]


async def test_a_name_outlives_the_process(sandbox: Sandbox, kept: Kept) -> None:
    name = {"idempotency-key": "order-18"}
    answers: list[tuple[int, dict[str, Any]]] = []
    for _ in range(2):
        async with kept.gateway(sandbox) as (running, http):
            answers.append(await Door(http, running.url).chat(headers=name))
    assert [status for status, _ in answers] == [200, 200]
    assert answers[0][1]["choices"] == answers[1][1]["choices"]
    assert await kept.ask("SELECT COUNT(*) FROM ledger") == [(1,)]


async def test_a_revoked_key_is_refused_within_seconds_and_its_streams_are_cut(sandbox: Sandbox, kept: Kept) -> None:
    key = await kept.new_key("--name", "bar")
    async with kept.gateway(sandbox) as (running, http):
        stream = await http.post(
            f"{running.url}/v1/chat/completions",
            json={
                **CHAT,
                "stream": True,
                "messages": [{"role": "user", "content": "[[fault:stall]] tell me a long story"}],
            },
            headers={"authorization": f"Bearer {key}"},
        )
        assert stream.status == 200
        await stream.content.readany()
        await kept.command("keys", "revoke", "bar", "--json")
        async with asyncio.timeout(40):
            rest = (await stream.content.read()).decode()
            while (await Door(http, running.url, key).chat())[0] != 401:
                pass
    assert "invalid_api_key" in rest
    assert "[DONE]" not in rest


async def test_another_keys_kept_answers_are_not_found(sandbox: Sandbox, kept: Kept) -> None:
    keys = [await kept.new_key("--name", name) for name in ("a", "b")]
    async with kept.gateway(sandbox, cache=True) as (running, http):
        for key in (keys[0], keys[1], keys[0]):
            assert (await Door(http, running.url, key).chat())[0] == 200
    assert await kept.ask("SELECT key_name FROM ledger ORDER BY key_name") == [("a",), ("b",)]


async def booked_after_leaving(
    sandbox: Sandbox, kept: Kept, text: str, *, stream: bool, before_first_byte: bool, **more: str
) -> tuple[str, int, int, int]:
    """Outcome, cost, output tokens and whether they are estimated, of a call whose caller leaves."""
    sql = "SELECT outcome, cost_nano_usd, output_tokens, estimated FROM ledger"
    async with kept.gateway(sandbox, **more) as (running, http):
        health = Door(http, running.url)
        asked = {**CHAT, "stream": stream, "messages": [{"role": "user", "content": text}]}
        asking = asyncio.ensure_future(http.post(f"{running.url}/v1/chat/completions", json=asked))
        async with asyncio.timeout(30):
            if before_first_byte:
                while sandbox.open_now == 0:
                    await health.status("GET", "/health")
                asking.cancel()
            else:
                answer = await asking
                await answer.content.readany()
                answer.close()
            while sandbox.open_now or not (found := await kept.ask(sql)):
                await health.status("GET", "/health")
    ((outcome, cost, output_tokens, estimated),) = found
    return outcome, cost, output_tokens, estimated


async def test_a_caller_that_leaves_has_still_spent(sandbox: Sandbox, kept: Kept) -> None:
    outcome, cost, _, estimated = await booked_after_leaving(
        sandbox, kept, "[[fault:stall]] a long story", stream=True, before_first_byte=False
    )
    assert (outcome, estimated) == ("client_disconnect", 1)
    assert cost > 0


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_drained_answer_is_booked_as_aws_bills_it(stream: bool, sandbox: Sandbox, kept: Kept) -> None:
    text = "[[fault:slow-first-token:1]] Say: " + "all of it " * 40
    outcome, cost, output_tokens, estimated = await booked_after_leaving(
        sandbox, kept, text, stream=stream, before_first_byte=True, ON_DISCONNECT="drain"
    )
    assert (outcome, estimated) == ("client_disconnect", 0)
    assert output_tokens >= 40
    assert cost > output_tokens * 240


@pytest.mark.parametrize("words", [("--budget", "much"), ("--window", "soon", "--budget", "1"), ("--expires", "never")])
async def test_a_key_that_cannot_be_is_refused_in_one_line(words: tuple[str, ...], tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "llm_gateway", "keys", "create", "--name", "bar", *words),
        env=environment("http://127.0.0.1:9", LLM_GATEWAY_HOME=str(tmp_path)),
        cwd=CHECKOUT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, out, err.count(b"\n")) == (2, b"", 1)
    assert words[0].encode() in err
