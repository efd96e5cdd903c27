"""Answers in a file, for the processes of one person: bounded in number and bytes, the oldest leave first."""

import secrets
from collections.abc import Sequence

from llm_gateway.caching.contract import CacheUnavailable, Entry, Label, Which
from llm_gateway.caching.tiered_cache import Packed
from llm_gateway.storage.contract import Database, Migration, Returned, Row, StorageUnavailable, Transaction, Work

_TABLES = (
    """
CREATE TABLE answers (
    fingerprint BLOB PRIMARY KEY,
    model TEXT NOT NULL,
    scope TEXT NOT NULL,
    key_id TEXT NOT NULL,
    kept_at BIGINT NOT NULL,
    size BIGINT NOT NULL,
    answer BLOB NOT NULL
)""",
    "CREATE INDEX answers_by_age ON answers (kept_at, size)",
    "CREATE TABLE answers_flushed (mark TEXT NOT NULL)",
    "INSERT INTO answers_flushed VALUES ('')",
)
ANSWER_TABLES = Migration("answers-1", _TABLES, ())


class SqliteAnswers:
    """The far tier in ``database``, which is closed with it."""

    name = "sqlite"

    def __init__(self, database: Database, *, ttl_s: float, max_size: int, max_bytes: int) -> None:
        self._database = database
        self._ttl_ms = max(1, round(ttl_s * 1000))
        self._max_size = max_size
        self._max_bytes = max_bytes

    async def get(self, fingerprint: bytes) -> Packed | None:
        """See :class:`~llm_gateway.caching.tiered_cache.FarStore`."""

        def find(now_ms: int) -> Transaction[Packed | None]:
            rows = yield (
                "SELECT answer, model, scope, key_id, kept_at FROM answers WHERE fingerprint = ? AND kept_at > ?",
                (fingerprint, now_ms - self._ttl_ms),
            )
            if not rows:
                return None
            answer, model, scope, key_id, kept_at = rows[0]
            return Packed(answer, Label(model, scope, key_id), _age_s(kept_at, now_ms))

        return await self._read(find)

    async def put(self, fingerprint: bytes, sealed: bytes, label: Label) -> None:
        """See :class:`~llm_gateway.caching.tiered_cache.FarStore`."""
        if len(sealed) > self._max_bytes:
            return

        def keep(now_ms: int) -> Transaction[None]:
            yield ("DELETE FROM answers WHERE kept_at <= ?", (now_ms - self._ttl_ms,))
            yield (
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
                (fingerprint, *label, now_ms, len(sealed), sealed),
            )
            yield from self._make_room()

        await self._write(keep)

    async def entries(self, most: int) -> list[Entry]:
        """See :class:`~llm_gateway.caching.tiered_cache.FarStore`."""

        def list_all(now_ms: int) -> Transaction[list[Entry]]:
            rows = yield (
                "SELECT fingerprint, model, scope, key_id, kept_at, size FROM answers WHERE kept_at > ? "
                "ORDER BY kept_at DESC LIMIT ?",
                (now_ms - self._ttl_ms, most),
            )
            return [Entry(row[0].hex(), Label(*row[1:4]), _age_s(row[4], now_ms), row[5], self.name) for row in rows]

        return await self._read(list_all)

    async def flush(self, which: Which) -> int:
        """See :class:`~llm_gateway.caching.tiered_cache.FarStore`."""

        def forget(_: int) -> Transaction[int]:
            gone = yield (
                "DELETE FROM answers WHERE (? IS NULL OR key_id = ?) AND (? IS NULL OR model = ?) RETURNING 1",
                (which.key_id, which.key_id, which.model, which.model),
            )
            yield ("UPDATE answers_flushed SET mark = ?", (secrets.token_hex(8),))
            return len(gone)

        return await self._write(forget)

    async def mark(self) -> bytes:
        """See :class:`~llm_gateway.caching.tiered_cache.FarStore`."""

        def look(_: int) -> Transaction[Sequence[Row]]:
            return (yield ("SELECT mark FROM answers_flushed", ()))

        rows = await self._read(look)
        return str(rows[0][0]).encode() if rows else b""

    async def aclose(self) -> None:
        """Ends the threads of the database."""
        await self._database.aclose()

    def _make_room(self) -> Transaction[None]:
        sums = yield ("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM answers", ())
        number, size = sums[0]
        while number > self._max_size or size > self._max_bytes:
            gone = yield (
                "DELETE FROM answers WHERE fingerprint IN "
                "(SELECT fingerprint FROM answers ORDER BY kept_at, rowid LIMIT ?) RETURNING size",
                (max(1, number - self._max_size),),
            )
            number, size = number - len(gone), size - sum([row[0] for row in gone])

    async def _read(self, work: Work[Returned]) -> Returned:
        try:
            return await self._database.read(work)
        except StorageUnavailable as failed:
            raise CacheUnavailable(str(failed)) from failed

    async def _write(self, work: Work[Returned]) -> Returned:
        try:
            return await self._database.write(work)
        except StorageUnavailable as failed:
            raise CacheUnavailable(str(failed)) from failed


def _age_s(kept_at: int, now_ms: int) -> float:
    return max(0, now_ms - kept_at) / 1000
