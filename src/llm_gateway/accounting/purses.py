"""Purses as transactions: find those a call draws on, hold its worst case in all or none, pay, give back.

Law: all writes of a database happen one after the other, so what a transaction reads stands until it ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from llm_gateway.accounting.books_contract import Alert, Intent, WorstCost
from llm_gateway.accounting.budget_windows import first_period, period_of, resets_at
from llm_gateway.domain.callers import Caller
from llm_gateway.domain.errors import BudgetExceeded, InvalidRequest
from llm_gateway.domain.money import Budget, BudgetState
from llm_gateway.storage.contract import Row, Transaction

_BUDGET = "SELECT id, scope, scope_id, limit_nano_usd, window_kind, window_s, given_nano_usd, alerts FROM budgets"
_MOST_PARENTS = 16
_NANO = Decimal(10**9)

Part = tuple[str, int, int]
"""Of a hold: the purse, its period, and how much of it is held, in nano-dollars."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a call may take: the parts that hold it, and how long its answer may be (``None``: as long as asked)."""

    parts: tuple[Part, ...]
    answer_tokens: int | None = None
    clamped_by: str | None = None


def run_scope(key_id: str | None, run_id: str) -> str:
    """What a run's purse is filed under: runs of different keys never meet."""
    return f"{key_id or ''}/{run_id}"


def draw(intent: Intent, now_ms: int, *, may_clamp: bool) -> Transaction[Drawn]:
    """Holds the worst case in every purse that the caller draws on.

    Raises:
        BudgetExceeded: one of them cannot pay; nothing is held.
    """
    states = yield from states_for(intent.if_crashed.caller, now_ms, begin_runs=True)
    if not states:
        return Drawn(())
    worst = intent.worst()
    if worst.most_nano_usd is None or worst.input_nano_usd is None:
        raise price_unknown(intent.if_crashed.model, states[0])
    tightest = min(states, key=lambda state: state.room_nano_usd)
    tokens, amount, clamped = None, worst.most_nano_usd, None
    if tightest.room_nano_usd < amount:
        tokens = _payable_tokens(worst, tightest.room_nano_usd) if may_clamp else 0
        if tokens < worst.least_answer_tokens:
            raise exceeded(tightest, amount)
        amount, clamped = min(_cost_of(worst, tokens), tightest.room_nano_usd), whose(tightest.budget)
    parts: list[Part] = []
    for state in states:
        part = (state.budget.id, period_of(state.budget, now_ms), amount)
        yield (
            "INSERT INTO budget_use (budget_id, period, held_nano_usd) VALUES (?, ?, ?) "
            "ON CONFLICT (budget_id, period) DO UPDATE "
            "SET held_nano_usd = budget_use.held_nano_usd + excluded.held_nano_usd",
            part,
        )
        parts.append(part)
    return Drawn(tuple(parts), tokens, clamped)


def pay(parts: Sequence[Part], cost_nano_usd: int, now_ms: int) -> Transaction[list[Alert]]:
    """Turns what was held into what was spent; tells of the purses that have passed a mark."""
    alerts: list[Alert] = []
    for budget_id, period, held in parts:
        yield (
            "UPDATE budget_use SET held_nano_usd = held_nano_usd - ?, spent_nano_usd = spent_nano_usd + ? "
            "WHERE budget_id = ? AND period = ?",
            (held, cost_nano_usd, budget_id, period),
        )
        alerts += yield from _passed_marks(budget_id, period, now_ms)
    return alerts


def states_for(caller: Caller, now_ms: int, *, begin_runs: bool = False) -> Transaction[list[BudgetState]]:
    """The purses that a caller's calls draw on: the gateway's, the team's, the key's, the run's and its parents'.

    ``begin_runs`` writes a run down that is new, with the purse that its key gives to runs.
    """
    scopes = [("gateway", "")]
    if caller.team is not None:
        scopes.append(("team", caller.team))
    if caller.key_id is not None:
        scopes.append(("key", caller.key_id))
    if caller.run_id is not None:
        scopes += yield from _runs_above(caller, now_ms, begin=begin_runs)
    chosen = " OR ".join(["(scope = ? AND scope_id = ?)"] * len(scopes))
    rows = yield (f"{_BUDGET} WHERE {chosen}", [word for scope in scopes for word in scope])
    states: list[BudgetState] = []
    for row in rows:
        states.append((yield from state_of(budget_of(row), now_ms)))
    return states


def state_of(budget: Budget, now_ms: int) -> Transaction[BudgetState]:
    """How a purse stands now."""
    period = period_of(budget, now_ms)
    rows = yield (
        "SELECT CAST(COALESCE(SUM(spent_nano_usd), 0) AS BIGINT), CAST(COALESCE(SUM(held_nano_usd), 0) AS BIGINT) "
        "FROM budget_use WHERE budget_id = ? AND period >= ?",
        (budget.id, first_period(budget, period)),
    )
    return BudgetState(
        budget=budget, spent_nano_usd=rows[0][0], held_nano_usd=rows[0][1], resets_at=resets_at(budget, now_ms)
    )


def budget_of(row: Row) -> Budget:
    """A row of the table, in the order of its columns."""
    alerts = tuple(int(word) for word in str(row[7]).split(",") if word)
    return Budget(
        id=row[0],
        scope=row[1],
        scope_id=row[2],
        limit_nano_usd=row[3],
        window=row[4],
        window_s=row[5],
        given_nano_usd=row[6],
        alerts=alerts,
    )


def find_budgets(scope: str, scope_id: str) -> Transaction[list[Budget]]:
    """The purses of one scope, one for each kind of window."""
    rows = yield (f"{_BUDGET} WHERE scope = ? AND scope_id = ? ORDER BY window_kind", (scope, scope_id))
    return [budget_of(row) for row in rows]


def put_budget(budget: Budget, now_ms: int) -> Transaction[None]:
    """A purse, in place of an older one of its scope and window; what was spent from that stays spent."""
    yield (
        "INSERT INTO budgets (id, scope, scope_id, limit_nano_usd, window_kind, window_s, alerts, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (scope, scope_id, window_kind) DO UPDATE SET "
        "limit_nano_usd = excluded.limit_nano_usd, window_s = excluded.window_s, alerts = excluded.alerts, "
        "alerted_percent = 0",
        (
            budget.id,
            budget.scope,
            budget.scope_id,
            budget.limit_nano_usd,
            budget.window,
            budget.window_s,
            ",".join(map(str, budget.alerts)),
            now_ms,
        ),
    )


def give(caller: Caller, to_run_id: str, nano_usd: int, now_ms: int) -> Transaction[list[BudgetState]]:
    """Moves a part of a run's purse to a child run, which gets a purse of its own; both as they stand then.

    Raises:
        InvalidRequest: the run has no purse, or not so much left, or the child runs already as another's child.
    """
    run_id = caller.run_id or ""
    mine = yield from find_budgets("run", run_scope(caller.key_id, run_id))
    if not mine:
        raise InvalidRequest(f"run {run_id!r} has no budget of its own to give from", field="run_id")
    state = yield from state_of(mine[0], now_ms)
    if nano_usd > state.room_nano_usd:
        left = usd(state.room_nano_usd)
        raise InvalidRequest(f"run {run_id!r} has ${left} left, less than ${usd(nano_usd)}", field="usd")
    rows = yield ("SELECT parent_run_id FROM runs WHERE key_id = ? AND run_id = ?", (caller.key_id or "", to_run_id))
    if to_run_id == run_id or (rows and rows[0][0] is not None):
        raise InvalidRequest(f"run {to_run_id!r} has a parent already; give to a run of its own", field="to_run_id")
    yield ("UPDATE budgets SET given_nano_usd = given_nano_usd + ? WHERE id = ?", (nano_usd, mine[0].id))
    if not rows:  # its purse is the gift alone, so it is no child that its parent pays for once more
        yield ("INSERT INTO runs VALUES (?, ?, NULL, ?)", (caller.key_id or "", to_run_id, now_ms))
    scope_id = run_scope(caller.key_id, to_run_id)
    yield (
        "INSERT INTO budgets (id, scope, scope_id, limit_nano_usd, window_kind, created_at) "
        "VALUES (?, 'run', ?, ?, 'lifetime', ?) ON CONFLICT (scope, scope_id, window_kind) DO UPDATE "
        "SET limit_nano_usd = budgets.limit_nano_usd + excluded.limit_nano_usd",
        (f"run:{scope_id}", scope_id, nano_usd, now_ms),
    )
    states: list[BudgetState] = []
    for each in (mine[0].scope_id, scope_id):
        budgets = yield from find_budgets("run", each)
        states.append((yield from state_of(budgets[0], now_ms)))
    return states


def all_budgets() -> Transaction[list[Budget]]:
    """Every purse but those of runs."""
    rows = yield (f"{_BUDGET} WHERE scope <> 'run' ORDER BY scope, scope_id, window_kind", ())
    return [budget_of(row) for row in rows]


def _payable_tokens(worst: WorstCost, room_nano_usd: int) -> int:
    """How long an answer ``room_nano_usd`` pays for, after the input; 0 where not even that is paid."""
    least, most = worst.input_nano_usd or 0, worst.most_nano_usd or 0
    if room_nano_usd <= least or most <= least:
        return 0
    # One token less than the proportion: prices are rounded.
    return max(0, (room_nano_usd - least) * worst.longest_answer_tokens // (most - least) - 1)


def _cost_of(worst: WorstCost, answer_tokens: int) -> int:
    """At least what the input and such an answer cost."""
    least, most = worst.input_nano_usd or 0, worst.most_nano_usd or 0
    return least - (least - most) * answer_tokens // worst.longest_answer_tokens + 1


def whose(budget: Budget) -> str:
    """The purse in words."""
    if budget.scope == "gateway":
        return "the gateway's budget"
    if budget.scope == "run":
        return f"the budget of run {budget.scope_id.partition('/')[2]!r}"
    return f"the budget of {budget.scope} {budget.scope_id!r}" if budget.scope == "team" else "the key's budget"


def usd(nano_usd: int) -> str:
    """US dollars as an exact decimal."""
    return f"{(Decimal(nano_usd) / _NANO).normalize():f}"


def exceeded(state: BudgetState, most: int) -> BudgetExceeded:
    """Says what the purse has and what the call could cost, ``most`` nano-dollars."""
    budget = state.budget
    when = f"; it is filled again at {state.resets_at}" if state.resets_at else ""
    return BudgetExceeded(
        f"{whose(budget)} of ${usd(budget.limit_nano_usd)} a {budget.window} cannot pay for this call, which may cost "
        f"up to ${usd(most)}: ${usd(state.spent_nano_usd)} spent, ${usd(state.held_nano_usd)} held by calls under way"
        f"{when}; ask with a smaller max_tokens, a cheaper model, or have the budget raised",
        scope=budget.scope,
        spent_usd=usd(state.spent_nano_usd),
        reserved_usd=usd(state.held_nano_usd),
        budget_usd=usd(budget.limit_nano_usd - budget.given_nano_usd),
        resets_at=state.resets_at,
    )


def price_unknown(model: str, state: BudgetState | None) -> BudgetExceeded:
    """A purse cannot pay what has no price."""
    why = f"{whose(state.budget)} cannot be kept" if state else "UNPRICED=refuse lets no call through"
    return BudgetExceeded(
        f"no price is known for {model!r}, so {why}; ask a model that list_models shows with a price, "
        "or give it one in MODELS_FILE",
        scope=state.budget.scope if state else "gateway",
        code="price_unknown",
    )


def _runs_above(caller: Caller, now_ms: int, *, begin: bool) -> Transaction[list[tuple[str, str]]]:
    """The scopes of a run and its parents."""
    key = caller.key_id or ""
    run_id, parent = caller.run_id, caller.parent_run_id
    scopes: list[tuple[str, str]] = []
    while run_id is not None and len(scopes) < _MOST_PARENTS:
        rows = yield ("SELECT parent_run_id FROM runs WHERE key_id = ? AND run_id = ?", (key, run_id))
        if rows:
            parent = rows[0][0]
        elif begin:
            yield from _begin_run(caller, run_id, parent, now_ms)
        scopes.append(("run", run_scope(caller.key_id, run_id)))
        run_id, parent = parent, None
    return scopes


def _begin_run(caller: Caller, run_id: str, parent: str | None, now_ms: int) -> Transaction[None]:
    yield ("INSERT INTO runs VALUES (?, ?, ?, ?)", (caller.key_id or "", run_id, parent, now_ms))
    if caller.run_budget_nano_usd is not None and parent is None:
        scope_id = run_scope(caller.key_id, run_id)
        yield (
            "INSERT INTO budgets (id, scope, scope_id, limit_nano_usd, window_kind, created_at) "
            "VALUES (?, 'run', ?, ?, 'lifetime', ?) ON CONFLICT DO NOTHING",
            (f"run:{scope_id}", scope_id, caller.run_budget_nano_usd, now_ms),
        )


def _passed_marks(budget_id: str, period: int, now_ms: int) -> Transaction[list[Alert]]:
    rows = yield (
        f"{_BUDGET} WHERE id = ? AND alerts <> '' AND NOT (alerted_period = ? AND alerted_percent >= 100)",
        (budget_id, period),
    )
    if not rows:
        return []
    state = yield from state_of(budget_of(rows[0]), now_ms)
    limit = max(1, state.budget.limit_nano_usd)
    passed = [mark for mark in state.budget.alerts if state.spent_nano_usd * 100 >= mark * limit]
    if not passed:
        return []
    told = yield (
        "UPDATE budgets SET alerted_period = ?, alerted_percent = ? "
        "WHERE id = ? AND NOT (alerted_period = ? AND alerted_percent >= ?) RETURNING id",
        (period, max(passed), budget_id, period, max(passed)),
    )
    return [Alert(state, max(passed))] if told else []
