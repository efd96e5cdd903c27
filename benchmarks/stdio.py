"""Over stdio: start to the first ``tools/list`` answer, and one ``generate`` through the official client."""

import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import orjson
from mcp import Client, StdioServerParameters, stdio_client

from benchmarks.plan import Line, Plan, ratio_line
from benchmarks.processes import child_environment

OURS = ("-m", "llm_gateway", "serve")
BARE = ("-m", "benchmarks.bare_server")
_HELLO = [
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "benchmark", "version": "1"},
        },
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
]
_serial = itertools.count(1)


def start_s(module: Sequence[str], environment: dict[str, str]) -> float:
    """From the start of the process to its answer of ``tools/list``."""
    with tempfile.TemporaryDirectory() as folder:
        started_at = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *module],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdin is not None and process.stdout is not None
        with process:
            process.stdin.write(b"".join(orjson.dumps(message) + b"\n" for message in _HELLO[:1]))
            process.stdin.flush()
            process.stdout.readline()
            process.stdin.write(b"".join(orjson.dumps(message) + b"\n" for message in _HELLO[1:]))
            process.stdin.flush()
            listed = orjson.loads(process.stdout.readline())
            took_s = time.perf_counter() - started_at
            assert "generate" in [tool["name"] for tool in listed["result"]["tools"]]
            process.stdin.close()
            process.stdout.close()
            process.terminate()
    return took_s


def start_line(plan: Plan, mock_port: int) -> Line:
    """Interleaved starts, after one of each that fills the caches of the disk."""
    environment = child_environment(mock_port)
    start_s(OURS, environment), start_s(BARE, environment)
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(plan.stdio_starts):
        ours.append(start_s(OURS, environment))
        bare.append(start_s(BARE, environment))
    return ratio_line("stdio: start to tools/list", ours, bare, most=1.4, unit="s")


async def _calls_ms(client: Client, calls: int) -> list[float]:
    took: list[float] = []
    for _ in range(calls):
        arguments: dict[str, Any] = {
            "model": "nova-micro",
            "messages": [{"role": "user", "content": f"Say something about fox number {next(_serial)}."}],
            "temperature": 0.5,
            "max_tokens": 200,
        }
        started_at = time.perf_counter()
        result = await client.call_tool("generate", arguments)
        took.append((time.perf_counter() - started_at) * 1000)
        if result.is_error:
            raise RuntimeError(f"a call failed: {result.content}")
    return took


async def call_line(plan: Plan, mock_port: int) -> Line:
    """Two servers side by side, asked in turns, one call at a time."""
    ours: list[float] = []
    bare: list[float] = []
    environment = child_environment(mock_port)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123, ASYNC230 - it has no path and does not block
        async with contextlib.AsyncExitStack() as stack:
            clients: list[Client] = []
            for module in (OURS, BARE):
                server = StdioServerParameters(command=sys.executable, args=[*module], env=environment)
                clients.append(await stack.enter_async_context(Client(stdio_client(server, errlog=nowhere))))
            for client in clients:
                await _calls_ms(client, 5)
            for _ in range(plan.stdio_rounds):
                ours += await _calls_ms(clients[0], plan.stdio_calls)
                bare += await _calls_ms(clients[1], plan.stdio_calls)
    mine, theirs = median(ours), median(bare)
    return Line(
        measure="stdio: one generate, official client",
        ours=f"{mine:.3f} ms",
        bare=f"{theirs:.3f} ms",
        ratio=f"{mine - theirs:+.3f} ms",
        target="≤ +1 ms",
        met=mine - theirs <= 1,
    )
