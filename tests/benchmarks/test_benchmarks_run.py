"""The benchmarks run from end to end, in the smallest sizes. No figure is asserted: those are of a quiet machine."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="CPU time is read from /proc")


@pytest.mark.timeout(420)
def test_every_measure_gives_its_line() -> None:
    command = [sys.executable, "-m", "benchmarks", "--plan", "tiny"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("|")]
    measures = [row[1].strip() for row in rows[2:]]
    assert len(measures) == 29
    assert all(row[2].strip() for row in rows[2:])
    assert {row[6].strip() for row in rows[2:]} <= {"yes", "**no**", ""}
