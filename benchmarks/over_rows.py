"""Questions to a ledger of many rows: what was spent by day and model, how a budget stands, the figures of all time.

The rows are written in bulk, through the gateway's own tables and what guards them: a year of forty keys with two
agents each, on eight models. ``ROWS`` in the environment says how many.
"""

import os
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.load import Caller, callers, check_status, http_get, tool_call
from benchmarks.over_money import new_key
from benchmarks.plan import Line, Plan
from benchmarks.processes import gateway
from llm_gateway.money_rooms import MIGRATIONS
from llm_gateway.storage.contract import Transaction
from llm_gateway.storage.sqlite_file import SqliteFile

_MASTER = "benchmark-master-key"
_AT_ONCE = 250_000
_MOST_USAGE_MS, _MOST_MONEY_MS = 1_000, 10
_KEYS = 40
_DAY_MS = 86_400_000
_A_YEAR_MS = 365 * _DAY_MS
_FILL = f"""
WITH RECURSIVE numbers (n) AS (SELECT ? UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?)
INSERT INTO ledger (
    id, request_id, booked_at, key_id, key_name, agent, run_id, model_asked, model, model_id, region, input_tokens,
    output_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, price_source, price_checked_on,
    cost_nano_usd, latency_ms, first_token_ms, outcome, estimated
)
SELECT
    printf('att_%024x', n * 2654435761 % 4294967296), printf('req_%024x', n * 2246822519 % 4294967296),
    ? + n * ? / ?, 'key_' || (n * 7 % {_KEYS}), 'key ' || (n * 7 % {_KEYS}), 'agent ' || (n / 3 % 2),
    CASE WHEN n % 4 = 0 THEN 'run-' || (n / 400) END,
    'model-' || (n * 11 / 7 % 8), 'model-' || (n * 11 / 7 % 8), 'us.vendor.model-' || (n * 11 / 7 % 8) || '-v1:0',
    'us-east-1', 100 + n % 900, 10 + n % 300, 0, 0, 0, 'bedrock', '2026-11-01', 1000 * (100 + n % 900), 812.5, 301.25,
    CASE WHEN n % 50 = 0 THEN 'upstream_throttled' ELSE 'ok' END, 0
FROM numbers
"""


def rows_wanted(plan: Plan) -> int:
    """As many as the environment says, else as the plan does."""
    return int(os.environ.get("ROWS") or plan.ledger_rows)


async def fill(home: Path, rows: int) -> None:
    """Writes so many rows, each counted in as one that was paid."""
    database = SqliteFile(home / "ledger.db", MIGRATIONS)
    begin_ms = int(time.time() * 1000) - _A_YEAR_MS

    def some(first: int) -> Transaction[None]:
        yield (_FILL, (first, min(first + _AT_ONCE, rows), begin_ms, _A_YEAR_MS, rows))

    for first in range(0, rows, _AT_ONCE):
        await database.write(lambda _, first=first: some(first))
    await database.aclose()


async def rows_lines(plan: Plan, mock_port: int) -> list[Line]:
    """Each question over the wire, as an administrator and an agent ask it."""
    rows = rows_wanted(plan)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as home:
        await fill(Path(home), rows)
        return await ask_all(home, mock_port, rows)


async def ask_all(home: str, mock_port: int, rows: int) -> list[Line]:
    """The same of a ledger that is there."""
    key = new_key(home)
    by_day = http_get("/admin/usage?by=day,model", f"x-admin-api-key: {_MASTER}\r\n")
    with gateway(mock_port, LEDGER="on", LLM_GATEWAY_HOME=home, ADMIN_API_KEY=_MASTER) as server:
        async with callers(server.port, 1) as (caller,):
            usage_ms = await _took_ms(caller, by_day, 3)
            budget_ms = await _took_ms(caller, tool_call("get_budget", key), 50)
            stats_ms = await _took_ms(caller, tool_call("get_stats", key), 50)
    return [
        _line(f"{rows:,} rows: usage by day and model", usage_ms, _MOST_USAGE_MS),
        _line("the same: get_budget", budget_ms, _MOST_MONEY_MS),
        _line("the same: get_stats", stats_ms, _MOST_MONEY_MS),
    ]


async def _took_ms(caller: Caller, request: bytes, times: int) -> float:
    took_ms: list[float] = []
    for _ in range(times):
        started_at = time.perf_counter()
        answer = await caller.send(request)
        took_ms.append((time.perf_counter() - started_at) * 1000)
        check_status(answer)
        if b'"isError":true' in answer[1]:
            raise RuntimeError(f"a question was refused: {answer[1][:500]!r}")
    return median(took_ms)


def _line(measure: str, took_ms: float, most_ms: float) -> Line:
    return Line(measure=measure, ours=f"{took_ms:.1f} ms", target=f"< {most_ms:g} ms", met=took_ms < most_ms)
