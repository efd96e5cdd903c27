"""The gateway below its doors, in one process: ``Gateway.generate`` against the mock, beside the floor's own call.

Run: ``python -m benchmarks.pipeline CALLS ROUNDS``, with the mock's address in the environment. Prints JSON: CPU
milliseconds per call, one list for each.
"""

import asyncio
import itertools
import os
import sys
import time
from collections.abc import Awaitable, Callable

import orjson
import uvloop

from benchmarks.floor import Floor
from llm_gateway.app import create_app
from llm_gateway.domain.content import Message, Text
from llm_gateway.domain.requests import GenerateRequest
from llm_gateway.settings import load_settings
from llm_gateway.telemetry.logs import configure_logs

CALLERS = 32
_serial = itertools.count(1)


async def cpu_ms(ask: Callable[[str], Awaitable[object]], calls: int) -> float:
    """CPU per call of this process, so many at once."""
    left = itertools.repeat(None, calls)

    async def ask_on() -> None:
        for _ in left:
            await ask(f"Say something about the fox of number {next(_serial)}, in one sentence.")

    started_at = time.process_time()
    await asyncio.gather(*(ask_on() for _ in range(CALLERS)))
    return (time.process_time() - started_at) * 1000 / calls


async def measure(calls: int, rounds: int) -> dict[str, list[float]]:
    """Interleaved rounds."""
    app = create_app(load_settings())
    floor = Floor(os.environ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"])

    async def generate(text: str) -> None:
        request = GenerateRequest(
            model="nova-micro", messages=(Message("user", (Text(text),)),), temperature=0.5, max_tokens=200
        )
        await app.gateway.generate(request, request_id="req_0")

    figures: dict[str, list[float]] = {"ours": [], "floor": []}
    await cpu_ms(generate, CALLERS)
    await cpu_ms(floor.ask, CALLERS)
    for _ in range(rounds):
        figures["ours"].append(await cpu_ms(generate, calls))
        figures["floor"].append(await cpu_ms(floor.ask, calls))
    await floor.aclose()
    await app.gateway.aclose()
    return figures


if __name__ == "__main__":
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - it has no path to speak of
        configure_logs(level="INFO", stream=nowhere)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            print(orjson.dumps(runner.run(measure(int(sys.argv[1]), int(sys.argv[2])))).decode())
