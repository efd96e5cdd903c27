"""Books in a database: every paid call once, no purse overdrawn, nothing held for ever.

A call's hold names its owner, a process that shows every second that it lives. When it has not for ``DEAD_AFTER_MS``,
or the hold has outlived the longest request, any other process books what the call may have cost and lets it go.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import orjson

from llm_gateway.accounting import ledger, purses
from llm_gateway.accounting.books_contract import Alert, Hold, Intent, LedgerRow
from llm_gateway.accounting.spool import Spool
from llm_gateway.domain.errors import Overloaded
from llm_gateway.storage.contract import Database, StorageUnavailable, Transaction, Work

DEAD_AFTER_MS = 6_000
_BEAT_S = 1.0
_REPLAYED_AT_ONCE = 200

OnAlert = Callable[[Alert], None]


def _nobody(_: Alert) -> None:
    """Where nobody wants to hear of purses."""


class SqlBooks:
    """Books in one database, shared by any number of processes. ``hold_s`` is longer than the longest request."""

    keeps = True
    available = True

    def __init__(
        self,
        database: Database,
        *,
        spool: Spool,
        hold_s: float,
        may_clamp: bool = True,
        refuse_unpriced: bool = False,
        on_alert: OnAlert = _nobody,
    ) -> None:
        self._database = database
        self._spool = spool
        self._hold_ms = int(hold_s * 1000)
        self._may_clamp = may_clamp
        self._refuse_unpriced = refuse_unpriced
        self._on_alert = on_alert
        self.owner = os.urandom(8).hex()
        self._beating: asyncio.Task[None] | None = None
        self._replaying = asyncio.Lock()
        self._open_calls = 0
        self._seen_alive = 1  # beats in a row; see _beat_once

    def start(self) -> None:
        """Begins to show that this process lives, and to look after the calls of dead ones."""
        if self._beating is None:
            self._beating = asyncio.get_running_loop().create_task(self._beat_on())

    async def open(self, intent: Intent) -> Hold:
        """See :class:`~llm_gateway.accounting.books_contract.Books`."""
        if self._refuse_unpriced and intent.if_crashed.cost_nano_usd is None:
            raise purses.price_unknown(intent.if_crashed.model, None)
        self.start()
        self._open_calls += 1
        try:
            return await self._database.write(lambda now_ms: self._open(intent, now_ms))
        except StorageUnavailable as failed:
            self.available = False
            self._open_calls -= 1
            if not failed.certain:  # it may be held, for a call that is never made
                await self._spool.keep(intent.if_crashed.id, ())
            raise _unavailable() from failed
        except BaseException:
            self._open_calls -= 1
            raise

    async def settle(self, hold: Hold, rows: Sequence[LedgerRow], also: Work[Any] | None = None) -> None:
        """See :class:`~llm_gateway.accounting.books_contract.Books`."""
        try:
            alerts = await self._database.write(lambda now_ms: _settle(hold.id, rows, also, now_ms))
        except StorageUnavailable:
            await self._spool.keep(hold.id, rows)
        except Exception:  # a fault of ours; what was spent is spent all the same
            await self._spool.keep(hold.id, rows)
            raise
        else:
            for alert in alerts:
                self._on_alert(alert)
        finally:
            self._open_calls -= 1

    async def aclose(self) -> None:
        """Books what was kept aside, if it can be, and says that this process is gone."""
        if self._beating is not None:
            self._beating.cancel()
            with suppress(asyncio.CancelledError):
                await self._beating
            with suppress(StorageUnavailable):
                await self._replay()
                await self._database.write(lambda _: _leave(self.owner))

    async def tidy(self) -> None:
        """Shows that this process lives, books what dead ones left open and what was kept aside.

        Raises:
            StorageUnavailable: it has to be done another time.
        """
        await self._database.write(lambda now_ms: _beat_and_bury(self.owner, now_ms))
        await self._replay()

    async def _beat_on(self) -> None:
        while True:
            try:
                await self._beat_once()
                self.available = True
            except Exception:  # noqa: BLE001 - whatever it is: a process that shows itself no more is taken for dead
                self.available = False
                self._seen_alive = 0
            await asyncio.sleep(_BEAT_S)

    async def _beat_once(self) -> None:
        """Writes only while calls are open, here or elsewhere. After an outage all the others look dead: nobody is
        buried then until they had the time to show themselves."""
        if self._open_calls == 0 and not await self._database.read(lambda _: _are_open()):
            return
        if self._seen_alive * _BEAT_S * 1000 > DEAD_AFTER_MS or self._seen_alive == 1:
            await self._database.write(lambda now_ms: _beat_and_bury(self.owner, now_ms))
        else:
            await self._database.write(lambda now_ms: _beat(self.owner, now_ms))
        self._seen_alive += 1
        await self._replay()

    async def _replay(self) -> None:
        async with self._replaying:
            while kept := await self._spool.oldest(_REPLAYED_AT_ONCE):
                for hold_id, rows in kept:
                    await self._database.write(lambda now_ms, h=hold_id, r=rows: _settle(h, r, None, now_ms))
                await self._spool.forget(len(kept))

    def _open(self, intent: Intent, now_ms: int) -> Transaction[Hold]:
        drawn = yield from purses.draw(intent, now_ms, may_clamp=self._may_clamp)
        row = intent.if_crashed
        if self._open_calls == 1:  # nobody has shown for a while that this process lives
            yield from _beat(self.owner, now_ms)
        yield (
            "INSERT INTO holds (id, owner, expires_at, parts, if_crashed) VALUES (?, ?, ?, ?, ?)",
            (row.id, self.owner, now_ms + self._hold_ms, orjson.dumps(drawn.parts).decode(), ledger.to_json(row)),
        )
        return Hold(row.id, drawn.answer_tokens, drawn.clamped_by)


def _unavailable() -> Overloaded:
    return Overloaded(
        "what this call costs could not be written down now, so the model was not asked; try again in a moment",
        code="ledger_unavailable",
        retry_after_s=2,
    )


def _settle(hold_id: str, rows: Sequence[LedgerRow], also: Work[Any] | None, now_ms: int) -> Transaction[list[Alert]]:
    held = yield ("DELETE FROM holds WHERE id = ? RETURNING parts", (hold_id,))
    parts: list[purses.Part] = orjson.loads(held[0][0]) if held else []
    cost = 0
    for row in rows:
        if not (yield from ledger.append(row, now_ms)):
            yield from _correct(row, now_ms)
            continue
        cost += row.cost_nano_usd or 0
    alerts = yield from purses.pay(parts, cost, now_ms)
    if also is not None:
        yield from also(now_ms)
    return alerts


def _correct(row: LedgerRow, now_ms: int) -> Transaction[None]:
    """The row was booked before: by this very settlement (then nothing is left to do), or as that of a crash."""
    found = yield ("SELECT outcome, cost_nano_usd FROM ledger WHERE id = ?", (row.id,))
    graves = yield ("SELECT parts, if_crashed FROM graves WHERE id = ?", (row.id,))
    if not found or not graves:
        return
    yield ("DELETE FROM graves WHERE id = ?", (row.id,))
    corrected = ledger.correction(row, ledger.from_json(graves[0][1]))
    if (yield from ledger.append(corrected, now_ms)):
        parts = [(budget_id, period, 0) for budget_id, period, _ in orjson.loads(graves[0][0])]
        yield from purses.pay(parts, corrected.cost_nano_usd or 0, now_ms)


def lives(owner: str, now_ms: int) -> Transaction[bool]:
    """Whether the process of this name has shown itself lately."""
    rows = yield ("SELECT 1 FROM owners WHERE id = ? AND seen_at >= ?", (owner, now_ms - DEAD_AFTER_MS))
    return bool(rows)


def _are_open() -> Transaction[bool]:
    rows = yield ("SELECT 1 FROM holds LIMIT 1", ())
    return bool(rows)


def _beat_and_bury(owner: str, now_ms: int) -> Transaction[int]:
    yield from _beat(owner, now_ms)
    return (yield from _bury(owner, now_ms))


def _beat(owner: str, now_ms: int) -> Transaction[None]:
    yield (
        "INSERT INTO owners (id, seen_at) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at",
        (owner, now_ms),
    )


def _leave(owner: str) -> Transaction[None]:
    yield ("DELETE FROM owners WHERE id = ? AND NOT EXISTS (SELECT 1 FROM holds WHERE owner = ?)", (owner, owner))


def _bury(owner: str, now_ms: int) -> Transaction[int]:
    """Books the open calls of processes that died; keeps what is needed should one of them only have slept."""
    yield ("DELETE FROM owners WHERE seen_at < ? AND id <> ?", (now_ms - DEAD_AFTER_MS, owner))
    left = yield (
        "SELECT id, parts, if_crashed FROM holds WHERE expires_at < ? OR owner NOT IN (SELECT id FROM owners)",
        (now_ms,),
    )
    for hold_id, parts, if_crashed in left:
        yield ("DELETE FROM holds WHERE id = ?", (hold_id,))
        row = ledger.from_json(if_crashed)
        yield (
            "INSERT INTO graves (id, parts, if_crashed, buried_at) VALUES (?, ?, ?, ?)",
            (row.id, parts, if_crashed, now_ms),
        )
        if (yield from ledger.append(row, now_ms)):
            yield from purses.pay(orjson.loads(parts), row.cost_nano_usd or 0, now_ms)
    yield ("DELETE FROM graves WHERE buried_at < ?", (now_ms - 86_400_000,))
    return len(left)
