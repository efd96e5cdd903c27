"""``python -m benchmarks.quota_twin [claude] [nova] [two] [shared]``: the twin of Bedrock's quota beside the bucket.

The sandbox holds a bucket of tokens and requests for each model and region, the gateway file names the same limits, and
callers with three keys ask for more than there is: short and long inputs, a ``max_tokens`` far above the answers. Told
are throttles, what was burned beside what the bucket could have given, and each key's share. two: a target in each of
two regions. shared: somebody else draws half of the same quota past the gateway, so that it has to be throttled.
"""

import asyncio
import contextlib
import http.client
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import uvloop

from benchmarks.load import Caller, callers, fresh_numbers, http_post
from benchmarks.over_money import new_key
from benchmarks.processes import Server, child_environment, free_port, gateway, running

_TPM, _RPM, _FOR_S, _MAX_TOKENS = 600_000, 6_000, 20.0, 1000
_LONG_TOKENS, _ONE_OF = 8_000, 4
_CALLERS = (4, 4, 16)  # of each key
_MODELS = {
    "claude": ("claude-haiku-4.5", "us.anthropic.claude-haiku-4-5-20251001-v1:0"),
    "nova": ("nova-lite", "us.amazon.nova-lite-v1:0"),
}


@contextlib.contextmanager
def _sandbox() -> Iterator[Server]:
    port = free_port()
    limits = ["--tpm", str(_TPM), "--rpm", str(_RPM), "--latency-ms", "150"]
    with running(["-m", "llm_gateway.sandbox", "--port", str(port), *limits], port, child_environment()) as server:
        yield server


def _quota(port: int) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/_sandbox/quota")
        told: dict[str, Any] = orjson.loads(connection.getresponse().read())
    return told


def _words(number: int) -> str:
    return f"{number:09d} " + "word " * (_LONG_TOKENS * 4 // 5 if number % _ONE_OF == 0 else 20)


def _chat(number: int, key: str) -> bytes:
    asked = {"model": "chat", "max_tokens": _MAX_TOKENS, "messages": [{"role": "user", "content": _words(number)}]}
    return http_post("/v1/chat/completions", f"authorization: Bearer {key}\r\n", orjson.dumps(asked))


def _elsewhere(number: int, model_id: str) -> bytes:
    asked = {
        "messages": [{"role": "user", "content": [{"text": _words(number)}]}],
        "inferenceConfig": {"maxTokens": _MAX_TOKENS},
    }
    signed = "authorization: AWS4-HMAC-SHA256 Credential=AKIDBENCHMARK/20260101/us-east-1/bedrock/aws4_request, "
    signed += "SignedHeaders=host, Signature=0\r\n"
    return http_post(f"/model/{model_id.replace(':', '%3A')}/converse", signed, orjson.dumps(asked))


async def _ask_on(caller: Caller, key: str, told: Counter[tuple[str, int]]) -> None:
    while True:
        status, _ = await caller.send(_chat(next(fresh_numbers()), key))
        told[key, status] += 1


async def _draw(caller: Caller, model_id: str, per_s: float, told: Counter[int]) -> None:
    """As much as somebody who does not know of this gateway, whatever becomes of it."""
    while True:
        status, _ = await caller.send(_elsewhere(next(fresh_numbers()), model_id))
        told[status] += 1
        await asyncio.sleep(1 / per_s)


def _gateway_file(home: str, targets: Sequence[str]) -> Path:
    file = Path(home, "gateway.yaml")
    file.write_text("routes:\n  chat:\n    targets:\n" + "".join(targets))
    return file


async def measure(name: str) -> None:
    """One of the four."""
    model, model_id = _MODELS.get(name, _MODELS["claude"])
    regions = ["us-east-1", "us-west-2"] if name == "two" else ["us-east-1"]
    targets = [f"      - {{model: {model}, region: {region}, tpm: {_TPM}, rpm: {_RPM}}}\n" for region in regions]
    told, theirs = Counter[tuple[str, int]](), Counter[int]()
    with tempfile.TemporaryDirectory() as home, _sandbox() as upstream:
        file = _gateway_file(home, targets)
        keys = [new_key(home, f"bench-{number}") for number in range(len(_CALLERS))]
        names = {"LEDGER": "on", "LLM_GATEWAY_HOME": home, "CACHE_ENABLED": "false", "GATEWAY_FILE": str(file)}
        with gateway(upstream.port, **names) as server:
            async with callers(server.port, sum(_CALLERS)) as opened, callers(upstream.port, 1) as (stranger,):
                began_at = time.perf_counter()
                owners = [key for key, count in zip(keys, _CALLERS, strict=True) for _ in range(count)]
                asking = [asyncio.ensure_future(_ask_on(*each, told)) for each in zip(opened, owners, strict=True)]
                if name == "shared":
                    asking.append(asyncio.ensure_future(_draw(stranger, model_id, 2.2, theirs)))
                await asyncio.sleep(_FOR_S)
                quota, took_s = _quota(upstream.port), time.perf_counter() - began_at
                for each in asking:
                    each.cancel()
    print(f"{name}: {_TPM:,} tokens and {_RPM:,} requests a minute at each of {len(regions)} places, {_FOR_S:.0f} s")
    _tell(told, theirs, quota["models"], took_s * len(regions))
    print(f"  answers by key, of {_CALLERS} callers: {[told[key, 200] for key in keys]}")


def _tell(told: Counter[tuple[str, int]], theirs: Counter[int], lines: list[dict[str, Any]], took_s: float) -> None:
    burned = sum([line["burned_tokens"] for line in lines])
    could = _TPM * (len(lines) + took_s / 60)
    statuses = Counter[int]()
    for (_, status), count in told.items():
        statuses[status] += count
    throttled = sum([line["throttled"] for line in lines]) - theirs[429]
    print(f"  callers: {dict(statuses)}; throttled upstream: {throttled}, {throttled / statuses[200]:.3f} of answers")
    print(f"  burned {burned:,.0f} of {could:,.0f} that the bucket could give: {burned / could:.1%}")
    if theirs:
        print(f"  somebody else: {dict(theirs)}")


def main(words: Sequence[str]) -> None:
    """Those that are named, else all."""
    for name in ("claude", "nova", "two", "shared"):
        if not words or name in words:
            uvloop.run(measure(name))


if __name__ == "__main__":
    main(sys.argv[1:])
