"""Answers kept under the caller's own name for a request (its idempotency key): paid once, told as often as asked.

A name belongs to one key's caller, to one request, and for 24 hours. It is claimed before the model is asked; the
answer is kept in the very transaction that books its cost. A claim whose process died counts no more.
"""

from collections.abc import Callable
from typing import Any

from cachetools import TTLCache

from llm_gateway.caching.codec import pack, unpack
from llm_gateway.caching.repeats_contract import KeptAnswer, Named, other_body, still_running
from llm_gateway.domain.errors import Overloaded
from llm_gateway.storage.contract import Database, Migration, StorageUnavailable, Transaction, Work

KEPT_MS = 86_400_000
_MOST_IN_MEMORY = 10_000
_TABLES = (
    """
CREATE TABLE repeats (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    owner TEXT NOT NULL,
    answer TEXT,
    cost_nano_usd BIGINT,
    claimed_at BIGINT NOT NULL,
    PRIMARY KEY (scope, name)
)""",
    "CREATE INDEX repeats_claimed_at ON repeats (claimed_at)",
)
REPEATS_TABLES = Migration("repeats-1", _TABLES, _TABLES)


class MemoryRepeats:
    """Kept in this process; for a gateway without a database."""

    def __init__(self) -> None:
        self._kept: TTLCache[tuple[str, str], tuple[str, KeptAnswer]] = TTLCache(_MOST_IN_MEMORY, KEPT_MS / 1000)

    async def claim(self, named: Named) -> KeptAnswer | None:
        """See :class:`~llm_gateway.caching.repeats_contract.Repeats`."""
        found = self._kept.get((named.scope, named.name))
        if found is None:
            return None
        if found[0] != named.body:
            raise other_body(named.name)
        return found[1]

    def keeping(self, named: Named, kept: KeptAnswer) -> None:
        """Keeps it at once."""
        self._kept[(named.scope, named.name)] = (named.body, kept)

    async def let_go(self, named: Named) -> None:
        """Nothing was claimed."""


class SqlRepeats:
    """Kept in the database, for all processes. ``owner`` is this process; ``lives`` tells whether another one does."""

    def __init__(self, database: Database, *, owner: str, lives: Callable[[str, int], Transaction[bool]]) -> None:
        self._database = database
        self._owner = owner
        self._lives = lives

    async def claim(self, named: Named) -> KeptAnswer | None:
        """See :class:`~llm_gateway.caching.repeats_contract.Repeats`."""
        try:
            return await self._database.write(lambda now_ms: self._claim(named, now_ms))
        except StorageUnavailable as failed:
            raise Overloaded(
                "the idempotency key could not be looked up now, so the model was not asked; try again in a moment",
                code="ledger_unavailable",
                retry_after_s=2,
            ) from failed

    def keeping(self, named: Named, kept: KeptAnswer) -> Work[Any]:
        """See :class:`~llm_gateway.caching.repeats_contract.Repeats`."""
        packed = pack(kept.completion).decode()

        def keep(_: int) -> Transaction[None]:
            yield (
                "UPDATE repeats SET answer = ?, cost_nano_usd = ? WHERE scope = ? AND name = ? AND owner = ?",
                (packed, kept.cost_nano_usd, named.scope, named.name, self._owner),
            )

        return keep

    async def let_go(self, named: Named) -> None:
        """Where the database is down the name stays claimed until this process ends."""

        def forget(_: int) -> Transaction[None]:
            yield (
                "DELETE FROM repeats WHERE scope = ? AND name = ? AND owner = ? AND answer IS NULL",
                (named.scope, named.name, self._owner),
            )

        try:
            await self._database.write(forget)
        except StorageUnavailable:
            return

    def _claim(self, named: Named, now_ms: int) -> Transaction[KeptAnswer | None]:
        yield ("DELETE FROM repeats WHERE claimed_at < ?", (now_ms - KEPT_MS,))
        rows = yield (
            "SELECT body, owner, answer, cost_nano_usd FROM repeats WHERE scope = ? AND name = ?",
            (named.scope, named.name),
        )
        if rows:
            body, owner, packed, cost = rows[0]
            if body != named.body:
                raise other_body(named.name)
            completion = unpack(packed) if packed is not None else None
            if completion is not None:
                return KeptAnswer(completion, cost)
            if owner != self._owner and (yield from self._lives(owner, now_ms)):
                raise still_running(named.name)
        yield (
            "INSERT INTO repeats (scope, name, body, owner, claimed_at) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (scope, name) DO UPDATE SET body = excluded.body, owner = excluded.owner, answer = NULL, "
            "claimed_at = excluded.claimed_at",
            (named.scope, named.name, named.body, self._owner, now_ms),
        )
        return None
