"""The tables of keys and limits. A key itself is nowhere; times are milliseconds since the epoch, UTC."""

from llm_gateway.storage.contract import Migration

_KEYS = """
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    hash TEXT NOT NULL UNIQUE,
    hint TEXT NOT NULL,
    team TEXT,
    models TEXT NOT NULL,
    places TEXT NOT NULL,
    tags TEXT NOT NULL,
    limits TEXT NOT NULL,
    run_budget_nano_usd BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
)"""
_LIMITS = """
CREATE TABLE limits (
    scope TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    limits TEXT NOT NULL,
    PRIMARY KEY (scope, scope_id)
)"""
_STATE = "CREATE TABLE access_state (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
_VERSION = "INSERT INTO access_state VALUES ('version', '0')"
_TABLES = (_KEYS, _LIMITS, _STATE, _VERSION)
ACCESS_TABLES = Migration("access-1", _TABLES, _TABLES)
