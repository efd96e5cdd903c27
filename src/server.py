"""The doorbell: ``python -m src.server`` starts the server from a bare checkout, with serve's own options."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from llm_gateway.cli import run  # after the line above: it makes the package importable from a bare checkout

if __name__ == "__main__":
    sys.exit(run(["serve", *sys.argv[1:]]))
