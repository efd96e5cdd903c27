"""``llm-gateway usage``: what was spent, by key, team, agent, model, run or day; priced anew; held against AWS."""

import argparse
import asyncio
import csv
import json
import sys
from collections.abc import Sequence
from typing import cast

from llm_gateway import focus_lines, reconcile_command, reprice_command
from llm_gateway.administration import Administration
from llm_gateway.domain.errors import ConfigurationError, GatewayError
from llm_gateway.domain.usage import USAGE_GROUPS, UsageQuestion
from llm_gateway.money_rooms import open_database
from llm_gateway.settings import Settings
from llm_gateway.storage.contract import StorageUnavailable
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
    parser.add_argument("--format", choices=("table", "csv", "json", "focus"), default="table")
    parser.set_defaults(verb="sums")
    verbs = parser.add_subparsers(title="more", metavar="VERB")
    for name, verb, meaning in (
        ("reprice", reprice_command, "tell what today's prices would have made of the ledger, and why"),
        ("reconcile", reconcile_command, "hold the ledger against AWS's own word, and name what makes the difference"),
    ):
        each = verbs.add_parser(name, help=meaning, allow_abbrev=False)
        verb.add_arguments(each)
        each.set_defaults(verb=name)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Prints the answer.

    Raises:
        ConfigurationError: what was asked is wrong, or the ledger is off.
    """
    if settings.ledger == "off":
        raise ConfigurationError("LEDGER='off': nothing is written down; set LEDGER=on")
    try:
        if args.verb == "reprice":
            told = asyncio.run(reprice_command.reprice(args, settings))
            write_rows(cast("list[Json]", told["rows"]), reprice_command.COLUMNS, args.format, told, words=2)
            if args.format == "table":
                sums = (told["calls"], told["booked_usd"], told["repriced_usd"], told["difference_usd"])
                sys.stdout.write("{} calls, ${} booked, ${} at today's prices; the difference is ${}\n".format(*sums))
            return 0
        if args.verb == "reconcile":
            told = asyncio.run(reconcile_command.reconcile(args, settings))
            write_rows(cast("list[Json]", told["rows"]), reconcile_command.COLUMNS, args.format, told, words=3)
            if args.format == "table":
                sys.stdout.write(reconcile_command.summary(told) + "\n")
            return 1 if told["differences"] else 0
        if args.format == "focus":
            sys.stdout.write(asyncio.run(focus_lines.focus(args, settings)))
        else:
            _print(asyncio.run(_ask(args, settings)), args.format)
    except StorageUnavailable as gone:
        raise ConfigurationError(f"the ledger cannot be read: {gone}") from gone
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
    columns = [*by, *_SHOWN] if form == "table" or not rows else list(rows[0])
    write_rows(rows, columns, form, told, words=len(by))
    if form == "table":
        sys.stdout.write(f"{told['calls']} calls, ${told['total_cost_usd']}\n")


def write_rows(rows: Sequence[Json], columns: Sequence[str], form: str, told: Json, *, words: int) -> None:
    """As a table whose first ``words`` columns, and a last one of reasons, are text; as CSV; or ``told`` as JSON."""
    if form == "json":
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, columns)
        writer.writeheader()
        writer.writerows(rows)
    else:
        lines = [
            list(columns),
            *[["-" if row[name] in ("", None) else str(row[name]) for name in columns] for row in rows],
        ]
        widths = [max(len(line[number]) for line in lines) for number in range(len(columns))]
        is_text = [number < words or name in ("why", "cause") for number, name in enumerate(columns)]
        for line in lines:
            cells = [
                cell.ljust(width) if text else cell.rjust(width)
                for cell, width, text in zip(line, widths, is_text, strict=True)
            ]
            sys.stdout.write("  ".join(cells).rstrip() + "\n")
