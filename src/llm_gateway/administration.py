"""GOVERN: virtual keys, budgets, limits. What the command line, /admin and agents ask for alike."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from llm_gateway.access import keyring
from llm_gateway.access.keyring import KeyRecord
from llm_gateway.accounting import purses
from llm_gateway.accounting.usage_query import usage
from llm_gateway.caching.contract import AnswerCache, CacheState, CacheUnavailable, Entry, Which
from llm_gateway.caching.memory_cache import NoCache
from llm_gateway.domain.callers import Caller
from llm_gateway.domain.errors import InvalidRequest, Overloaded
from llm_gateway.domain.keys import KeyWish
from llm_gateway.domain.money import Budget, BudgetState, BudgetWindow, Limits
from llm_gateway.domain.usage import UsageQuestion, UsageRow
from llm_gateway.storage.contract import Database, Returned, StorageUnavailable, Transaction, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetWish:
    """``window_s`` belongs to a rolling window. ``alerts`` are percents, ascending."""

    limit_nano_usd: int
    window: BudgetWindow = "lifetime"
    window_s: int | None = None
    alerts: tuple[int, ...] = (80, 100)


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key, what it has spent in all, and its budgets."""

    record: KeyRecord
    spent_nano_usd: int
    budgets: tuple[BudgetState, ...]


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key the moment it is made: the only one at which it can be read."""

    key: str
    view: KeyView


Tell = Callable[[], Awaitable[None]]


async def _nobody() -> None:
    """Where no server runs in this process."""


class Administration:
    """Changes who may do what. ``tell`` is awaited after each change, so that this process knows at once; the others
    hear of it within seconds."""

    def __init__(self, database: Database, tell: Tell = _nobody, cache: AnswerCache | None = None) -> None:
        self._database = database
        self._tell = tell
        self._cache: AnswerCache = cache or NoCache()

    async def create_key(self, wish: KeyWish, budget: BudgetWish | None = None) -> NewKey:
        """A new key.

        Raises:
            InvalidRequest: the name is taken.
        """
        key = keyring.new_key()
        view = await self._write(lambda now_ms: _create(wish, key, budget, now_ms))
        return NewKey(key, view)

    async def keys(self) -> list[KeyView]:
        """All keys, revoked ones too."""
        return await self._read(_all_views)

    async def key(self, word: str) -> KeyView:
        """The key of this id or name.

        Raises:
            InvalidRequest: there is none (``not_found``).
        """
        return await self._read(lambda now_ms: _view_of(word, now_ms))

    async def rotate_key(self, word: str) -> NewKey:
        """Another secret for the same key; the old one is refused at once.

        Raises:
            InvalidRequest: there is no such key, or it was revoked.
        """
        key = keyring.new_key()
        view = await self._write(lambda now_ms: _rotate(word, key, now_ms))
        return NewKey(key, view)

    async def revoke_key(self, word: str) -> KeyView:
        """Ends a key for good; what it has under way is cut.

        Raises:
            InvalidRequest: there is no such key.
        """
        return await self._write(lambda now_ms: _revoke(word, now_ms))

    async def set_budget(self, scope: str, scope_id: str, wish: BudgetWish) -> BudgetState:
        """A budget of the ``gateway``, a ``team`` or a ``key`` (by id or name), over an older one of the same window.

        Raises:
            InvalidRequest: there is no such key.
        """
        return await self._write(lambda now_ms: _set_budget(scope, scope_id, wish, now_ms))

    async def remove_budget(self, budget_id: str) -> None:
        """Takes a budget away.

        Raises:
            InvalidRequest: there is none of this id.
        """
        await self._write(lambda _: _remove_budget(budget_id))

    async def budgets(self) -> list[BudgetState]:
        """All budgets but those of runs, as they stand."""
        return await self._read(_all_budgets)

    async def budgets_of(self, caller: Caller) -> list[BudgetState]:
        """The budgets that a caller's calls draw on, as they stand."""
        return await self._read(lambda now_ms: purses.states_for(caller, now_ms))

    async def give(self, caller: Caller, to_run_id: str, nano_usd: int) -> list[BudgetState]:
        """Moves a part of a run's budget to a run that it starts; both as they stand then.

        Raises:
            InvalidRequest: the run has no budget, or not so much left.
        """
        return await self._write(lambda now_ms: purses.give(caller, to_run_id, nano_usd, now_ms))

    async def usage(self, question: UsageQuestion) -> list[UsageRow]:
        """What was spent, added up."""
        return await self._read(lambda _: usage(question))

    async def set_limits(self, scope: str, scope_id: str, limits: Limits) -> None:
        """Limits of a ``team`` or a ``model`` (by short name); empty ones take them away."""
        await self._write(lambda _: keyring.set_limits(scope, scope_id, limits))

    async def limits(self) -> dict[tuple[str, str], Limits]:
        """The limits of teams and models, by scope and its id."""
        return await self._read(lambda _: keyring.shared_limits())

    def cache_state(self) -> CacheState:
        """How full this process's cache is."""
        return self._cache.state()

    async def cache_entries(self, most: int) -> list[Entry]:
        """Kept answers, without what was asked and answered."""
        try:
            return await self._cache.entries(most)
        except CacheUnavailable as failed:
            raise _no_cache() from failed

    async def flush_cache(self, key: str | None, model: str | None) -> int:
        """Forgets the answers that a key (by id or name) paid for, those of a model (by short name), or all.

        Raises:
            InvalidRequest: there is no such key.
        """
        key_id = None if key is None else (await self.key(key)).record.id
        try:
            return await self._cache.flush(Which(key_id, model))
        except CacheUnavailable as failed:
            raise _no_cache() from failed

    async def _write(self, work: Work[Returned]) -> Returned:
        try:
            done = await self._database.write(work)
            await self._tell()
        except StorageUnavailable as failed:
            raise _unavailable() from failed
        return done

    async def _read(self, work: Work[Returned]) -> Returned:
        try:
            return await self._database.read(work)
        except StorageUnavailable as failed:
            raise _unavailable() from failed


def _unavailable() -> Overloaded:
    return Overloaded(
        "the database does not answer now; try again in a moment", code="ledger_unavailable", retry_after_s=2
    )


def _no_cache() -> Overloaded:
    return Overloaded(
        "the place where answers are kept for all does not answer now; try again in a moment",
        code="cache_unavailable",
        retry_after_s=2,
    )


def _not_found(what: str, word: str) -> InvalidRequest:
    return InvalidRequest(f"there is no {what} {word[:200]!r}", field=what, code="not_found")


def _create(wish: KeyWish, key: str, budget: BudgetWish | None, now_ms: int) -> Transaction[KeyView]:
    record = yield from keyring.add(wish, key, now_ms)
    if record is None:
        raise InvalidRequest(f"there is a key called {wish.name!r} already; choose another name", field="name")
    if budget is not None:
        yield from _set_budget("key", record.id, budget, now_ms)
    return (yield from _view(record, now_ms))


def _rotate(word: str, key: str, now_ms: int) -> Transaction[KeyView]:
    record = yield from _found(word)
    if not (yield from keyring.rehash(record.id, key)):
        raise InvalidRequest(f"the key {word[:200]!r} was revoked; create another one", field="key")
    return (yield from _view_of(record.id, now_ms))


def _revoke(word: str, now_ms: int) -> Transaction[KeyView]:
    record = yield from _found(word)
    yield from keyring.revoke(record.id, now_ms)
    return (yield from _view_of(record.id, now_ms))


def _found(word: str) -> Transaction[KeyRecord]:
    record = yield from keyring.find(word)
    if record is None:
        raise _not_found("key", word)
    return record


def _view_of(word: str, now_ms: int) -> Transaction[KeyView]:
    record = yield from _found(word)
    return (yield from _view(record, now_ms))


def _all_views(now_ms: int) -> Transaction[list[KeyView]]:
    records = yield from keyring.everyone()
    views: list[KeyView] = []
    for record in records:
        views.append((yield from _view(record, now_ms)))
    return views


def _view(record: KeyRecord, now_ms: int) -> Transaction[KeyView]:
    rows = yield (
        "SELECT CAST(COALESCE(SUM(cost_nano_usd), 0) AS BIGINT) FROM usage_ever WHERE key_id = ?",
        (record.id,),
    )
    budgets = yield from purses.find_budgets("key", record.id)
    return KeyView(record, rows[0][0], tuple((yield from _states(budgets, now_ms))))


def _states(budgets: Sequence[Budget], now_ms: int) -> Transaction[list[BudgetState]]:
    states: list[BudgetState] = []
    for budget in budgets:
        states.append((yield from purses.state_of(budget, now_ms)))
    return states


def _all_budgets(now_ms: int) -> Transaction[list[BudgetState]]:
    budgets = yield from purses.all_budgets()
    return (yield from _states(budgets, now_ms))


def _set_budget(scope: str, scope_id: str, wish: BudgetWish, now_ms: int) -> Transaction[BudgetState]:
    if scope == "key":
        scope_id = (yield from _found(scope_id)).id
    budget = Budget(
        id=f"{scope}:{scope_id}:{wish.window}" if scope_id else f"{scope}:{wish.window}",
        scope="gateway" if scope == "gateway" else "team" if scope == "team" else "key",
        scope_id=scope_id,
        limit_nano_usd=wish.limit_nano_usd,
        window=wish.window,
        window_s=wish.window_s,
        alerts=wish.alerts,
    )
    yield from purses.put_budget(budget, now_ms)
    return (yield from purses.state_of(budget, now_ms))


def _remove_budget(budget_id: str) -> Transaction[None]:
    gone = yield ("DELETE FROM budgets WHERE id = ? RETURNING id", (budget_id,))
    if not gone:
        raise _not_found("budget", budget_id)
