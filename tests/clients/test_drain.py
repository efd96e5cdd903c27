"""What a signal does to an HTTP server that has requests under way."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import aiohttp
from malformed import envelope

from llm_gateway.sandbox.server import Sandbox
from processes import running_gateway


async def asked(http: aiohttp.ClientSession, url: str, text: str) -> dict[str, Any]:
    """The structured content of one call of generate, or what the connection ended with."""
    arguments = {"model": "nova-lite", "messages": [{"role": "user", "content": text}]}
    call, headers = envelope("generate", arguments, new=True)
    async with http.post(f"{url}/mcp", json=call, headers=headers) as answer:
        told = await answer.text()
    return json.loads(told.partition("data: ")[2] or told)["result"]["structuredContent"]


async def seen_by(http: aiohttp.ClientSession, sandbox: Sandbox, requests: int) -> None:
    async with asyncio.timeout(30):
        while True:
            async with http.get(f"{sandbox.url}/_sandbox/log") as log:
                if len((await log.json())["requests"]) >= requests:
                    return


async def test_requests_under_way_come_to_their_end_before_the_server_stops(sandbox: Sandbox, tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http:
        async with running_gateway(sandbox.url, tmp_path) as gateway:
            slow = asyncio.ensure_future(asked(http, gateway.url, "Say: done [[fault:slow-first-token:1]]"))
            await seen_by(http, sandbox, 1)
        assert (await slow)["finish_reason"] == "stop"


async def test_a_draining_server_refuses_the_late_and_a_second_signal_ends_it(sandbox: Sandbox, tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http:
        async with running_gateway(sandbox.url, tmp_path) as gateway:
            hung = asyncio.ensure_future(asked(http, gateway.url, "[[fault:hang]]"))
            await seen_by(http, sandbox, 1)
            gateway.process.send_signal(signal.SIGTERM)
            health = 200
            while health == 200:
                async with http.get(f"{gateway.url}/health") as answer:
                    health = answer.status
            late = await asked(http, gateway.url, "Say: late")
            assert (health, late["error"]["code"], late["error"]["retryable"]) == (503, "draining", True)
            assert not hung.done()
        assert (await hung)["error"]["code"] == "draining"


async def test_two_hundred_under_way_all_get_their_answers(sandbox: Sandbox, tmp_path: Path) -> None:
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        running_gateway(sandbox.url, tmp_path, CACHE_ENABLED="false") as gateway,
    ):
        words = [f"Say: answer {number} [[fault:slow-first-token:2]]" for number in range(100)]
        over_mcp = [asyncio.ensure_future(asked(http, gateway.url, each)) for each in words]
        streams = [asyncio.ensure_future(streamed(http, gateway.url, each)) for each in words]
        await seen_by(http, sandbox, 200)
        gateway.process.send_signal(signal.SIGTERM)
        answers, texts = await asyncio.gather(*over_mcp), await asyncio.gather(*streams)
    assert [answer["finish_reason"] for answer in answers] == ["stop"] * 100
    assert [text.splitlines()[-2] for text in texts] == ["data: [DONE]"] * 100


async def streamed(http: aiohttp.ClientSession, url: str, text: str) -> str:
    body = {"model": "nova-lite", "stream": True, "messages": [{"role": "user", "content": text}]}
    async with http.post(f"{url}/v1/chat/completions", json=body) as answer:
        return await answer.text()


async def test_what_outlasts_the_drain_is_told_so(sandbox: Sandbox, tmp_path: Path) -> None:
    async with (
        aiohttp.ClientSession() as http,
        running_gateway(sandbox.url, tmp_path, DRAIN_TIMEOUT="0.5") as gateway,
    ):
        hung = asyncio.ensure_future(asked(http, gateway.url, "[[fault:hang]]"))
        body = {"model": "nova-pro", "messages": [{"role": "user", "content": "[[fault:hang]]"}]}
        other = asyncio.ensure_future(http.post(f"{gateway.url}/v1/chat/completions", json=body))
        await seen_by(http, sandbox, 2)
        gateway.process.send_signal(signal.SIGTERM)
        answer = await other
        assert (answer.status, (await answer.json())["error"]["code"]) == (503, "draining")
        assert (await hung)["error"]["code"] == "draining"
