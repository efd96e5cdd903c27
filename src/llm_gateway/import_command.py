"""``llm-gateway import litellm CONFIG``: a gateway file on stdout, and on stderr what could not be carried over."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from llm_gateway.catalog.catalog import load_catalog
from llm_gateway.gateway_file.document import read_document
from llm_gateway.litellm_import.conversion import converted
from llm_gateway.litellm_import.written import written

_REGION = "us-east-1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    sources = parser.add_subparsers(title="sources", metavar="SOURCE", required=True)
    litellm = sources.add_parser("litellm", help="the configuration of LiteLLM's proxy", allow_abbrev=False)
    litellm.add_argument("file", type=Path, metavar="CONFIG", help="its config.yaml")


def run(args: argparse.Namespace) -> int:
    """Writes the file and the notes; 0, since a file comes out also where much was left out.

    Raises:
        ConfigurationError: this is no configuration of LiteLLM's proxy.
    """
    file: Path = args.file
    catalog, today = load_catalog(), datetime.now(UTC).date()
    draft = converted(
        read_document(file), lambda word, region: catalog.resolve(word, region=region or _REGION, today=today)
    )
    sys.stdout.write(written(draft, file.name))
    for note in draft.notes:
        sys.stderr.write(f"{file.name}: {note}\n")
    return 0
