"""The tables of money. Amounts are whole nano-US-dollars; times are milliseconds since the epoch, UTC.

Law: what the ledger holds is added up by the database itself, in the very statement that adds a row, so that the sums
are those of the ledger whoever writes it.
"""

from llm_gateway.storage.contract import Migration

LEDGER_COLUMNS = (
    *("id", "request_id", "idempotency_key", "booked_at", "key_id", "key_name", "team", "agent", "run_id"),
    *("model_asked", "model", "model_id", "region", "input_tokens", "output_tokens", "cache_read_tokens"),
    *("cache_write_5m_tokens", "cache_write_1h_tokens", "service_tier", "price_source", "price_checked_on"),
    *("cost_nano_usd", "latency_ms", "first_token_ms", "outcome", "estimated", "route"),
)

SUMS = (
    *("calls", "estimated_calls", "unpriced_calls", "input_tokens", "output_tokens"),
    *("cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "cost_nano_usd"),
)
"""What is added up, in the tables of sums."""

_LEDGER = """
CREATE TABLE ledger (
    id TEXT PRIMARY KEY,
    request_id TEXT NOT NULL,
    idempotency_key TEXT,
    booked_at BIGINT NOT NULL,
    key_id TEXT,
    key_name TEXT,
    team TEXT,
    agent TEXT,
    run_id TEXT,
    model_asked TEXT NOT NULL,
    model TEXT NOT NULL,
    model_id TEXT NOT NULL,
    region TEXT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_write_5m_tokens BIGINT NOT NULL,
    cache_write_1h_tokens BIGINT NOT NULL,
    service_tier TEXT,
    price_source TEXT,
    price_checked_on TEXT,
    cost_nano_usd BIGINT,
    latency_ms DOUBLE PRECISION NOT NULL,
    first_token_ms DOUBLE PRECISION,
    outcome TEXT NOT NULL,
    estimated INTEGER NOT NULL,
    route TEXT
)"""
_USAGE = """
CREATE TABLE usage_by_day (
    day BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    key_name TEXT NOT NULL,
    team TEXT NOT NULL,
    agent TEXT NOT NULL,
    model TEXT NOT NULL,
    model_id TEXT NOT NULL,
    region TEXT NOT NULL,
    outcome TEXT NOT NULL,
    calls BIGINT NOT NULL,
    estimated_calls BIGINT NOT NULL,
    unpriced_calls BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_write_5m_tokens BIGINT NOT NULL,
    cache_write_1h_tokens BIGINT NOT NULL,
    cost_nano_usd BIGINT NOT NULL,
    PRIMARY KEY (day, key_id, team, agent, model, model_id, region, outcome)
)"""
_BUDGETS = """
CREATE TABLE budgets (
    id TEXT PRIMARY KEY,
    scope TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    limit_nano_usd BIGINT NOT NULL,
    window_kind TEXT NOT NULL,
    window_s BIGINT,
    given_nano_usd BIGINT NOT NULL DEFAULT 0,
    alerts TEXT NOT NULL DEFAULT '',
    alerted_period BIGINT NOT NULL DEFAULT 0,
    alerted_percent INTEGER NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    UNIQUE (scope, scope_id, window_kind)
)"""
_BUDGET_USE = """
CREATE TABLE budget_use (
    budget_id TEXT NOT NULL,
    period BIGINT NOT NULL,
    spent_nano_usd BIGINT NOT NULL DEFAULT 0,
    held_nano_usd BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (budget_id, period)
)"""
_HOLDS = """
CREATE TABLE holds (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    parts TEXT NOT NULL,
    if_crashed TEXT NOT NULL
)"""
_GRAVES = """
CREATE TABLE graves (
    id TEXT PRIMARY KEY,
    parts TEXT NOT NULL,
    if_crashed TEXT NOT NULL,
    buried_at BIGINT NOT NULL
)"""
_RUNS = """
CREATE TABLE runs (
    key_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    parent_run_id TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, run_id)
)"""
_OWNERS = "CREATE TABLE owners (id TEXT PRIMARY KEY, seen_at BIGINT NOT NULL)"
_INDEXES = (
    "CREATE INDEX ledger_booked_at ON ledger (booked_at)",
    "CREATE INDEX ledger_request_id ON ledger (request_id)",
    "CREATE INDEX ledger_run ON ledger (key_id, run_id) WHERE run_id IS NOT NULL",
    "CREATE INDEX holds_owner ON holds (owner)",
    "CREATE INDEX holds_expires_at ON holds (expires_at)",
)
_TABLES = (_LEDGER, _USAGE, _BUDGETS, _BUDGET_USE, _HOLDS, _GRAVES, _RUNS, _OWNERS, *_INDEXES)
_SQLITE_GUARDS = tuple(
    f"CREATE TRIGGER ledger_no_{verb.lower()} BEFORE {verb} ON ledger "
    f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    for verb in ("UPDATE", "DELETE")
)
_POSTGRES_GUARDS = (
    "CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$",
    "CREATE TRIGGER ledger_no_change BEFORE UPDATE OR DELETE ON ledger "
    "FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only()",
    "CREATE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON ledger "
    "FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()",
)
MONEY_TABLES = Migration("money-1", (*_TABLES, *_SQLITE_GUARDS), (*_TABLES, *_POSTGRES_GUARDS))

_EVER = """
CREATE TABLE usage_ever (
    key_id TEXT NOT NULL,
    key_name TEXT NOT NULL,
    team TEXT NOT NULL,
    model TEXT NOT NULL,
    calls BIGINT NOT NULL,
    estimated_calls BIGINT NOT NULL,
    unpriced_calls BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_write_5m_tokens BIGINT NOT NULL,
    cache_write_1h_tokens BIGINT NOT NULL,
    cost_nano_usd BIGINT NOT NULL,
    PRIMARY KEY (key_id, team, model)
)"""
_SUMS_SO_FAR = (
    f"INSERT INTO usage_ever SELECT key_id, MAX(key_name), team, model, {', '.join(f'SUM({name})' for name in SUMS)} "  # noqa: S608 - our own names
    "FROM usage_by_day GROUP BY key_id, team, model"
)
_WHOSE = tuple(f"COALESCE(NEW.{name}, '')" for name in ("key_id", "key_name", "team", "agent"))
_COUNTED = (
    "1",
    "NEW.estimated",
    "CASE WHEN NEW.cost_nano_usd IS NULL THEN 1 ELSE 0 END",
    *(f"NEW.{name}" for name in SUMS[3:8]),
    "COALESCE(NEW.cost_nano_usd, 0)",
)


def _add_up(table: str, by: dict[str, str], one_of_a_kind: tuple[str, ...]) -> str:
    """Counts a new row of the ledger in; ``by`` are columns and what of the row goes into them."""
    return (
        f"INSERT INTO {table} ({', '.join((*by, *SUMS))}) VALUES ({', '.join((*by.values(), *_COUNTED))}) "  # noqa: S608 - our own names
        f"ON CONFLICT ({', '.join(one_of_a_kind)}) DO UPDATE SET "
        + ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in SUMS)
        + ";"
    )


_KEY = dict(zip(("key_id", "key_name", "team"), _WHOSE, strict=False))
_SERVED = {name: f"NEW.{name}" for name in ("model", "model_id", "region", "outcome")}
_BY_DAY = {"day": "NEW.booked_at / 86400000", **_KEY, "agent": _WHOSE[3], **_SERVED}
_ADDING_UP = " ".join(
    (
        _add_up("usage_by_day", _BY_DAY, tuple(name for name in _BY_DAY if name != "key_name")),
        _add_up("usage_ever", {**_KEY, "model": "NEW.model"}, ("key_id", "team", "model")),
    )
)
MONEY_SUMS = Migration(
    "money-2",
    (_EVER, _SUMS_SO_FAR, f"CREATE TRIGGER ledger_adds_up AFTER INSERT ON ledger BEGIN {_ADDING_UP} END"),
    (
        _EVER,
        _SUMS_SO_FAR,
        "CREATE FUNCTION ledger_adds_up() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {_ADDING_UP} RETURN NULL; END $$",
        "CREATE TRIGGER ledger_adds_up AFTER INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION ledger_adds_up()",
    ),
)
