"""``llm-gateway usage``: what was spent, by key, team, agent, model, run or day."""

import argparse
import asyncio
import csv
import json
import sys
from typing import cast

from llm_gateway.administration import Administration
from llm_gateway.domain.errors import ConfigurationError, GatewayError
from llm_gateway.domain.usage import USAGE_GROUPS, UsageQuestion
from llm_gateway.money_rooms import open_database
from llm_gateway.settings import Settings
from llm_gateway.surfaces.money_words import Json
from llm_gateway.surfaces.usage_words import a_day, by_words, encode_usage

_SHOWN = ("calls", "input_tokens", "output_tokens", "cache_read_tokens", "estimated_calls", "cost_usd")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--by", default="model", metavar="WORDS", help=f"of {', '.join(USAGE_GROUPS)} (model)")
    parser.add_argument("--since", metavar="DAY", help="first day, such as 2026-11-01 (UTC)")
    parser.add_argument("--until", metavar="DAY", help="last day")
    parser.add_argument("--key", metavar="NAME", help="of this key only, by name or id")
    parser.add_argument("--team", help="of this team only")
    parser.add_argument("--run", help="of this run only")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Prints the answer.

    Raises:
        ConfigurationError: what was asked is wrong, or the ledger is off.
    """
    if settings.ledger == "off":
        raise ConfigurationError("LEDGER='off': nothing is written down; set LEDGER=on")
    try:
        _print(asyncio.run(_ask(args, settings)), args.format)
    except GatewayError as error:
        raise ConfigurationError(error.message) from error
    return 0


async def _ask(args: argparse.Namespace, settings: Settings) -> Json:
    by, since, until = by_words(args.by, "--by"), a_day(args.since, "--since"), a_day(args.until, "--until")
    database = open_database(settings)
    try:
        desk = Administration(database)
        key_id = None if args.key is None else (await desk.key(args.key)).record.id
        question = UsageQuestion(by=by, since=since, until=until, key_id=key_id, team=args.team, run_id=args.run)
        return encode_usage(question, await desk.usage(question))
    finally:
        await database.aclose()


def _print(told: Json, form: str) -> None:
    rows, by = cast("list[Json]", told["rows"]), cast("list[str]", told["by"])
    if form == "json":
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [*by, *_SHOWN])
        writer.writeheader()
        writer.writerows(rows)
    else:
        head = [*by, *_SHOWN]
        lines = [head, *[[str(row[name]) or "-" for name in head] for row in rows]]
        widths = [max(len(line[number]) for line in lines) for number in range(len(head))]
        for line in lines:
            cells = [
                cell.ljust(width) if number < len(by) else cell.rjust(width)
                for number, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            sys.stdout.write("  ".join(cells).rstrip() + "\n")
        sys.stdout.write(f"{told['calls']} calls, ${told['total_cost_usd']}\n")
