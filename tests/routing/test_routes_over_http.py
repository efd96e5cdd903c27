"""Routes of a gateway file, asked through every door of a real gateway, over a real socket to the sandbox."""

import asyncio
import base64
import io
import json
import struct
import sys
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
import pytest_asyncio
from mcp import Client

from llm_gateway.sandbox.script import Script
from llm_gateway.sandbox.server import Sandbox
from money.kept import Kept

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROUTES = """
defaults: {allowed_fails: 1000}
routes:
  chat:
    targets: [claude-haiku-4.5]
    fallbacks: [nova-2-lite]
    retry_share: 2
  extract:
    targets: [claude-haiku-4.5]
    fallbacks: [nova-2-lite]
  chat-over-mcp:
    retry_share: 2
    targets: [{model: claude-haiku-4.5, region: us-west-2}]
    fallbacks: [nova-2-lite]
  hopeless:
    retry_share: 2
    targets: [nova-lite]
    fallbacks: [nova-pro]
  short:
    targets: [nova-micro]
    context_fallbacks: [nova-2-lite]
"""
SCRIPT = [
    {"match": {"model": "haiku", "text": "fall over"}, "faults": ["throttle"], "then": "repeat"},
    {
        "match": {"model": "haiku", "text": "three of ten"},
        "faults": ["throttle", *["ok"] * 2] * 3 + ["ok"],
        "then": "repeat",
    },
    {"match": {"model": "nova-pro", "text": "always"}, "faults": ["access-denied"], "then": "repeat"},
    {"match": {"model": "nova-lite", "text": "always"}, "faults": ["throttle"], "then": "repeat"},
]


class Street:
    """A sandbox, a gateway with routes, and ways to ask it."""

    def __init__(self, sandbox: Sandbox, kept: Kept, url: str, http: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.kept = kept
        self.url = url
        self.http = http

    async def ask(self, path: str, body: dict[str, Any]) -> tuple[dict[str, str], str]:
        """Headers and text of an answer."""
        sent = io.BytesIO(json.dumps(body).encode())
        async with self.http.post(self.url + path, data=sent, headers={"content-type": "application/json"}) as answer:
            return {name.lower(): told for name, told in answer.headers.items()}, await answer.text()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Street]:
    kept = Kept(tmp_path_factory.mktemp("routes"))
    (kept.home / "gateway.yaml").write_text(ROUTES)
    async with (
        Sandbox(script=Script.of(SCRIPT)) as sandbox,
        kept.gateway(sandbox, GATEWAY_FILE=str(kept.home / "gateway.yaml")) as (running, http),
    ):
        yield Street(sandbox, kept, running.url, http)


def says(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "chat", "max_tokens": 100, "messages": [{"role": "user", "content": text}], **more}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("stream", [False, True])
async def test_every_answer_tells_who_stood_in(street: Street, path: str, stream: bool) -> None:
    headers, text = await street.ask(path, says(f"fall over {path}", stream=stream))
    assert headers["x-llm-gateway-model"] == "nova-2-lite"
    way = json.loads(headers["x-llm-gateway-route"])
    assert (way["route"], way["stands_in_for"]) == ("chat", "claude-haiku-4-5")
    assert "nova-2-lite answered in the place of claude-haiku-4-5" in text
    rows = await street.kept.ask(
        f"SELECT model_asked, model, outcome, route FROM ledger WHERE request_id = '{headers['x-request-id']}'"
    )
    ((asked, model, outcome, route),) = rows
    assert (asked, model, outcome) == ("chat", "nova-2-lite", "ok")
    told = json.loads(route)
    throttled = [each["outcome"] for each in told["attempts"]] == ["upstream_throttled", "ok"]
    assert throttled or "rests for" in told["passed_over"][0]["reason"]


async def test_a_result_over_mcp_tells_the_whole_way(street: Street) -> None:
    asked = {"model": "chat-over-mcp", "messages": says("fall over")["messages"]}
    async with Client(street.url + "/mcp") as client:
        result = await client.call_tool("generate", asked)
        listed = await client.call_tool("list_models", {})
    told: Any = result.structured_content
    assert told["model"] == "nova-2-lite"
    assert told["route"]["candidates"][0].endswith("claude-haiku-4-5-20251001-v1:0@us-west-2")
    assert [attempt["outcome"] for attempt in told["route"]["attempts"]] == ["upstream_throttled", "ok"]
    assert "Bedrock throttles" in told["route"]["attempts"][0]["error"]
    models: Any = listed.structured_content
    assert {"chat", "short"} <= {model["name"] for model in models["result"]}


async def test_routes_are_listed_as_models(street: Street) -> None:
    async with street.http.get(street.url + "/v1/models") as answer:
        names = [model["id"] for model in (await answer.json())["data"]]
    assert {"chat", "short", "nova-micro"} <= set(names)
    assert len(names) == len(set(names))


async def test_an_error_tells_the_way_too(street: Street) -> None:
    body = says("always", model="nova-lite")
    headers, text = await street.ask("/v1/chat/completions", body)
    assert json.loads(text)["error"]["code"] == "upstream_throttled"
    attempts = json.loads(headers["x-llm-gateway-route"])["attempts"]
    assert {attempt["outcome"] for attempt in attempts} == {"upstream_throttled"}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_what_failed_in_different_ways_is_told_at_503(street: Street, path: str) -> None:
    async with street.http.post(street.url + path, json=says("always", model="hopeless")) as answer:
        error = (await answer.json())["error"]
        assert (answer.status, error["code"]) == (503, "all_candidates_failed")
        assert "Bedrock throttles" in error["message"]
        assert answer.headers["retry-after"] == "1"


async def test_the_failures_are_listed_over_mcp(street: Street) -> None:
    async with Client(street.url + "/mcp") as client:
        asked = {"model": "hopeless", "messages": says("always")["messages"]}
        told: Any = (await client.call_tool("generate", asked)).structured_content
    assert {each["code"] for each in told["error"]["failures"]} == {"upstream_throttled", "upstream_access_denied"}


async def test_the_routes_of_the_guide_are_fine(street: Street) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "routing.md").read_text()
    (street.kept.home / "guide.yaml").write_text(guide.split("```yaml\n")[1].split("```")[0])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "llm_gateway", "routes", "--check", "guide.yaml"), cwd=street.kept.home
    )
    assert await process.wait() == 0


def a_picture() -> str:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(b"\x00\xff\x00\x00")
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    written = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return base64.b64encode(written).decode()


async def test_a_conversation_with_tools_thoughts_and_a_picture_falls_over_to_nova_and_comes_back(
    street: Street,
) -> None:
    tool = {
        "name": "look_up",
        "description": "Looks a word up.",
        "input_schema": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
    }
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": a_picture()}}
    turns: list[dict[str, Any]] = [
        {"role": "user", "content": [picture, {"type": "text", "text": "Look up the colour. [[tool:look_up]]"}]}
    ]
    served: list[str] = []
    for words in ("fall over: and now?", "Once more, please.", None):
        body = {
            "model": "chat",
            "max_tokens": 4000,
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "tools": [tool],
            "messages": turns,
        }
        async with asyncio.timeout(10):
            while True:
                headers, text = await street.ask("/v1/messages", body)
                model = headers["x-llm-gateway-model"]
                if words is not None or model != served[-1]:  # it rests for up to a second after a throttle
                    break
                await asyncio.sleep(0.1)
        answer = json.loads(text)
        served.append(model)
        turns.append({"role": "assistant", "content": answer["content"]})
        calls = [block for block in answer["content"] if block["type"] == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": call["id"], "content": "red"} for call in calls]
        if words is not None:
            turns.append({"role": "user", "content": [*results, {"type": "text", "text": words}]})
    assert served == ["claude-haiku-4-5", "nova-2-lite", "claude-haiku-4-5"]
    kinds = [block["type"] for turn in turns if turn["role"] == "assistant" for block in turn["content"]]
    assert {"thinking", "tool_use"} <= set(kinds)


@pytest.mark.parametrize(
    ("characters", "asked"), [(1_200_000, ["nova-2-lite"]), (600_000, ["nova-micro", "nova-2-lite"])]
)
async def test_what_is_too_long_goes_to_the_larger_model(street: Street, characters: int, asked: list[str]) -> None:
    before = len(street.sandbox.log)
    headers, text = await street.ask("/v1/chat/completions", says("word " * (characters // 5), model="short"))
    assert headers.get("x-llm-gateway-model") == "nova-2-lite", text[:500]
    models = [record.model_id for record in street.sandbox.log[before:]]
    assert [any(name in model for model in models) for name in asked] == [True] * len(asked)
    assert len(models) == len(asked)


async def test_two_hundred_at_once_do_not_notice_that_three_of_ten_are_throttled(street: Street) -> None:
    client = openai.AsyncOpenAI(base_url=street.url + "/v1", api_key="none", max_retries=0)

    async def extract(number: int) -> str:
        text = f"three of ten {number}"
        answer = await client.chat.completions.create(model="extract", messages=[{"role": "user", "content": text}])
        return answer.choices[0].message.content or ""

    async with client:
        answers = await asyncio.gather(*[extract(number) for number in range(200)])
    assert all(answers)


async def test_a_thousand_requests_at_a_throttled_model_are_no_storm(tmp_path: Path) -> None:
    """At a gateway of its own: what others ask is traffic too, a fifth of which may be repeated."""
    async with (
        Sandbox(script=Script.of(SCRIPT)) as sandbox,
        Kept(tmp_path).gateway(sandbox) as (running, _),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=500)) as http,
    ):
        many = Street(sandbox, Kept(tmp_path), running.url, http)
        asked_for = [says(f"always {number}", model="nova-lite") for number in range(1000)]
        await asyncio.gather(*[many.ask("/v1/chat/completions", body) for body in asked_for])
        asked = Counter(str(record.body["messages"]) for record in sandbox.log if record.body)
    assert max(asked.values()) <= 3
    assert sum(asked.values()) <= 1_200
