"""``llm-gateway usage reconcile``: the ledger beside AWS's Cost and Usage Report and CloudWatch's token metrics."""

import argparse
import asyncio
import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

from llm_gateway.accounting.aws_report import Billed, UnreadableReport, from_cloudwatch, from_cost_report, signature
from llm_gateway.accounting.reconciling import Difference, Named, compare
from llm_gateway.administration import Administration
from llm_gateway.catalog.catalog import Catalog, load_catalog
from llm_gateway.domain.errors import ConfigurationError
from llm_gateway.domain.usage import UsageQuestion
from llm_gateway.money_rooms import open_database
from llm_gateway.settings import Settings
from llm_gateway.surfaces.money_words import Json
from llm_gateway.surfaces.usage_words import a_day

COLUMNS = ("day", "model", "class", "ledger", "aws", "difference", "cause")
_AWS = "aws"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("--since", metavar="DAY", help="first day, UTC (the first of the month)")
    parser.add_argument("--until", metavar="DAY", help="last day (yesterday)")
    parser.add_argument(
        *("--report",),
        action="append",
        default=[],
        metavar="PLACE",
        help="Cost and Usage Report 2.0: a .csv or .csv.gz, a folder of them, or s3://bucket/prefix (repeatable)",
    )
    parser.add_argument(
        *("--cloudwatch",),
        metavar="FILE",
        help="what `aws cloudwatch get-metric-data` printed, queries labelled MODEL_ID METRIC; or aws, to ask",
    )
    parser.add_argument("--all", action="store_true", help="what agrees, too")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table")


async def reconcile(args: argparse.Namespace, settings: Settings) -> Json:
    """The comparison; ``differences`` is how many lines differ.

    Raises:
        ConfigurationError: no report was given, or one cannot be read.
        InvalidRequest: a day that is none.
    """
    today = datetime.now(UTC).date()
    since = a_day(args.since, "--since") or today.replace(day=1)
    until = a_day(args.until, "--until") or max(since, today - timedelta(days=1))
    if not args.report and args.cloudwatch is None:
        raise ConfigurationError("give AWS's word: --report with Cost and Usage Report files, or --cloudwatch")
    try:
        billed = await asyncio.to_thread(_billed, args, settings, since, until)
    except UnreadableReport as unreadable:
        raise ConfigurationError(str(unreadable)) from unreadable
    database = open_database(settings)
    try:
        question = UsageQuestion(by=("day", "model", "outcome"), since=since, until=until)
        ledger = await Administration(database).usage(question)
    finally:
        await database.aclose()
    named = _names(load_catalog(settings.models_file))
    found = compare(ledger, billed, named=named, today=today, since=since, until=until)
    shown = [each for each in found if args.all or each.cause]
    return {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "rows": [_encoded(each) for each in shown],
        "compared": len(found),
        "differences": sum([bool(each.cause) for each in found]),
    }


def summary(told: Json) -> str:
    """One line for whoever reads the table."""
    differing = told["differences"]
    words = "all agree" if not differing else f"{differing} differ"
    return f"{told['since']} to {told['until']}: {told['compared']} lines compared, {words}"


def _encoded(each: Difference) -> Json:
    return {
        "day": each.day.isoformat(),
        "model": each.model,
        "class": each.token_class,
        "ledger": _plain(each.ledger),
        "aws": _plain(each.aws),
        "difference": _plain(each.more),
        "cause": each.cause,
    }


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _names(catalog: Catalog) -> Named:
    by_signature = {signature(word): card.name for card in catalog.cards for word in (card.name, *card.aliases)}

    def named(word: str) -> str:
        card = catalog.get(word)
        return card.name if card is not None else by_signature.get(signature(word), word)

    return named


def _billed(args: argparse.Namespace, settings: Settings, since: date, until: date) -> list[Billed]:
    """Everything that AWS says. Blocks: in a thread."""
    found: list[Billed] = []
    for place in cast("list[str]", args.report):
        for name, content in _report_files(place, settings):
            lines = csv.DictReader(io.StringIO(content))
            found += from_cost_report(lines.fieldnames or (), lines, name)
    if args.cloudwatch == _AWS:
        from llm_gateway.app import access_wish
        from llm_gateway.backends.bedrock.billing_sources import ask_cloudwatch

        found += from_cloudwatch(ask_cloudwatch(access_wish(settings), since, until), "CloudWatch")
    elif args.cloudwatch is not None:
        found += from_cloudwatch(_bytes(Path(args.cloudwatch)), args.cloudwatch)
    return found


def _report_files(place: str, settings: Settings) -> Iterator[tuple[str, str]]:
    """Names and texts of the report's files."""
    if place.startswith("s3://"):
        from llm_gateway.app import access_wish
        from llm_gateway.backends.bedrock.billing_sources import read_s3

        files: Iterable[tuple[str, bytes]] = read_s3(access_wish(settings), place, (".csv", ".csv.gz"))
    else:
        path = Path(place)
        names = sorted(path.rglob("*.csv")) + sorted(path.rglob("*.csv.gz")) if path.is_dir() else [path]
        files = [(str(name), _bytes(name)) for name in names]
    found = False
    for name, content in files:
        found = True
        yield name, _text(name, content)
    if not found:
        raise UnreadableReport(f"{place}: holds no .csv or .csv.gz (no Parquet: choose gzip/CSV for the export)")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as unreadable:
        raise UnreadableReport(f"{path}: cannot be read ({unreadable.strerror})") from unreadable


def _text(name: str, content: bytes) -> str:
    try:
        return (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as unreadable:
        raise UnreadableReport(f"{name}: is neither CSV in UTF-8 nor that in gzip") from unreadable
