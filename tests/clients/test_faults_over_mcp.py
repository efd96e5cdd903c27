"""Every fault of the sandbox, asked for through MCP over HTTP: the documented code, and nothing hangs."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import pytest_asyncio
from mcp import Client

from llm_gateway.sandbox.faults import FAULTS
from llm_gateway.sandbox.server import Sandbox
from processes import Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIMIT_S = 1
OK = "ok"
CODES = {
    "throttle": "upstream_throttled",
    "throttle-requests": "upstream_throttled",
    "throttle-day": "upstream_quota_exceeded",
    "too-many-connections": "upstream_unavailable",
    "not-ready": "upstream_not_ready",
    "quota": "upstream_quota_exceeded",
    "validation": "invalid_request",
    "too-long": "context_length_exceeded",
    "access-denied": "upstream_access_denied",
    "expired-token": "upstream_auth_error",
    "unrecognized-client": "upstream_auth_error",
    "invalid-signature": "upstream_auth_error",
    "not-found": "model_not_found",
    "legacy-not-found": "model_not_found",
    "end-of-life": "model_not_found",
    "on-demand": "invalid_request",
    "model-timeout": "upstream_timeout",
    "model-error": "upstream_model_error",
    "internal": "upstream_error",
    "unavailable": "upstream_unavailable",
    "bad-gateway-html": "upstream_error",
    "gateway-timeout-empty": "upstream_timeout",
    "reset": "upstream_connection_error",
    "hang": "upstream_timeout",
    "empty-200": "upstream_protocol_error",
    "html-200": "upstream_protocol_error",
    "slow-first-token": "upstream_timeout",
    "slow-bytes": OK,
    "one-byte-chunks": OK,
    "merged-frames": OK,
    "split-multibyte": OK,
    "unknown-event": OK,
    "late-metadata": OK,
    "usage-twice": OK,
    "cut-json": "upstream_protocol_error",
    "wrong-content-type": "upstream_protocol_error",
    "half-body": "upstream_protocol_error",
    "no-usage": OK,
    "no-metadata": OK,
    "no-stop": "upstream_protocol_error",
    "error-frame-first": "upstream_error",
    "error-frame-mid": "upstream_stream_error",
    "crc": "upstream_protocol_error",
    "cut-frame": "upstream_protocol_error",
    "reset-mid": "upstream_protocol_error",
    "stall": "upstream_timeout",
    "endless": "upstream_timeout",
    "huge-frame": "upstream_timeout",
    "malformed-tool-use": "upstream_model_error",
    "malformed-output": "upstream_model_error",
    "context-window-exceeded": OK,
    "content-filtered": OK,
    "unknown-stop-reason": "upstream_protocol_error",
    "exception-first": "upstream_throttled",
    "exception-mid": "upstream_stream_error",
    "exception-first-throttle": "upstream_throttled",
    "exception-mid-throttle": "upstream_stream_error",
    "exception-first-validation": "context_length_exceeded",
    "exception-mid-validation": "upstream_stream_error",
    "exception-first-internal": "upstream_error",
    "exception-mid-internal": "upstream_stream_error",
    "exception-first-model-stream": "upstream_model_error",
    "exception-mid-model-stream": "upstream_stream_error",
    "exception-first-unavailable": "upstream_unavailable",
    "exception-mid-unavailable": "upstream_stream_error",
}
FINISHES = {"context-window-exceeded": "length", "content-filtered": "content_filter"}
ESTIMATED = ("no-usage", "no-metadata")
CALLERS = ("invalid_request", "context_length_exceeded", "model_not_found")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    limits = {
        f"BEDROCK_{wait}_TIMEOUT": str(limit)
        for wait, limit in {"CONNECT": 1, "FIRST_EVENT": 1, "IDLE": 1, "TOTAL": 4}.items()
    }
    home = tmp_path_factory.mktemp("gateway")
    (home / "gateway.yaml").write_text("defaults: {allowed_fails: 1000}")  # one fault shall not answer for the next
    limits["GATEWAY_FILE"] = str(home / "gateway.yaml")
    async with running_gateway(sandbox.url, home, **limits) as running:
        yield running


async def test_every_fault_of_the_sandbox_is_in_the_table() -> None:
    assert CODES.keys() == FAULTS.keys()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("fault", CODES)
async def test_a_fault_has_its_code(fault: str, mode: Any, gateway: Running, sandbox: Sandbox) -> None:
    question = f"[[fault:{fault}]] tell me something"
    if fault == "slow-bytes":  # of few bytes
        question = "[[fault:slow-bytes:0]] Say: ok"
    asked = {"model": "nova-lite", "messages": [{"role": "user", "content": question}], "cache": "bypass"}
    async with asyncio.timeout(30), Client(gateway.url + "/mcp", mode=mode) as client:
        result = await client.call_tool("generate", asked)
    told = cast("dict[str, Any]", result.structured_content)
    assert sandbox.log[-1].model_id == "us.amazon.nova-lite-v1:0"
    if CODES[fault] == OK:
        assert not result.is_error, told
        assert told["content"]
        assert told["finish_reason"] == FINISHES.get(fault, "stop")
        assert told["usage"].get("estimated", False) == (fault in ESTIMATED)
        return
    error = told["error"]
    assert result.is_error
    assert (error["code"], error["type"] == "invalid_request_error") == (CODES[fault], CODES[fault] in CALLERS), error
    assert error["message"]
    assert error["request_id"].startswith("req_")
    assert "Traceback" not in error["message"]
    for _ in range(100):
        if sandbox.open_now == 0:
            break
        await asyncio.sleep(0.02)
    assert sandbox.open_now == 0
