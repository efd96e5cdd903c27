"""PAY for one request: what it may cost is reserved before a model is asked, what it did cost is booked after, once.

Law: nothing here can be interrupted half-way. A caller who leaves meanwhile leaves when the books are right.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from llm_gateway.accounting.books_contract import NOTHING_HELD, Books, Hold, Intent, LedgerRow, WorstCost
from llm_gateway.accounting.contract import Pricer
from llm_gateway.backends.contract import WorstCase
from llm_gateway.domain.callers import Caller
from llm_gateway.domain.completions import Completion, Usage
from llm_gateway.domain.requests import ResolvedModel
from llm_gateway.storage.contract import Work
from llm_gateway.telemetry.contract import Observer, PaidAttempt

Done = TypeVar("Done")
Keeping = Callable[[int | None], Work[Any] | None]
"""What keeps an answer, by its cost in nano-dollars."""


class Purchase(NamedTuple):
    """A call of a model before it is made. ``estimate`` is its input; ``worst_case`` what it can take at the most."""

    request_id: str
    caller: Caller
    model: ResolvedModel
    tier: str | None
    estimate: Callable[[], Usage]
    worst_case: Callable[[], WorstCase]


class Paid(NamedTuple):
    """What a call turned out to be. ``told`` is what has arrived, whole or not; it names what served in the end.
    ``route`` is the way that led there, as JSON."""

    usage: Usage
    outcome: str
    told: Completion | None = None
    latency_ms: float = 0.0
    route: str | None = None


class Till:
    """Prices, books, and tells the observers."""

    def __init__(self, *, pricer: Pricer, books: Books, region: str, observers: Sequence[Observer] = ()) -> None:
        self._pricer = pricer
        self._books = books
        self._region = region
        self._observers = tuple(observers)

    @property
    def available(self) -> bool:
        """Whether a call can be paid for now, as far as is known."""
        return self._books.available

    async def open(self, purchase: Purchase) -> Hold:
        """Reserves what the call may cost.

        Raises:
            BudgetExceeded: somebody's purse cannot pay for it.
            Overloaded: the ledger cannot be written; do not ask the model.
        """
        self._pricer.prepare_soon(purchase.model)
        if not self._books.keeps:
            return NOTHING_HELD
        if_crashed = self._row(_new_id(), purchase, Paid(purchase.estimate(), "crashed"))
        intent = Intent(if_crashed=if_crashed, worst=lambda: self._worst(purchase))
        opening = asyncio.ensure_future(self._books.open(intent))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            await to_the_end(self._give_back(opening))
            raise

    async def settle(
        self, hold: Hold, purchase: Purchase, paid: Sequence[Paid], keeping: Keeping | None = None
    ) -> list[int | None]:
        """Books the calls that were paid (none: gives everything back), and keeps the answer of the first in the same
        transaction; their costs in nano-dollars."""
        rows = [
            self._row(hold.id if number == 0 else f"{hold.id}.{number}", purchase, each)
            for number, each in enumerate(paid)
        ]
        for row in rows:
            self._tell(row)
        also = keeping(rows[0].cost_nano_usd) if keeping is not None and rows else None
        if self._books.keeps:
            await to_the_end(self._books.settle(hold, rows, also))
        return [row.cost_nano_usd for row in rows]

    async def _give_back(self, opening: "asyncio.Future[Hold]") -> None:
        await asyncio.wait([opening])
        if opening.exception() is None:
            await self._books.settle(opening.result(), ())

    def _worst(self, purchase: Purchase) -> WorstCost:
        worst = purchase.worst_case()
        least, most = [
            self._pricer.most_nano_usd(
                Usage(worst.input_tokens, answer), purchase.model, purchase.tier, writes_cache=worst.writes_cache
            )
            for answer in (0, worst.answer_tokens)
        ]
        return WorstCost(
            input_nano_usd=least,
            most_nano_usd=most,
            longest_answer_tokens=worst.answer_tokens,
            least_answer_tokens=worst.least_answer_tokens,
        )

    def _row(self, row_id: str, purchase: Purchase, paid: Paid) -> LedgerRow:
        told = paid.told
        model = purchase.model
        if told is not None and told.invoked_id is not None:
            model = replace(model, invoked_id=told.invoked_id)  # the price belongs to what was invoked in the end
        tier = told.service_tier if told is not None else None
        price = self._pricer.price(paid.usage, model, tier)
        return LedgerRow(
            id=row_id,
            request_id=purchase.request_id,
            caller=purchase.caller,
            model_asked=model.asked,
            model=model.name,
            model_id=model.invoked_id,
            region=model.region or self._region,
            usage=paid.usage,
            service_tier=tier,
            price_source=price.source if price else None,
            price_checked_on=price.checked_on.isoformat() if price and price.checked_on else None,
            cost_nano_usd=price.nano_usd if price else None,
            latency_ms=told.upstream_ms if told is not None and told.upstream_ms else paid.latency_ms,
            first_token_ms=told.first_delta_ms if told is not None else None,
            outcome=paid.outcome,
            route=paid.route,
        )

    def _tell(self, row: LedgerRow) -> None:
        attempt = PaidAttempt(
            request_id=row.request_id,
            model=row.model,
            model_id=row.model_id,
            usage=row.usage,
            cost_nano_usd=row.cost_nano_usd,
            outcome=row.outcome,
        )
        for observer in self._observers:
            observer.attempt_paid(attempt)


async def to_the_end(work: Coroutine[Any, Any, Done]) -> Done:
    """Awaits the whole of it; a cancellation that comes meanwhile is raised afterwards."""
    doing = asyncio.ensure_future(work)
    interrupted: asyncio.CancelledError | None = None
    while not doing.done():
        try:
            await asyncio.shield(doing)
        except asyncio.CancelledError as cancelled:
            interrupted = cancelled
        except Exception:  # noqa: BLE001 - result() below raises it again
            break
    if interrupted is not None:
        raise interrupted
    return doing.result()


def _new_id() -> str:
    """``att_`` and 24 hexadecimal digits: one for each call of a model."""
    return "att_" + os.urandom(12).hex()
