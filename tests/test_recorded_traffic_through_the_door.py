"""Every recorded Converse exchange, asked through the MCP door and answered by its own recording."""

import asyncio
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from fastmcp import Client
from fastmcp.client.client import CallToolResult

from llm_gateway.app import create_app
from llm_gateway.sandbox.server import Sandbox
from llm_gateway.settings import Settings
from recorded_traffic import TRAFFIC

FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_use",
    "guardrail_intervened": "content_filter",
}
NOT_ASKABLE = {
    "amazon.titan-text-express-v1": "system text is folded into the first message: no recording has that request",
}


@dataclass(frozen=True)
class Told:
    """What a recording says of its answer."""

    text: str
    finish_reason: str
    tokens: tuple[int, int, int] | None


def recordings() -> Iterator[Any]:
    index = TRAFFIC / "index.json"
    if not index.is_file():
        yield pytest.param(None, marks=pytest.mark.skip(reason=f"no recorded traffic at {TRAFFIC}"))
        return
    for entry in json.loads(index.read_text()):
        if entry["kind"] in ("converse", "converse-stream"):
            yield pytest.param(TRAFFIC / "exchanges" / f"{entry['id']}.json", id=entry["id"])


def told_by(response: Mapping[str, Any]) -> Told | None:
    """The recorded answer, put together; ``None`` where the recording is of a failure."""
    body = response.get("body")
    if isinstance(body, dict) and "output" in body:
        answer = cast("dict[str, Any]", body)
        blocks = answer["output"]["message"]["content"]
        text = "".join([block.get("text", "") + cited(block) for block in blocks])
        return Told(text, FINISHES[answer["stopReason"]], tokens(answer.get("usage")))
    text, stop, usage = "", None, None
    for event in response.get("events_decoded", ()):
        payload = event["payload"]
        if event["message_type"] != "event":
            return None
        text += payload["delta"].get("text", "") if event["type"] == "contentBlockDelta" else ""
        stop = payload["stopReason"] if event["type"] == "messageStop" else stop
        usage = payload.get("usage") if event["type"] == "metadata" else usage
    return Told(text, FINISHES[stop], tokens(usage)) if stop else None


def cited(block: Mapping[str, Any]) -> str:
    return "".join([part.get("text", "") for part in block.get("citationsContent", {}).get("content", ())])


def tokens(usage: Mapping[str, int] | None) -> tuple[int, int, int] | None:
    return (usage["inputTokens"], usage["outputTokens"], usage["totalTokens"]) if usage else None


@pytest.mark.parametrize("recording", list(recordings()))
def test_a_recorded_exchange_answers_as_it_did(recording: Path, tmp_path: Path) -> None:
    exchange = json.loads(recording.read_text())
    body = exchange["request"]["body"]
    if not isinstance(body, dict):
        pytest.skip("the recorder kept no JSON of the request")
    if exchange["model_id"] in NOT_ASKABLE:
        pytest.skip(NOT_ASKABLE[exchange["model_id"]])
    if "edited" in exchange["provenance"]:
        pytest.skip(f"not as it went over the wire: {exchange['provenance']}")
    shutil.copy(recording, tmp_path / "exchange.json")
    result = asyncio.run(ask_again(exchange["model_id"], cast("dict[str, Any]", body), tmp_path))
    answer = result.structured_content
    assert answer is not None
    told = told_by(exchange["response"]) if exchange["response"]["status"] == 200 else None
    if told is None:
        assert result.is_error
        assert answer["error"]["code"] != "internal_error"
        return
    assert not result.is_error, answer
    usage = answer["usage"]
    assert (answer["content"], answer["finish_reason"]) == (told.text, told.finish_reason)
    if told.tokens is not None:
        assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == told.tokens


async def ask_again(model_id: str, body: Mapping[str, Any], recorded: Path) -> CallToolResult:
    system = [{"role": "system", "content": body["system"]}] if body.get("system") else []
    async with Sandbox(replay=recorded) as sandbox:
        given = {
            "aws_endpoint_url_bedrock_runtime": sandbox.url,
            "aws_access_key_id": "any",
            "aws_secret_access_key": "any",
        }
        app = create_app(Settings.model_validate(given))
        async with Client(app.mcp_server()) as client:
            arguments = {"model": model_id, "messages": system + body["messages"]}
            result = await client.call_tool("generate", arguments, raise_on_error=False)
        await app.gateway.aclose()
    return result
