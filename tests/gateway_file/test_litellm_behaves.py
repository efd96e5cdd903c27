"""The file that is made of LiteLLM's configuration, served: its aliases, fallbacks, limits and breakers."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest_asyncio

from llm_gateway.sandbox.script import Script
from llm_gateway.sandbox.server import Sandbox
from money.kept import Kept

MADE = Path(__file__).with_name("expected-litellm-gateway.yaml")
SCRIPT = [
    {"match": {"model": "sonnet", "text": "busy"}, "faults": ["throttle"], "then": "repeat"},
    {"match": {"model": "sonnet", "text": "long"}, "faults": ["too-long"], "then": "repeat"},
    {"match": {"model": "sonnet", "text": "sick"}, "faults": ["internal"], "then": "repeat"},
]


class Asked:
    """A gateway on that file, and how to ask it."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url = url
        self._http = http

    async def __call__(self, model: str, text: str, **more: Any) -> tuple[int, dict[str, str]]:
        body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 50, **more}
        async with self._http.post(self._url + "/v1/chat/completions", json=body) as answer:
            await answer.read()
            return answer.status, {name.lower(): told for name, told in answer.headers.items()}

    async def routes(self, key: str) -> dict[str, Any]:
        bearer = {"authorization": f"Bearer {key}"}
        async with self._http.get(self._url + "/admin/routes", headers=bearer) as answer:
            assert answer.status == 200
            return await answer.json()


@pytest_asyncio.fixture
async def ask(tmp_path: Path) -> AsyncIterator[Asked]:
    lines = [line for line in MADE.read_text().splitlines() if "database_url:" not in line]  # a server there is not
    (tmp_path / "gateway.yaml").write_text("\n".join(lines))
    more = {"GATEWAY_FILE": str(tmp_path / "gateway.yaml"), "LITELLM_ADMIN_KEY": "sk-admin-of-litellm"}
    async with (
        Sandbox(script=Script.of(SCRIPT)) as sandbox,
        Kept(tmp_path).gateway(sandbox, **more) as (running, http),
    ):
        yield Asked(running.url, http)


async def test_aliases_fall_back_by_name_and_open_their_breaker(ask: Asked) -> None:
    served = [(await ask(name, "Hello"))[1]["x-llm-gateway-model"] for name in ("claude-primary", "claude-fast")]
    assert served == ["claude-sonnet-4-5", "claude-haiku-4-5"]
    for text in ("long", "sick", "busy"):
        status, headers = await ask("claude-primary", text)
        assert (status, headers["x-llm-gateway-model"]) == (200, "claude-haiku-4-5"), text
        assert json.loads(headers["x-llm-gateway-route"])["stands_in_for"] == "claude-sonnet-4-5"
    assert (await ask("claude-primary", "sick once more"))[0] == 200
    told = await ask.routes("sk-admin-of-litellm")
    (sonnet,) = [state for key, state in told["targets"].items() if "sonnet" in key]
    assert (sonnet["breaker"], sonnet["last_error"]) == ("open", "upstream_error")
    assert (sonnet["quota"]["tpm"], sonnet["quota"]["rpm"]) == (80_000, 50)
    assert (await ask("claude-primary", "Hello again"))[1]["x-llm-gateway-model"] == "claude-haiku-4-5"


async def test_unknown_parameters_are_dropped_and_named(ask: Asked) -> None:
    status, headers = await ask("claude-fast", "Hello", logit_bias={"1": 1})
    assert (status, headers["x-llm-gateway-dropped-params"]) == (200, "logit_bias")


async def test_fifty_may_be_under_way(ask: Asked) -> None:
    asking = [ask("nova-lite", f"[[fault:slow-first-token:2]] {number}") for number in range(60)]
    statuses = [status for status, _ in await asyncio.gather(*asking)]
    assert (statuses.count(200), statuses.count(503)) == (50, 10)
