"""The books: every paid call once, no purse overdrawn, nothing held for ever."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from money_house import books, intent, number, row, rows_of, set_budget

from llm_gateway.accounting import ledger
from llm_gateway.accounting.books_contract import Alert
from llm_gateway.accounting.sql_books import DEAD_AFTER_MS
from llm_gateway.domain.callers import Caller
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.errors import BudgetExceeded, Overloaded
from llm_gateway.domain.money import Budget
from llm_gateway.storage.contract import Database, Returned, StorageUnavailable, Transaction, Work

BAR = Caller(key_id="key_bar", key_name="bar", team="red")
PURSE = Budget(id="b1", scope="key", scope_id="key_bar", limit_nano_usd=1_000_000)


async def test_what_was_settled_is_in_the_ledger_with_its_sums(database: Database, tmp_path: Path) -> None:
    desk = books(database, tmp_path)
    hold = await desk.open(intent(row("a1", caller=BAR)))
    await desk.settle(hold, [row("a1", cost=123, caller=BAR, outcome="ok")])
    told = await rows_of(database, "SELECT request_id, key_name, team, cost_nano_usd, outcome FROM ledger")
    assert [tuple(each) for each in told] == [("req_a1", "bar", "red", 123, "ok")]
    summed = await rows_of(database, "SELECT key_id, calls, input_tokens, cost_nano_usd FROM usage_by_day")
    assert [tuple(each) for each in summed] == [("key_bar", 1, 10, 123)]
    ever = await rows_of(database, "SELECT key_id, team, calls, input_tokens, cost_nano_usd FROM usage_ever")
    assert [tuple(each) for each in ever] == [("key_bar", "red", 1, 10, 123)]
    assert await number(database, "SELECT COUNT(*) FROM holds") == 0
    await desk.aclose()


async def test_a_settlement_told_twice_counts_once(database: Database, tmp_path: Path) -> None:
    desk = books(database, tmp_path)
    hold = await desk.open(intent(row("a1", caller=BAR)))
    for _ in range(2):
        await desk.settle(hold, [row("a1", cost=123, caller=BAR, outcome="ok")])
    assert await number(database, "SELECT SUM(cost_nano_usd) FROM ledger") == 123
    for sums in ("usage_by_day", "usage_ever"):
        assert await number(database, f"SELECT SUM(cost_nano_usd) FROM {sums}") == 123
    await desk.aclose()


@pytest.mark.parametrize("statement", ["UPDATE ledger SET cost_nano_usd = 0", "DELETE FROM ledger"])
async def test_the_ledger_is_append_only(statement: str, database: Database, tmp_path: Path) -> None:
    desk = books(database, tmp_path)
    await desk.settle(await desk.open(intent(row("a1"))), [row("a1", outcome="ok")])

    def change(_: int) -> Transaction[None]:
        yield (statement, ())

    with pytest.raises(Exception, match="append-only"):
        await database.write(change)
    assert await number(database, "SELECT SUM(cost_nano_usd) FROM ledger") == 1000
    await desk.aclose()


async def test_five_hundred_at_once_spend_what_the_purse_pays_for_and_no_more(
    database: Database, tmp_path: Path
) -> None:
    await set_budget(database, PURSE)
    desk = books(database, tmp_path, may_clamp=False)

    async def ask(number_of_call: int) -> str:
        name = f"a{number_of_call}"
        try:
            hold = await desk.open(intent(row(name, caller=BAR), most=27_000))
        except BudgetExceeded as refused:
            return refused.code
        await asyncio.sleep(0)  # all others have asked by now
        await desk.settle(hold, [row(name, cost=27_000, caller=BAR, outcome="ok")])
        return "ok"

    ended = await asyncio.gather(*[ask(each) for each in range(500)])
    assert (ended.count("ok"), ended.count("budget_exceeded")) == (37, 463)
    assert await number(database, "SELECT spent_nano_usd FROM budget_use") == 37 * 27_000
    assert await number(database, "SELECT held_nano_usd FROM budget_use") == 0
    await desk.aclose()


async def test_a_refusal_says_what_was_spent_and_what_is_held(database: Database, tmp_path: Path) -> None:
    await set_budget(database, replace(PURSE, limit_nano_usd=50_000, window="day"))
    desk = books(database, tmp_path)
    first = await desk.open(intent(row("a1", caller=BAR)))
    await desk.settle(first, [row("a1", cost=20_000, caller=BAR, outcome="ok")])
    await desk.open(intent(row("a2", caller=BAR)))
    with pytest.raises(BudgetExceeded) as refused:
        await desk.open(intent(row("a3", caller=BAR)))
    facts = refused.value.facts()
    assert (facts["scope"], facts["spent_usd"], facts["reserved_usd"]) == ("key", "0.00002", "0.000027")
    assert facts["budget_usd"] == "0.00005"
    assert str(facts["resets_at"]).endswith("T00:00:00+00:00")
    await desk.aclose()


async def test_an_answer_is_shortened_to_what_the_purse_pays_for(database: Database, tmp_path: Path) -> None:
    await set_budget(database, replace(PURSE, limit_nano_usd=15_000))
    desk = books(database, tmp_path)
    asked = intent(row("a1", caller=BAR), least=1_000, most=21_000, tokens=200)
    worst = asked.worst()
    hold = await desk.open(replace(asked, worst=lambda: replace(worst, least_answer_tokens=1)))
    assert hold.answer_tokens is not None
    assert 1_000 + hold.answer_tokens * 100 <= 15_000
    assert hold.answer_tokens > 130
    assert hold.clamped_by == "the key's budget"
    assert await number(database, "SELECT held_nano_usd FROM budget_use") <= 15_000
    await desk.aclose()


async def test_no_price_is_no_reason_to_overdraw(database: Database, tmp_path: Path) -> None:
    await set_budget(database, PURSE)
    desk = books(database, tmp_path)
    with pytest.raises(BudgetExceeded) as refused:
        await desk.open(intent(row("a1", cost=None, caller=BAR), most=None))
    assert refused.value.code == "price_unknown"
    hold = await desk.open(intent(row("a2", cost=None), most=None))  # nobody's purse: nothing to overdraw
    assert hold.clamped_by is None
    await desk.aclose()


async def test_a_call_that_was_given_up_gives_everything_back(database: Database, tmp_path: Path) -> None:
    await set_budget(database, PURSE)
    desk = books(database, tmp_path)
    await desk.settle(await desk.open(intent(row("a1", caller=BAR))), [])
    assert await number(database, "SELECT held_nano_usd FROM budget_use") == 0
    assert await number(database, "SELECT COUNT(*) FROM ledger") == 0
    await desk.aclose()


async def all_look_dead(database: Database) -> None:
    """As if no process had shown itself for longer than the living do."""

    def age(_: int) -> Transaction[None]:
        yield (f"UPDATE owners SET seen_at = seen_at - {DEAD_AFTER_MS + 1000}", ())

    await database.write(age)


async def test_the_open_calls_of_a_dead_process_are_booked_as_estimates(database: Database, tmp_path: Path) -> None:
    await set_budget(database, PURSE)
    dead, heir = books(database, tmp_path), books(database, tmp_path)
    await dead.open(intent(row("a1", cost=500, caller=BAR)))
    await heir.tidy()
    assert await number(database, "SELECT COUNT(*) FROM holds") == 1  # it may still live
    await all_look_dead(database)
    await heir.tidy()
    told = await rows_of(database, "SELECT outcome, cost_nano_usd, estimated FROM ledger")
    assert [tuple(each) for each in told] == [("crashed", 500, 1)]
    assert await number(database, "SELECT spent_nano_usd FROM budget_use") == 500
    assert await number(database, "SELECT held_nano_usd + (SELECT COUNT(*) FROM holds) FROM budget_use") == 0
    await heir.aclose()
    await dead.aclose()


async def test_a_process_that_only_slept_corrects_what_was_booked_for_it(database: Database, tmp_path: Path) -> None:
    await set_budget(database, PURSE)
    sleeper, heir = books(database, tmp_path), books(database, tmp_path)
    hold = await sleeper.open(intent(row("a1", cost=500, caller=BAR)))
    await all_look_dead(database)
    await heir.tidy()
    await sleeper.settle(hold, [row("a1", cost=800, caller=BAR, outcome="ok")])
    await sleeper.settle(hold, [row("a1", cost=800, caller=BAR, outcome="ok")])
    assert await number(database, "SELECT SUM(cost_nano_usd) FROM ledger") == 800
    assert await number(database, "SELECT spent_nano_usd FROM budget_use") == 800
    await heir.aclose()
    await sleeper.aclose()


async def test_a_row_comes_back_from_its_text_as_it_was() -> None:
    caller = Caller(key_id="k", key_name="n", team="t", agent="a", run_id="r", idempotency_key="i")
    kept = row("a1", caller=caller)._replace(usage=Usage(1, 2, 3, 4, 5, estimated=True), first_token_ms=2.5)
    assert ledger.from_json(ledger.to_json(kept)) == kept


async def test_the_marks_of_a_purse_are_told_once(database: Database, tmp_path: Path) -> None:
    await set_budget(database, replace(PURSE, limit_nano_usd=10_000, alerts=(50, 100)))
    heard: list[Alert] = []
    desk = books(database, tmp_path, on_alert=heard.append)
    for name, cost in (("a1", 4_000), ("a2", 2_000), ("a3", 1_000), ("a4", 3_000)):
        asked = intent(row(name, caller=BAR), least=10, most=cost)
        await desk.settle(await desk.open(asked), [row(name, cost=cost, caller=BAR, outcome="ok")])
    assert [(alert.percent, alert.state.spent_nano_usd) for alert in heard] == [(50, 6_000), (100, 10_000)]
    await desk.aclose()


async def test_each_run_has_the_purse_of_its_key_and_children_draw_on_it_too(
    database: Database, tmp_path: Path
) -> None:
    desk = books(database, tmp_path, may_clamp=False)
    parent = replace(BAR, run_budget_nano_usd=50_000, run_id="r1")
    child = replace(BAR, run_budget_nano_usd=50_000, run_id="r1/a", parent_run_id="r1")
    hold = await desk.open(intent(row("a1", caller=child), most=40_000))
    with pytest.raises(BudgetExceeded) as refused:
        await desk.open(intent(row("a2", caller=parent), most=20_000))
    assert refused.value.facts()["scope"] == "run"
    await desk.settle(hold, [row("a1", cost=10_000, caller=child, outcome="ok")])
    await desk.open(intent(row("a3", caller=parent), most=20_000))
    other = replace(BAR, key_id="key_other", run_budget_nano_usd=50_000, run_id="r1")
    await desk.open(intent(row("a4", caller=other), most=50_000))  # the same name, another key: another run
    await desk.aclose()


class Gone:
    """A database that may be switched off."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_down = False

    async def write(self, work: Work[Returned]) -> Returned:
        if self.is_down:
            raise StorageUnavailable("switched off")
        return await self._database.write(work)

    async def read(self, work: Work[Returned]) -> Returned:
        if self.is_down:
            raise StorageUnavailable("switched off")
        return await self._database.read(work)

    async def aclose(self) -> None:
        await self._database.aclose()


async def test_what_was_spent_while_the_database_was_down_is_booked_once_when_it_is_back(
    database: Database, tmp_path: Path
) -> None:
    switched = Gone(database)
    desk = books(switched, tmp_path)
    hold = await desk.open(intent(row("a1", caller=BAR)))
    switched.is_down = True
    await desk.settle(hold, [row("a1", cost=123, caller=BAR, outcome="ok")])
    with pytest.raises(Overloaded) as refused:
        await desk.open(intent(row("a2", caller=BAR)))
    assert (refused.value.code, refused.value.retryable) == ("ledger_unavailable", True)
    assert len(spools(tmp_path)) == 1
    switched.is_down = False
    await desk.tidy()
    assert await number(database, "SELECT SUM(cost_nano_usd) FROM ledger") == 123
    assert await number(database, "SELECT COUNT(*) FROM holds") == 0
    assert spools(tmp_path) == []
    await desk.aclose()


async def test_the_spool_of_a_dead_process_is_taken_over(database: Database, tmp_path: Path) -> None:
    lines = tmp_path / "spool-dead.jsonl"
    kept = ledger.to_json(row("a9", cost=77, outcome="ok"))
    lines.write_text('{"hold":"a9","rows":[' + _quoted(kept) + ']}\n{"hold":"a1')
    desk = books(database, tmp_path)
    await desk.tidy()
    assert await number(database, "SELECT SUM(cost_nano_usd) FROM ledger") == 77
    assert not lines.exists()
    await desk.aclose()


def spools(folder: Path) -> list[Path]:
    return list(folder.glob("spool-*.jsonl"))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
