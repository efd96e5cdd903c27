"""What the tests of money share: rows, intents, books, and questions to a ledger."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llm_gateway.accounting.books_contract import Intent, LedgerRow, WorstCost
from llm_gateway.accounting.purses import put_budget
from llm_gateway.accounting.spool import Spool
from llm_gateway.accounting.sql_books import SqlBooks
from llm_gateway.domain.callers import ANYBODY, Caller
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.money import Budget
from llm_gateway.money_rooms import MIGRATIONS as MIGRATIONS
from llm_gateway.storage.contract import Database, Row, Transaction


def row(name: str, *, cost: int | None = 1000, caller: Caller = ANYBODY, outcome: str = "crashed") -> LedgerRow:
    return LedgerRow(
        id=name,
        request_id=f"req_{name}",
        caller=caller,
        model_asked="nova-lite",
        model="nova-lite",
        model_id="amazon.nova-lite-v1:0",
        region="us-east-1",
        usage=Usage(10, 5, estimated=outcome == "crashed"),
        service_tier=None,
        price_source="https://aws.amazon.com/bedrock/pricing/",
        price_checked_on="2026-11-01",
        cost_nano_usd=cost,
        latency_ms=1.5,
        first_token_ms=None,
        outcome=outcome,
    )


def intent(crashed: LedgerRow, *, least: int = 100, most: int | None = 27_000, tokens: int = 200) -> Intent:
    worst = WorstCost(
        input_nano_usd=least, most_nano_usd=most, longest_answer_tokens=tokens, least_answer_tokens=tokens
    )
    return Intent(if_crashed=crashed, worst=lambda: worst)


def books(database: Database, folder: Path, **more: Any) -> SqlBooks:
    return SqlBooks(database, spool=Spool(folder), hold_s=700, **more)


async def set_budget(database: Database, budget: Budget) -> None:
    await database.write(lambda now_ms: put_budget(budget, now_ms))


async def rows_of(database: Database, sql: str, *parameters: object) -> Sequence[Row]:
    def ask(_: int) -> Transaction[Sequence[Row]]:
        return (yield (sql, parameters))

    return await database.read(ask)


async def number(database: Database, sql: str, *parameters: object) -> int:
    return (await rows_of(database, sql, *parameters))[0][0] or 0
