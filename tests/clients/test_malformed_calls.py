"""Malformed calls over HTTP against the real process: each is answered, helpfully, and leaves nothing behind.

1,000 by default; ``LLM_GATEWAY_FUZZ=3x10000`` asks ten thousand from each of three seeds.
"""

import asyncio
import json
import os
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest
from malformed import Malformed, in_a_session, malformed
from yarl import URL

from fuzzing import fuzzed
from llm_gateway.sandbox.server import Sandbox
from llm_gateway.surfaces.tool_schemas import GENERATE_OUTPUT, GET_STATS_OUTPUT, LIST_MODELS_OUTPUT
from processes import running_gateway

SEEDS, COUNT = fuzzed("1x1000")
AT_ONCE = 16
ANSWERED_WITHIN_S = 10
FORBIDDEN = ("Traceback", "internal_error", 'File \\"', "site-packages", "sandbox/", "AWS4-HMAC")
UNREAD = "additional_model_request_fields"
OUTPUTS = {"generate": GENERATE_OUTPUT, "list_models": LIST_MODELS_OUTPUT, "get_stats": GET_STATS_OUTPUT}
CALLERS_CODES = ("invalid_request", "unsupported_feature", "context_length_exceeded", "model_not_found")


async def ask(http: aiohttp.ClientSession, url: str, request: Malformed, session: dict[str, str]) -> tuple[int, str]:
    headers = request.headers if request.method == "DELETE" else session | request.headers
    async with (
        asyncio.timeout(ANSWERED_WITHIN_S),
        http.request(
            request.method, URL(url + request.path, encoded=True), data=request.body, headers=headers
        ) as answer,
    ):
        return answer.status, (await answer.read()).decode()


def result_of(text: str) -> dict[str, Any] | None:
    """The JSON-RPC result, whole or as an event, if it is one."""
    lines = [line[6:] for line in text.splitlines() if line.startswith("data: ")] or [text]
    try:
        answer = json.loads(lines[-1])
    except ValueError:
        return None
    return answer.get("result") if isinstance(answer, dict) else None


def complaint(request: Malformed, status: int, text: str) -> str | None:
    """What is wrong with the answer."""
    if status >= 500:
        return f"status {status}"
    for word in FORBIDDEN:
        if word in text:
            return f"shows {word}"
    result = result_of(text)
    if not result or "structuredContent" not in result:
        return None
    told = result["structuredContent"]
    if not result.get("isError"):
        tool = request.about.partition(":")[0]
        if tool in OUTPUTS:
            jsonschema.validate(told, OUTPUTS[tool])
        return None
    error = told["error"]
    if error["code"] not in CALLERS_CODES:
        return f"code {error['code']}: {error['message']}"
    if UNREAD in request.about and error["message"].startswith("Bedrock refused"):
        return None  # passed on unread, so the refusal is the vendor's own
    if not error["message"] or not error.get("field"):
        return f"names no field or mend: {error}"
    return None


def footprint(pid: int) -> tuple[int, int]:
    """Resident memory in KiB and open file descriptors."""
    status = Path(f"/proc/{pid}/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(resident.split()[1]), len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - links to sockets


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
async def test_malformed_calls_are_answered_and_leave_nothing_behind(seed: int, tmp_path: Path) -> None:
    measurable = os.path.exists("/proc/self/fd")  # noqa: ASYNC240, PTH110 - once, before anything runs
    complaints: list[str] = []
    statuses: Counter[int] = Counter()
    requests = malformed(COUNT, seed)

    async with (
        Sandbox(log_size=100) as sandbox,
        running_gateway(sandbox.url, tmp_path, CACHE_MAX_SIZE="50") as gateway,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as http,
    ):
        session = await asyncio.to_thread(in_a_session, gateway.url)

        async def worker(batch: Any) -> None:
            for request in batch:
                try:
                    status, text = await ask(http, gateway.url, request, session)
                except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError) as fault:
                    complaints.append(f"{request.about}: {fault!r} {request.body[:500]!r}")
                    continue
                statuses[status] += 1
                wrong = complaint(request, status, text)
                if wrong:
                    complaints.append(f"{request.about}: {wrong[:600]} for {request.body[:700]!r}")

        async def wave(count: int) -> tuple[int, int]:
            batch = islice(requests, count)
            await asyncio.gather(*(worker(batch) for _ in range(AT_ONCE)))
            return footprint(gateway.process.pid) if measurable else (0, 0)

        warm = await wave(COUNT // 2)
        end = await wave(COUNT - COUNT // 2)
        async with http.get(gateway.url + "/health") as health:
            assert health.status == 200
        assert sandbox.open_now == 0
        logged = [line for line in gateway.lines if "Traceback" in line or "internal_error" in line]
    print(f"seed {seed}: {dict(statuses)}, KiB and descriptors {warm} -> {end}")  # noqa: T201
    assert not complaints, f"{len(complaints)} of {COUNT}:\n" + "\n".join(complaints[:30])
    assert not logged, logged[:3]
    assert sum(statuses.values()) == COUNT
    assert end[0] - warm[0] < 24 * 1024, (warm, end)
    assert end[1] - warm[1] <= AT_ONCE, (warm, end)
