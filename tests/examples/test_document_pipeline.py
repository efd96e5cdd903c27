"""The example is run as its README says, and its bill adds up."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
AGENTS = ("supervisor", "chunking", "extraction", "mapping", "validation")


def test_five_agents_work_and_each_has_a_bill() -> None:
    ran = subprocess.run(
        [sys.executable, "examples/document_pipeline.py"],
        cwd=CHECKOUT,
        env={name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LLM_GATEWAY_"))},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    bill = ran.stdout.partition("US DOLLARS\n")[2].splitlines()
    rows = {line.split()[0]: line.split() for line in bill[:-1]}
    assert set(rows) == set(AGENTS)
    assert rows["extraction"][2] == "4"
    assert sum(Decimal(row[-1]) for row in rows.values()) == Decimal(bill[-1].split()[-1]) > 0
    assert "may not ask 'claude-opus-4-6'; it may ask nova-micro" in ran.stdout
