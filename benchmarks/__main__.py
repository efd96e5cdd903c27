"""``python -m benchmarks [--quick]``: one table. The exit code is 0 even where a target is missed: figures of a busy
machine are no verdict; ``--strict`` makes it 1."""

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import orjson
import uvloop

from benchmarks import agents, over_http, over_money, over_rows, over_v1, stdio
from benchmarks.machine import describe
from benchmarks.plan import FULL, QUICK, TINY, Line, Plan
from benchmarks.processes import ROOT, child_environment, mock

PLANS = {"full": FULL, "quick": QUICK, "tiny": TINY}


def pipeline_line(plan: Plan, mock_port: int) -> Line:
    """The gateway below its doors, beside the floor's call, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.pipeline", str(plan.floor_calls), str(plan.floor_rounds)]
    done = subprocess.run(
        command, env=child_environment(mock_port), cwd=ROOT / "benchmarks", capture_output=True, check=True
    )
    figures = orjson.loads(done.stdout)
    ours, floor = median(figures["ours"]), median(figures["floor"])
    return Line(
        measure="CPU of Gateway.generate, no door (beside the floor's call)",
        ours=f"{ours:.3f} ms",
        bare=f"{floor:.3f} ms",
        ratio=f"{ours / floor:.2f}",
    )


async def over_the_wires(plan: Plan, mock_port: int, slow_port: int) -> list[Line]:
    """Everything that needs an event loop."""
    return [
        await stdio.call_line(plan, mock_port),
        *await agents.node_lines(plan, mock_port),
        *await over_http.cost_lines(plan, mock_port),
        *await over_http.slow_lines(plan, slow_port),
        await over_http.memory_line(plan, mock_port),
        *await over_v1.chat_lines(plan, mock_port),
        *await over_v1.stream_lines(plan),
        *await over_v1.first_token_lines(plan),
        *await over_v1.waiting_lines(plan),
        *await over_money.money_lines(plan, mock_port),
        *await over_rows.rows_lines(plan, mock_port),
    ]


def measure(plan: Plan) -> list[Line]:
    """All lines, in the order of the table."""
    with mock() as upstream, mock(plan.slow_s) as slow:
        lines = [stdio.start_line(plan, upstream.port)]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            lines += runner.run(over_the_wires(plan, upstream.port, slow.port))
        return [*lines, pipeline_line(plan, upstream.port)]


def table(lines: Sequence[Line]) -> str:
    """In Markdown, so that the README can quote it."""
    rows = [("measure", "ours", "beside", "ratio", "target", "met")]
    for line in lines:
        met = "" if line.met is None else "yes" if line.met else "**no**"
        rows.append((line.measure, line.ours, line.bare, line.ratio, line.target, met))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, tuple("-" * width for width in widths))  # type: ignore[arg-type]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    )


def main(arguments: Sequence[str]) -> int:
    """Measures, prints, and says whether all targets were met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_const", const="quick", dest="plan", help="below a minute, less steady")
    parser.add_argument("--plan", choices=PLANS, help=argparse.SUPPRESS)
    parser.set_defaults(plan="full")
    parser.add_argument("--strict", action="store_true", help="exit code 1 where a target is missed")
    args = parser.parse_args(arguments)
    if not Path("/proc/self/stat").exists():
        sys.stderr.write("benchmarks: CPU time and memory are read from /proc, which is not here; run them on Linux\n")
        return 2
    print(describe(), end="\n\n", flush=True)
    started_at = time.monotonic()
    lines = measure(PLANS[args.plan])
    print(table(lines))
    print(f"\nMedians of interleaved rounds; {args.plan} run, {time.monotonic() - started_at:.0f} s.")
    return int(args.strict and any(line.met is False for line in lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
