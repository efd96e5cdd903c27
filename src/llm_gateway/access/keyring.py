"""Virtual keys as transactions, and what a key looks like.

A key is ``sk-`` and 43 characters of 256 random bits. It is shown once; kept are a keyed hash (HMAC-SHA-256, whose own
key was drawn when the tables were made) and its last four characters.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from llm_gateway.domain.keys import KeyWish
from llm_gateway.domain.money import Limits
from llm_gateway.storage.contract import Row, Transaction

PREFIX = "sk-"
_COLUMNS = (
    *("id", "name", "hash", "hint", "team", "models", "places", "tags", "limits", "run_budget_nano_usd"),
    *("created_at", "expires_at", "revoked_at"),
)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM api_keys"  # noqa: S608 - our own names


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A key as it is kept."""

    id: str
    name: str
    hash: str
    hint: str
    team: str | None
    models: tuple[str, ...]
    places: tuple[str, ...]
    tags: Mapping[str, str]
    limits: Limits
    run_budget_nano_usd: int | None
    created_at: int
    expires_at: int | None
    revoked_at: int | None


def new_key() -> str:
    """A key nobody has."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(key: str, pepper: bytes) -> str:
    """What is kept of a key."""
    return hmac.digest(pepper, key.encode("utf-8", "replace"), "sha256").hex()


def pepper() -> Transaction[bytes]:
    """The key of the hashes; drawn by whoever asks first."""
    rows = yield ("SELECT value FROM access_state WHERE name = 'pepper'", ())
    if rows:
        return bytes.fromhex(rows[0][0])
    drawn = secrets.token_bytes(32)
    yield ("INSERT INTO access_state VALUES ('pepper', ?)", (drawn.hex(),))
    return drawn


def add(wish: KeyWish, key: str, now_ms: int) -> Transaction[KeyRecord | None]:
    """Keeps a new key; ``None`` where its name is taken."""
    salt = yield from pepper()
    key_id = "key_" + secrets.token_hex(8)
    added = yield (
        f"INSERT INTO api_keys ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608 - our own names
        "ON CONFLICT DO NOTHING RETURNING id",
        (
            key_id,
            wish.name,
            hash_of(key, salt),
            key[-4:],
            wish.team,
            _text(wish.models),
            _text(wish.places),
            _text(dict(wish.tags)),
            _text(asdict(wish.limits)),
            wish.run_budget_nano_usd,
            now_ms,
            wish.expires_at,
            None,
        ),
    )
    if not added:
        return None
    yield from changed()
    return (yield from find(key_id))


def rehash(key_id: str, key: str) -> Transaction[bool]:
    """Another key under the same record; the old one is worth nothing from now on."""
    salt = yield from pepper()
    rows = yield (
        "UPDATE api_keys SET hash = ?, hint = ? WHERE id = ? AND revoked_at IS NULL RETURNING id",
        (hash_of(key, salt), key[-4:], key_id),
    )
    yield from changed()
    return bool(rows)


def revoke(key_id: str, now_ms: int) -> Transaction[bool]:
    """Ends a key for good; False where that was done before."""
    rows = yield (
        "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL RETURNING id",
        (now_ms, key_id),
    )
    yield from changed()
    return bool(rows)


def find(word: str) -> Transaction[KeyRecord | None]:
    """The key of this id or name."""
    rows = yield (f"{_SELECT} WHERE id = ? OR name = ?", (word, word))
    return _record(rows[0]) if rows else None


def everyone() -> Transaction[list[KeyRecord]]:
    """All keys, revoked ones too, oldest first."""
    rows = yield (f"{_SELECT} ORDER BY created_at, id", ())
    return [_record(row) for row in rows]


def set_limits(scope: str, scope_id: str, limits: Limits) -> Transaction[None]:
    """Limits of a ``team`` or a ``model``; empty ones are taken away."""
    yield ("DELETE FROM limits WHERE scope = ? AND scope_id = ?", (scope, scope_id))
    if not limits.is_empty:
        yield ("INSERT INTO limits VALUES (?, ?, ?)", (scope, scope_id, _text(asdict(limits))))
    yield from changed()


def shared_limits() -> Transaction[dict[tuple[str, str], Limits]]:
    """The limits of teams and models, by scope and its id."""
    rows = yield ("SELECT scope, scope_id, limits FROM limits", ())
    return {(row[0], row[1]): Limits(**orjson.loads(row[2])) for row in rows}


def version() -> Transaction[str]:
    """Changes with every change of keys and limits."""
    rows = yield ("SELECT value FROM access_state WHERE name = 'version'", ())
    return rows[0][0]


def changed() -> Transaction[None]:
    """Tells every process to read the keys anew."""
    yield ("UPDATE access_state SET value = ? WHERE name = 'version'", (secrets.token_hex(8),))


def _text(value: object) -> str:
    return orjson.dumps(value).decode()


def _record(row: Row) -> KeyRecord:
    told: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
    told["models"] = tuple(orjson.loads(told["models"]))
    told["places"] = tuple(orjson.loads(told["places"]))
    told["tags"] = orjson.loads(told["tags"])
    told["limits"] = Limits(**orjson.loads(told["limits"]))
    return KeyRecord(**told)
