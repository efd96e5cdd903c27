"""The ledger priced anew, as lines of FOCUS, and held against what AWS says."""

import asyncio
import csv
import gzip
import io
import json
import random
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from money_house import row

from clients.processes import ended, environment
from llm_gateway.accounting import ledger
from llm_gateway.accounting.books_contract import LedgerRow
from llm_gateway.accounting.catalog_pricer import CatalogPricer
from llm_gateway.accounting.second_opinion import SecondOpinion
from llm_gateway.catalog.catalog import Catalog, load_catalog
from llm_gateway.domain.callers import Caller
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.requests import ResolvedModel
from llm_gateway.storage.contract import Database, Transaction
from money.kept import Kept

ROWS = 10_000
BAR = Caller(key_id="key_bar", key_name="bar", team="red", agent="mapper")


async def usage(kept: Kept, *words: str, fails: bool = False) -> str:
    """``llm-gateway usage WORDS``; what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "llm_gateway", "usage", *words),
        env=environment("http://127.0.0.1:9", **kept.variables),
        cwd=kept.home,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    code, out, err = await ended(process)
    assert (code != 0) == fails, err
    return out + err if fails else out


async def book(database: Database, rows: list[LedgerRow]) -> None:
    def append(now_ms: int) -> Transaction[None]:
        for each in rows:
            yield from ledger.append(each, now_ms)

    await database.write(append)


def booked_rows(catalog: Catalog, number: int) -> list[LedgerRow]:
    """Calls of all models, places and tiers, priced as the gateway prices them."""
    chance = random.Random(11)
    opinion = SecondOpinion()
    pricers = {region: CatalogPricer(opinion, region=region) for region in ("us-east-1", "eu-west-1", "us-gov-west-1")}
    rows: list[LedgerRow] = []
    for count in range(number):
        card = chance.choice(catalog.cards)
        region = chance.choice(list(pricers))
        model_id = chance.choice([card.id, *(f"{prefix}.{card.id}" for prefix in card.profiles)])
        tier = chance.choice([None, "default", "flex", "priority"])
        sizes = [chance.choice([0, 1, 999, 150_000, 250_001]) * chance.randrange(1, 9) for _ in range(5)]
        priced = pricers[region].price(Usage(*sizes), ResolvedModel(card.name, model_id, card), tier)
        rows.append(
            LedgerRow(
                id=f"a{count}",
                request_id=f"r{count}",
                caller=BAR,
                model_asked=card.name,
                model=card.name,
                model_id=model_id,
                region=region,
                usage=Usage(*sizes),
                service_tier=tier,
                price_source=priced.source if priced else None,
                price_checked_on=priced.checked_on.isoformat() if priced and priced.checked_on else None,
                cost_nano_usd=priced.nano_usd if priced else None,
                latency_ms=1.0,
                first_token_ms=None,
                outcome="ok",
            )
        )
    return rows


async def test_every_row_can_be_priced_anew_from_itself(database: Database, kept: Kept) -> None:
    rows = booked_rows(load_catalog(), ROWS)
    for first in range(0, ROWS, 2_500):
        await book(database, rows[first : first + 2_500])
    told = json.loads(await usage(kept, "reprice", "--all", "--format", "json"))
    assert (told["calls"], told["difference_usd"]) == (ROWS, "0")
    assert {each["why"] for each in told["rows"]} <= {"unchanged", "no price is known, then or now"}
    booked = sum(each.cost_nano_usd or 0 for each in rows)
    assert Decimal(told["booked_usd"]).scaleb(9) == booked
    assert "unchanged" not in await usage(kept, "reprice")


async def test_a_corrected_price_shows_what_it_would_have_changed_and_why(database: Database, kept: Kept) -> None:
    await book(database, [row("a1", cost=1_000_000, caller=BAR, outcome="ok"), row("a2", cost=None, outcome="ok")])
    told = json.loads(await usage(kept, "reprice", "--format", "json"))
    now = Decimal(10 * 60 + 5 * 240).scaleb(-9)  # ten tokens in and five out, at the prices of nova-lite
    amounts = {(Decimal(each["booked_usd"]), Decimal(each["repriced_usd"])) for each in told["rows"]}
    assert amounts == {(Decimal("0.001"), now), (Decimal(0), now)}
    whys = sorted(each["why"] for each in told["rows"])
    assert whys[0].startswith("LiteLLM price map")
    assert "instead of https://aws.amazon.com/bedrock/pricing/ of 2026-11-01" in whys[0]
    assert whys[1].startswith("had no price; now LiteLLM")


async def test_a_correction_is_priced_with_what_it_corrects(database: Database, kept: Kept) -> None:
    crashed = row("a1", caller=BAR)._replace(usage=Usage(10, 0, estimated=True), cost_nano_usd=600)
    whole = crashed._replace(usage=Usage(10, 5), cost_nano_usd=1_800, outcome="ok")
    await book(database, [crashed, ledger.correction(whole, crashed)])
    assert json.loads(await usage(kept, "reprice", "--all", "--format", "json"))["difference_usd"] == "0"


async def test_the_ledger_comes_as_lines_of_focus(database: Database, kept: Kept) -> None:
    await book(database, [row("a1", cost=1_234, caller=BAR, outcome="ok"), row("a2", cost=1, caller=BAR, outcome="ok")])
    (line,) = csv.DictReader(io.StringIO(await usage(kept, "--format", "focus")))
    today = datetime.now(UTC).date().isoformat()
    assert (line["BilledCost"], line["EffectiveCost"], line["BillingCurrency"]) == ("0.000001235", "0.000001235", "USD")
    assert (line["ChargePeriodStart"], line["ChargeCategory"]) == (f"{today}T00:00:00Z", "Usage")
    assert (line["ResourceId"], line["RegionId"]) == ("amazon.nova-lite-v1:0", "us-east-1")
    assert json.loads(line["Tags"]) == {"key": "bar", "team": "red", "agent": "mapper"}
    assert (line["ConsumedQuantity"], line["ConsumedUnit"], line["x_InputTokens"]) == ("30", "Tokens", "20")


def report(*lines: tuple[str, str, str], unit: str = "1K tokens") -> str:
    """A Cost and Usage Report 2.0 with usage type, amount and cost in each line; others are not Bedrock's."""
    columns = [
        *("line_item_line_item_type", "line_item_product_code", "line_item_usage_type", "line_item_usage_start_date"),
        *("line_item_usage_amount", "line_item_unblended_cost", "pricing_unit", "product"),
    ]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    today = datetime.now(UTC).strftime("%Y-%m-%d 07:00:00.000")
    for usage_type, amount, cost in lines:
        writer.writerow(["Usage", "AmazonBedrock", usage_type, today, amount, cost, unit, "{}"])
    writer.writerow(["Usage", "AmazonS3", "TimedStorage-ByteHrs", today, "5", "0.1", "GB-Mo", "{}"])
    writer.writerow(["Tax", "AmazonBedrock", "", today, "1", "0.2", "", "{}"])
    return out.getvalue()


TODAY = ("--until", datetime.now(UTC).date().isoformat())


async def test_what_aws_says_alike_is_told_so(database: Database, kept: Kept) -> None:
    await book(database, [row("a1", cost=1_800, caller=BAR, outcome="ok")])
    folder = kept.home / "export" / "data"
    folder.mkdir(parents=True)
    lines = report(
        ("USE1-NovaLite-input-tokens", "0.004", "0.00000024"),
        ("USE1-NovaLite-flex-input-tokens-cross-region-global", "0.006", "0.00000036"),
        ("USE1-NovaLite-output-tokens", "0.005", "0.0000012"),
    )
    (folder / "part-1.csv.gz").write_bytes(gzip.compress(lines.encode()))
    said = await usage(kept, "reconcile", *TODAY, "--report", str(kept.home / "export"), "--all")
    assert "all agree" in said
    assert said.count("nova-lite") == 3  # input, output, cost


async def test_each_difference_has_its_likely_cause(database: Database, kept: Kept) -> None:
    await book(
        database,
        [
            row("a1", cost=1_800, caller=BAR, outcome="client_disconnect"),
            row("a2", outcome="ok")._replace(model="nova-pro", model_id="amazon.nova-pro-v1:0"),
        ],
    )
    file = kept.home / "cur.csv"
    file.write_text(
        report(
            ("USE1-NovaLite-input-tokens", "0.010", "0.0000006"),
            ("USE1-NovaLite-output-tokens", "0.105", "0.0000252"),
            ("USE1-Claude4.6Sonnet-cache-read-input-token-count", "7", "0.0021"),
        )
    )
    told = json.loads(await usage(kept, "reconcile", *TODAY, "--report", str(file), "--format", "json", fails=True))
    causes = {(each["model"], each["class"]): each["cause"] for each in told["rows"]}
    assert causes["nova-lite", "output"].startswith("answers were cut off (1), and AWS bills what the model still said")
    assert causes["claude-sonnet-4-6", "cache_read"].startswith("calls that did not pass through this gateway")
    assert causes["nova-pro", "input"] == "the report of this day is not complete yet"
    assert ("nova-lite", "input") not in causes
    assert told["differences"] == len(told["rows"])


async def test_cloudwatchs_metrics_are_compared_too(database: Database, kept: Kept) -> None:
    await book(database, [row("a1", outcome="ok")])
    now = datetime.now(UTC).strftime("%Y-%m-%dT00:00:00+00:00")
    labels = {"amazon.nova-lite-v1:0 InputTokenCount": 10.0, "us.amazon.nova-lite-v1:0 OutputTokenCount": 5.0}
    results = [
        {"Id": f"q{number}", "Label": label, "Timestamps": [now], "Values": [value], "StatusCode": "Complete"}
        for number, (label, value) in enumerate(labels.items())
    ]
    file = kept.home / "metrics.json"
    file.write_text(json.dumps({"MetricDataResults": results, "Messages": []}))
    assert "2 lines compared, all agree" in await usage(kept, "reconcile", *TODAY, "--cloudwatch", str(file))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n", "cur.csv: no column line_item_usage_type"),
        (
            report(("USE1-NovaLite-input-tokens", "much", "0")),
            "cur.csv, line 2: line_item_usage_amount: 'much' is no number",
        ),
        (
            report(("USE1-NovaLite-input-tokens", "1", "0"), unit="furlongs"),
            "line 2: pricing_unit 'furlongs' is not known",
        ),
        ("\x00\x01\xff", "no column"),
    ],
)
async def test_a_report_that_is_none_says_where(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "cur.csv").write_text(content)
    told = await usage(Kept(tmp_path), "reconcile", "--report", str(tmp_path / "cur.csv"), fails=True)
    assert said in told
    assert told.count("\n") == 1


async def test_without_a_report_there_is_nothing_to_compare(tmp_path: Path) -> None:
    assert "--report" in await usage(Kept(tmp_path), "reconcile", fails=True)
    told = await usage(Kept(tmp_path), "reconcile", "--report", str(tmp_path), fails=True)
    assert "holds no .csv" in told
