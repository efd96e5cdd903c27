"""`llm-gateway models`: the catalog as a table, as JSON, as Markdown, and held against other sources."""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, TextIO

from llm_gateway.catalog.catalog import Catalog, load_catalog
from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.errors import ConfigurationError, InvalidRequest

if TYPE_CHECKING:
    from llm_gateway.backends.bedrock.account import AccountModels
    from llm_gateway.models_check import AccountReport, PriceDifference, PriceReport
    from llm_gateway.settings import Settings

ReadAccount = Callable[[str], Awaitable["AccountModels"]]
Row = tuple[str, ...]

_LETTERS = {"tools": "T", "vision": "V", "reasoning": "R", "native_json_schema": "J", "prompt_cache": "C"}
_LEGEND = (
    "in, out, read, write: US dollars per million tokens, on demand (read, write: prompt cache, 5 minutes)\n"
    "end: L legacy until that day, R retired since, L without a day: no public end\n"
    "can: T tools, V images, R reasoning, J native JSON schema, C prompt cache; --json tells everything"
)
_HEAD = ("name", "model id", "ctx", "max", "in", "out", "read", "write", "end", "can")
_NUMERIC = frozenset((2, 3, 4, 5, 6, 7))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `llm-gateway models`."""
    parser.add_argument("--provider", help="only models of this provider, e.g. amazon")
    parser.add_argument("--capability", help="only models that can do this, e.g. vision")
    parser.add_argument("--lifecycle", help="only active, legacy or retired models")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON instead of a table")
    form.add_argument("--markdown", action="store_true", help="print the README's table")
    form.add_argument(
        "--check",
        action="store_true",
        help="compare prices with a second source, and models with your account's own lists; exit code 1: they differ",
    )


def run(
    args: argparse.Namespace,
    settings: "Settings",
    *,
    read_account: ReadAccount | None = None,
    today: date | None = None,
    stdout: TextIO | None = None,
) -> int:
    """Prints what was asked for; returns the exit code: 0, or 1 where ``--check`` found differences.

    Raises:
        ConfigurationError: the models file is wrong, or a filter names what there is not.
    """
    out = stdout or sys.stdout
    today = today or datetime.now(UTC).date()
    catalog = load_catalog(settings.models_file)
    try:
        cards = catalog.listing(
            provider=args.provider, capability=args.capability, lifecycle=args.lifecycle, today=today
        )
    except InvalidRequest as refused:
        raise ConfigurationError(f"--{refused.message}") from refused
    if args.check:
        read = read_account or partial(_own_account, settings)
        return _check(catalog, cards, settings.aws_region, today, read, out)
    if args.json:
        out.write(json.dumps([_as_json(card) for card in cards], indent=2, ensure_ascii=False) + "\n")
    elif args.markdown:
        out.write(models_markdown(catalog, today))
    else:
        out.write(models_table(cards))
    return 0


def models_table(cards: Sequence[ModelCard]) -> str:
    """A table of at most 120 columns (for the shipped models), with its legend."""
    rows = [_HEAD, *(_row(card) for card in cards)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        " ".join(
            cell.rjust(width) if column in _NUMERIC else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, "", f"{len(cards)} models", _LEGEND, ""])


def models_markdown(catalog: Catalog, today: date) -> str:
    """The README's table: all listed models with their lifecycle on that day."""
    lines = [
        "| name | model id | context / output | in / out | cache read / write | lifecycle | can |",
        "|---|---|---|---|---|---|---|",
    ]
    for card in catalog.listing(today=today):
        name, model_id, context, output, *prices, _, letters = _row(card)
        paid_in, paid_out, read, write = (price or "–" for price in prices)
        lines.append(
            f"| {name} | `{model_id}` | {context} / {output} | {paid_in} / {paid_out} | {read} / {write} "
            f"| {_lifecycle_words(card)} | {letters} |"
        )
    return "\n".join(lines) + "\n"


def _row(card: ModelCard) -> Row:
    prices = card.prices
    return (
        card.name,
        card.id,
        _short_count(card.context_window_tokens),
        _short_count(card.max_output_tokens),
        _plain(prices.base.input_per_mtok if prices else None),
        _plain(prices.base.output_per_mtok if prices else None),
        _plain(prices.cache_read_per_mtok if prices else None),
        _plain(prices.cache_write_5m_per_mtok if prices else None),
        _end(card),
        "".join(letter for word, letter in _LETTERS.items() if card.can(word)),
    )


def _short_count(tokens: int) -> str:
    """131072 as 131k, 1050000 as 1M: rounded down."""
    if tokens < 1_000_000:
        return f"{tokens // 1000}k" if tokens >= 1000 else str(tokens)
    return f"{tokens // 1_000_000}M"


def _plain(price: Decimal | None) -> str:
    return "" if price is None else f"{price.normalize():f}"


def _end(card: ModelCard) -> str:
    if card.lifecycle.status == "active":
        return ""
    return f"{card.lifecycle.status[0].upper()} {card.lifecycle.ends_on or ''}".rstrip()


def _lifecycle_words(card: ModelCard) -> str:
    lifecycle = card.lifecycle
    if lifecycle.status == "active":
        return "active"
    word = "until" if lifecycle.status == "legacy" else "on"
    dated = f"{lifecycle.status} {word} {lifecycle.ends_on}" if lifecycle.ends_on else lifecycle.status
    return f"{dated} → {lifecycle.successor}" if lifecycle.successor else dated


def _as_json(card: ModelCard) -> dict[str, object]:
    lifecycle, prices = card.lifecycle, card.prices
    return {
        "name": card.name,
        "model_id": card.id,
        "aliases": list(card.aliases),
        "provider": card.provider,
        "description": card.description,
        "context_window": card.context_window_tokens,
        "max_tokens": card.max_output_tokens,
        "input_modalities": list(card.input_modalities),
        "output_modalities": list(card.output_modalities),
        "capabilities": sorted(card.capabilities),
        "profiles": list(card.profiles),
        "needs_profile": card.needs_profile,
        "lifecycle": {
            "status": lifecycle.status,
            "ends_on": lifecycle.ends_on and lifecycle.ends_on.isoformat(),
            "successor": lifecycle.successor,
            "note": lifecycle.note,
        },
        "usd_per_million_tokens": None
        if prices is None
        else {
            "input": float(prices.base.input_per_mtok),
            "output": float(prices.base.output_per_mtok),
            "cache_read": _number(prices.cache_read_per_mtok),
            "cache_write_5m": _number(prices.cache_write_5m_per_mtok),
            "cache_write_1h": _number(prices.cache_write_1h_per_mtok),
            "source": prices.source,
            "checked_on": prices.checked_on.isoformat(),
        },
    }


def _number(price: Decimal | None) -> float | None:
    return None if price is None else float(price)


def _check(
    catalog: Catalog, cards: Sequence[ModelCard], region: str, today: date, read_account: ReadAccount, out: TextIO
) -> int:
    from llm_gateway.accounting.second_opinion import SecondOpinion
    from llm_gateway.backends.bedrock.account import AccountUnreadable
    from llm_gateway.models_check import compare_account, compare_prices

    living = [card for card in cards if card.lifecycle.status != "retired"]
    priced = compare_prices(living, SecondOpinion(), region=region)
    _print_prices(priced, out)
    differing = len(priced.differences)
    try:
        account = asyncio.run(_awaited(read_account(region)))
    except AccountUnreadable as fault:
        out.write(f"\nThe account's own lists were not compared: {fault}\n")
    else:
        report = compare_account(catalog, account, today)
        _print_account(report, region, out)
        differing += len(report.differences)
    out.write(f"\n{differing} differences: exit code 1\n" if differing else "\nNo differences.\n")
    return 1 if differing else 0


async def _awaited(asked: "Awaitable[AccountModels]") -> "AccountModels":
    return await asked


async def _own_account(settings: "Settings", region: str) -> "AccountModels":
    from llm_gateway.app import access_wish
    from llm_gateway.backends.bedrock.account import read_account

    wish = replace(access_wish(settings), region=region, endpoint_url=None)
    return await read_account(region, wish=wish, endpoint_url=settings.aws_endpoint_url_bedrock)


def _print_prices(report: "PriceReport", out: TextIO) -> None:
    out.write("Prices, ours / genai-prices, US dollars per million tokens, on demand (tiers are not compared)\n\n")
    by_id: dict[str, list[PriceDifference]] = {}
    for found in report.differences:
        by_id.setdefault(found.invoked_id, []).append(found)
    for invoked_id, differences in by_id.items():
        first = differences[0]
        prices = [f"{one.price_class} {one.ours_per_mtok:f} / {one.theirs_per_mtok:f}" for one in differences]
        out.write(f"{first.name}: {invoked_id} ({first.our_source}) / {first.their_model}\n    {', '.join(prices)}\n")
    out.write(f"\n{report.compared} ids compared, {len(by_id)} differ in {len(report.differences)} prices\n")
    if report.unknown:
        out.write(f"{len(report.unknown)} ids are not known there: {', '.join(report.unknown)}\n")


def _print_account(report: "AccountReport", region: str, out: TextIO) -> None:
    out.write(f"\nAll models and profiles against the account's own lists in {region}\n\n")
    for difference in report.differences:
        out.write(f"{difference}\n")
    out.write(f"{len(report.differences)} differences\n")
    if report.not_offered:
        out.write(f"Not in this region's list (no fault): {', '.join(report.not_offered)}\n")
