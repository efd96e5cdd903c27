"""``llm-gateway`` and ``python -m llm_gateway``: hands over to the commands."""

import sys

from llm_gateway.cli import run


def main() -> int:
    """The process's exit code."""
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
