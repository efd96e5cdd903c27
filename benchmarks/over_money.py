"""What it costs to keep the books: the same requests with ledger, key, budget and limits, and without any of them."""

import subprocess
import sys
import tempfile
from pathlib import Path

import orjson

from benchmarks.costs import Cost, cost_of
from benchmarks.load import chat, check_chat, fresh_numbers
from benchmarks.plan import Line, Plan, ratio_line
from benchmarks.processes import child_environment, gateway

_MOST = 1.6
_AMPLE = "1000000000"
_LIMITS = ("--budget", "1000000", "--window", "month", "--rpm", _AMPLE, "--tpm", _AMPLE, "--concurrent", _AMPLE)


def new_key(home: str, name: str = "bench") -> str:
    """A key that is held to a budget and to limits which this run never reaches."""
    done = subprocess.run(
        [sys.executable, "-m", "llm_gateway", "keys", "create", "--name", name, "--json", *_LIMITS],
        env=child_environment(LEDGER="on", LLM_GATEWAY_HOME=home),
        cwd=home,
        capture_output=True,
        check=True,
    )
    return str(orjson.loads(done.stdout)["key"])


async def money_lines(plan: Plan, mock_port: int) -> list[Line]:
    """Two gateways side by side, asked in turns. The ledger is on a disk: memory would cost less than users pay."""
    on: list[Cost] = []
    off: list[Cost] = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as home:
        bearing = chat(headers=f"authorization: Bearer {new_key(home)}\r\n")
        with gateway(mock_port, LEDGER="on", LLM_GATEWAY_HOME=home) as books, gateway(mock_port) as plain:
            for _ in range(plan.v1_rounds):
                on.append(await cost_of(books, bearing, fresh_numbers(), plan.v1_calls, check_chat))
                off.append(await cost_of(plain, chat(), fresh_numbers(), plan.v1_calls, check_chat))
    mine, theirs = Cost.median(on), Cost.median(off)
    return [
        ratio_line(
            "ledger, key, budget, limits: CPU per request (beside without)",
            [each.cpu_ms for each in on],
            [each.cpu_ms for each in off],
            most=_MOST,
        ),
        Line(
            measure="the same: requests per second",
            ours=f"{mine.per_s:,.0f}",
            bare=f"{theirs.per_s:,.0f}",
            ratio=f"{mine.per_s / theirs.per_s:.2f}",
        ),
    ]
