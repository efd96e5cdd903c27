"""The ledger as transactions: append a row, once. Append-only: nothing is changed."""

from typing import Any

import orjson

from llm_gateway.accounting.books_contract import LedgerRow
from llm_gateway.accounting.schema import LEDGER_COLUMNS
from llm_gateway.domain.callers import Caller
from llm_gateway.domain.completions import Usage
from llm_gateway.storage.contract import Transaction

_INSERT = (
    f"INSERT INTO ledger ({', '.join(LEDGER_COLUMNS)}) VALUES ({', '.join('?' * len(LEDGER_COLUMNS))}) "  # noqa: S608 - our own names
    "ON CONFLICT (id) DO NOTHING RETURNING id"
)


def append(row: LedgerRow, now_ms: int) -> Transaction[bool]:
    """Adds a row, which the database counts in; False where one of this id is there already, which stays as it is."""
    added = yield (_INSERT, _as_row(row, now_ms))
    return bool(added)


def _as_row(row: LedgerRow, now_ms: int) -> tuple[object, ...]:
    caller, usage = row.caller, row.usage
    whose = (caller.key_id, caller.key_name, caller.team, caller.agent, caller.run_id)
    model = (row.model_asked, row.model, row.model_id, row.region)
    priced = (row.service_tier, row.price_source, row.price_checked_on, row.cost_nano_usd)
    ended = (row.latency_ms, row.first_token_ms, row.outcome, int(usage.estimated), row.route)
    named = (row.id, row.request_id, caller.idempotency_key, now_ms)
    return (*named, *whose, *model, *_tokens(usage), *priced, *ended)


def _tokens(usage: Usage) -> tuple[int, int, int, int, int]:
    writes = (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens)
    return (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, *writes)


def correction(row: LedgerRow, crashed: LedgerRow) -> LedgerRow:
    """What must be added to a row that took a slow process for dead, so that both together are the truth."""
    was, usage = crashed.usage, row.usage
    difference = Usage(
        usage.input_tokens - was.input_tokens,
        usage.output_tokens - was.output_tokens,
        usage.cache_read_tokens - was.cache_read_tokens,
        usage.cache_write_5m_tokens - was.cache_write_5m_tokens,
        usage.cache_write_1h_tokens - was.cache_write_1h_tokens,
        estimated=usage.estimated,
    )
    cost = None if row.cost_nano_usd is None else row.cost_nano_usd - (crashed.cost_nano_usd or 0)
    return row._replace(id=f"{row.id}+", usage=difference, cost_nano_usd=cost)


def to_json(row: LedgerRow) -> str:
    """A row as text, for a hold or a spool."""
    return orjson.dumps(row._asdict(), default=dict).decode()


def from_json(text: str) -> LedgerRow:
    """The row again; of its caller what a ledger tells."""
    told: dict[str, Any] = orjson.loads(text)
    told["caller"] = Caller(**{name: told["caller"][name] for name in _KEPT_OF_CALLER})
    told["usage"] = Usage(**told["usage"])
    return LedgerRow(**told)


_KEPT_OF_CALLER = ("key_id", "key_name", "team", "agent", "run_id", "parent_run_id", "idempotency_key")
