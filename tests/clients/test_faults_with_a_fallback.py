"""Every fault of the sandbox at the first of two targets: who answers in the end, and how often each was asked."""

import asyncio
import json
from pathlib import Path

import aiohttp
from fault_matrix import MATRIX

from llm_gateway.sandbox.script import Script
from llm_gateway.sandbox.server import Sandbox
from money.kept import Kept

STAYS = {
    *("validation", "too-long", "exception-first-validation", "exception-mid-validation"),  # the caller is to blame
    *("stall", "endless", "huge-frame"),  # it may be paid, and goes on somewhere
}
AT_ONCE = {
    "reset",
    "throttle",
    "throttle-requests",
    "too-many-connections",
    "exception-first",
    "exception-first-throttle",
}
WAITS = {"FIRST_EVENT": "1.5", "IDLE": "1.5", "TOTAL": "6"}
NAMES = {fault: f"with-{number}" for number, fault in enumerate(MATRIX, 1)}


def route(name: str, number: int) -> str:
    """Each fault has a target of its own, for one that was throttled rests."""
    target = f"{{model: nova-lite, region: us-east-{number}}}"
    return f"  {name}: {{targets: [{target}], fallbacks: [nova-pro], allowed_fails: 1000, retry_share: 2}}\n"


def falls(fault: str, stream: bool) -> bool:
    row = MATRIX[fault]
    return bool(row.code) and fault not in STAYS and not (stream and row.mid)


def calls_of_the_first(fault: str, stream: bool) -> int:
    """The last attempt is kept for the other target, and a throttle goes there at once."""
    row = MATRIX[fault]
    if not falls(fault, stream):
        return 1
    return 1 if fault in AT_ONCE else min(row.calls(stream), 2)


async def complaint(http: aiohttp.ClientSession, url: str, sandbox: Sandbox, fault: str, stream: bool) -> str | None:
    """What is wrong with one answer."""
    row, said = MATRIX[fault], f"{NAMES[fault]}. {'stream' if stream else 'whole'}: say something"
    body = {"model": NAMES[fault], "stream": stream, "messages": [{"role": "user", "content": said}]}
    async with http.post(url + "/v1/chat/completions", json=body) as answer:
        text, served = await answer.text(), answer.headers.get("x-llm-gateway-model")
        told = json.loads(answer.headers["x-llm-gateway-route"])
    asked = [record.model_id for record in sandbox.log if record.body and said in str(record.body)]
    calls = (len([model for model in asked if "lite" in model]), len([model for model in asked if "pro" in model]))
    expected = (calls_of_the_first(fault, stream), int(falls(fault, stream)))
    if fault == "reset" and calls == (2, 1):
        calls = expected  # the first connection was an old one, and had to be replaced
    if calls != expected:
        return f"{fault}, {stream}: {calls} calls, not {expected}: {told}"
    if falls(fault, stream) or not row.code:
        wanted = "nova-pro" if falls(fault, stream) else "nova-lite"
        is_whole = "[DONE]" in text if stream else "choices" in text
        return None if served == wanted and is_whole else f"{fault}, {stream}: {served}, not {wanted}: {text[:200]}"
    return None if row.code in text and "[DONE]" not in text else f"{fault}, {stream}: {text[:200]}"


async def test_a_fault_goes_where_the_matrix_says(tmp_path: Path) -> None:
    script = [
        {
            "match": {"model": "nova-lite", "text": f"{NAMES[fault]}."},
            "faults": ["slow-bytes:0" if fault == "slow-bytes" else fault],
            "then": "repeat",
        }
        for fault in MATRIX
    ]
    kept = Kept(tmp_path)
    routes = [route(name, number) for number, name in enumerate(NAMES.values(), 1)]
    (tmp_path / "gateway.yaml").write_text("routes:\n" + "".join(routes))
    limits = {f"BEDROCK_{wait}_TIMEOUT": limit for wait, limit in WAITS.items()}
    async with (
        Sandbox(script=Script.of(script)) as sandbox,
        kept.gateway(sandbox, GATEWAY_FILE=str(tmp_path / "gateway.yaml"), **limits) as (running, http),
    ):
        asking = [complaint(http, running.url, sandbox, fault, stream) for fault in MATRIX for stream in (False, True)]
        found = await asyncio.gather(*asking)
    assert not [each for each in found if each]
