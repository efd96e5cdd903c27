"""`python -m llm_gateway.sandbox`: the sandbox alone, without the gateway."""

import argparse
import sys

from llm_gateway.sandbox.command import add_arguments, run


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m llm_gateway.sandbox", description="Bedrock on your own machine.")
    add_arguments(parser)
    return run(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
