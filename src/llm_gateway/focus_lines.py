"""The ledger as lines of FOCUS, the FinOps Open Cost and Usage Specification (focus.finops.org), version 1.2.

One line for each day, key, team, agent, model and region. What one wants to know beside FOCUS's own columns stands in
``Tags`` and in columns that begin with ``x_``, as it asks for.
"""

import argparse
import csv
import io
import json
from datetime import UTC, date, datetime, time, timedelta

from llm_gateway.administration import Administration
from llm_gateway.domain.usage import UsageQuestion, UsageRow
from llm_gateway.money_rooms import open_database
from llm_gateway.settings import Settings
from llm_gateway.surfaces.money_words import usd
from llm_gateway.surfaces.usage_words import a_day

_ALWAYS = {
    "BillingAccountId": "llm-gateway",
    "BillingAccountName": "",
    "BillingCurrency": "USD",
    "ChargeCategory": "Usage",
    "ChargeClass": "",
    "ChargeFrequency": "Usage-Based",
    "ConsumedUnit": "Tokens",
    "ContractedUnitPrice": "",
    "InvoiceId": "",
    "InvoiceIssuerName": "Amazon Web Services",
    "ListUnitPrice": "",
    "PricingCategory": "Standard",
    "PricingCurrency": "USD",
    "PricingUnit": "Tokens",
    "ProviderName": "Amazon Web Services",
    "PublisherName": "Amazon Web Services",
    "ResourceType": "Model",
    "ServiceCategory": "AI and Machine Learning",
    "ServiceName": "Amazon Bedrock",
    "ServiceSubcategory": "Generative AI",
    "SkuMeter": "Tokens",
    "SkuPriceDetails": "",
    "SkuPriceId": "",
}
_BY = ("day", "key", "team", "agent", "model", "model_id", "region")


async def focus(args: argparse.Namespace, settings: Settings) -> str:
    """The lines, as CSV.

    Raises:
        InvalidRequest: a day or a key that is none.
        StorageUnavailable: the ledger cannot be read.
    """
    since, until = a_day(args.since, "--since"), a_day(args.until, "--until")
    database = open_database(settings)
    try:
        desk = Administration(database)
        key_id = None if args.key is None else (await desk.key(args.key)).record.id
        rows = await desk.usage(UsageQuestion(by=_BY, since=since, until=until, key_id=key_id, team=args.team))
    finally:
        await database.aclose()
    out = io.StringIO()
    writer = csv.DictWriter(out, list(line(_NOTHING)))
    writer.writeheader()
    writer.writerows(line(row) for row in rows)
    return out.getvalue()


def line(row: UsageRow) -> dict[str, object]:
    """One line; money in exact decimals, instants in UTC. Empty is FOCUS's null."""
    day, key, team, agent, model, model_id, region = row.group
    start = date.fromisoformat(day)
    month = start.replace(day=1)
    cost = usd(row.cost_nano_usd)
    tags = {name: word for name, word in (("key", key), ("team", team), ("agent", agent)) if word}
    return {
        **_ALWAYS,
        "BilledCost": cost,
        "BillingPeriodEnd": _instant((month + timedelta(days=32)).replace(day=1)),
        "BillingPeriodStart": _instant(month),
        "ChargeDescription": f"{model}: {row.calls} calls",
        "ChargePeriodEnd": _instant(start + timedelta(days=1)),
        "ChargePeriodStart": _instant(start),
        "ConsumedQuantity": row.total_tokens,
        "ContractedCost": cost,
        "EffectiveCost": cost,
        "ListCost": cost,
        "PricingQuantity": row.total_tokens,
        "RegionId": region,
        "RegionName": region,
        "ResourceId": model_id,
        "ResourceName": model,
        "SkuId": model_id,
        "SubAccountId": key,
        "SubAccountName": key,
        "SubAccountType": "Virtual key" if key else "",
        "Tags": json.dumps(tags),
        "x_Calls": row.calls,
        "x_EstimatedCalls": row.estimated_calls,
        "x_UnpricedCalls": row.unpriced_calls,
        "x_InputTokens": row.input_tokens,
        "x_OutputTokens": row.output_tokens,
        "x_CacheReadTokens": row.cache_read_tokens,
        "x_CacheWrite5mTokens": row.cache_write_5m_tokens,
        "x_CacheWrite1hTokens": row.cache_write_1h_tokens,
    }


def _instant(day: date) -> str:
    return datetime.combine(day, time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_NOTHING = UsageRow(
    group=("1970-01-01", "", "", "", "", "", ""),
    calls=0,
    estimated_calls=0,
    unpriced_calls=0,
    input_tokens=0,
    output_tokens=0,
    cache_read_tokens=0,
    cache_write_5m_tokens=0,
    cache_write_1h_tokens=0,
    cost_nano_usd=0,
)
