"""``llm-gateway usage reprice``: what today's prices would have made of the ledger, and why."""

import argparse
from datetime import UTC, date, datetime, time, timedelta

from llm_gateway.accounting.catalog_pricer import CatalogPricer
from llm_gateway.accounting.contract import Price
from llm_gateway.accounting.repricing import BookedRow, Position, Repricing, page
from llm_gateway.accounting.second_opinion import SecondOpinion
from llm_gateway.catalog.catalog import Catalog, load_catalog
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.requests import ResolvedModel
from llm_gateway.money_rooms import open_database
from llm_gateway.settings import Settings
from llm_gateway.storage.contract import Database
from llm_gateway.surfaces.money_words import Json, usd
from llm_gateway.surfaces.usage_words import a_day

COLUMNS = ("model", "model_id", "calls", "booked_usd", "repriced_usd", "difference_usd", "why")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("--since", metavar="DAY", help="first day, such as 2026-11-01 (UTC)")
    parser.add_argument("--until", metavar="DAY", help="last day")
    parser.add_argument("--model", metavar="NAME", help="of this model only, as list_models calls it")
    parser.add_argument("--all", action="store_true", help="rows that come out as they were booked, too")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table")


async def reprice(args: argparse.Namespace, settings: Settings) -> Json:
    """The rows of the answer, and their sums.

    Raises:
        InvalidRequest: a day that is none.
        StorageUnavailable: the ledger cannot be read.
    """
    since, until = a_day(args.since, "--since"), a_day(args.until, "--until")
    prices = Prices(load_catalog(settings.models_file))
    await prices.warm()
    repricing = Repricing(prices.price)
    database = open_database(settings)
    try:
        await read_through(database, repricing, since, until, args.model)
    finally:
        await database.aclose()
    found = repricing.told()
    shown = [each for each in found if args.all or each.difference_nano_usd or each.why != "unchanged"]
    return {
        "rows": [
            {
                "model": each.model,
                "model_id": each.model_id,
                "calls": each.calls,
                "booked_usd": usd(each.booked_nano_usd),
                "repriced_usd": usd(each.repriced_nano_usd),
                "difference_usd": usd(each.difference_nano_usd),
                "why": each.why,
            }
            for each in shown
        ],
        "calls": repricing.calls,
        "booked_usd": usd(sum([each.booked_nano_usd for each in found])),
        "repriced_usd": usd(sum([each.repriced_nano_usd for each in found])),
        "difference_usd": usd(sum([each.difference_nano_usd for each in found])),
    }


async def read_through(
    database: Database, repricing: Repricing, since: date | None, until: date | None, model: str | None
) -> None:
    """Prices page after page, so that the ledger may be as long as it likes."""
    position: Position | None = Position(_ms(since) if since is not None else 0)
    until_ms = _ms(until + timedelta(days=1)) if until is not None else None
    while position is not None:
        start = position
        rows, position = await database.read(lambda _, start=start: page(start, until_ms, model))
        repricing.take(rows)


class Prices:
    """Today's prices, for calls of any region."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._opinion = SecondOpinion()
        self._pricers: dict[str, CatalogPricer] = {}

    async def warm(self) -> None:
        """Loads what is asked where the catalog knows no price."""
        await self._opinion.warm()

    def price(self, row: BookedRow, usage: Usage) -> Price | None:
        """What such a call costs today."""
        pricer = self._pricers.get(row.region)
        if pricer is None:
            pricer = self._pricers[row.region] = CatalogPricer(self._opinion, region=row.region)
        model = ResolvedModel(row.model, row.model_id, self._catalog.get(row.model_id) or self._catalog.get(row.model))
        return pricer.price(usage, model, row.service_tier)


def _ms(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp() * 1000)
