"""However an attempt ends, its target is left as it was found: nothing under way, no quota held, no probe forgotten."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from clients.processes import until
from houses import ask
from llm_gateway.access.contract import OpenGate
from llm_gateway.accounting.books_contract import Hold, Intent, LedgerRow
from llm_gateway.backends.scripted import Scripted
from llm_gateway.domain.callers import Caller
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.errors import (
    BackendGarbled,
    BackendThrottled,
    BackendUnavailable,
    BudgetExceeded,
    ModelNotAllowed,
    Overloaded,
    UnsupportedFeature,
)
from llm_gateway.domain.requests import GenerateRequest, ResolvedModel
from llm_gateway.domain.routes import Policy, Target, TargetLimits
from llm_gateway.storage.contract import Work
from routing.crossroads import Crossroads, always, crossroads, fails, route, table

LITE, PRO = "us.amazon.nova-lite-v1:0", "us.amazon.nova-pro-v1:0"
ONCE = table(policy=Policy(attempts=1, allowed_fails=1, cooldown_s=30))


def sick() -> BackendUnavailable:
    return BackendUnavailable("sick", model="m", code="upstream_error")


async def generate(house: Crossroads, request: GenerateRequest) -> Any:
    return await house.gateway.generate(request, request_id="req_1")


def told(house: Crossroads, key: str) -> dict[str, Any]:
    targets: Any = house.router.told()["targets"]
    return targets[key]


async def opened(scripts: Sequence[Scripted]) -> Crossroads:
    """Its breaker has opened, and its cool-down is over."""
    house = crossroads(ONCE, {"nova-lite": scripts})
    with pytest.raises(BackendUnavailable, match="sick"):
        await generate(house, ask("first"))
    assert told(house, LITE)["breaker"] == "open"
    house.clock.now += 31
    return house


async def leaves_in_the_midst(house: Crossroads, text: str) -> None:
    began = asyncio.Event()

    async def hear(_: object) -> None:
        began.set()

    asking = asyncio.ensure_future(house.gateway.generate(ask(text), request_id="req_1", on_deltas=hear))
    await began.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_one_call_finds_out_and_the_others_are_refused_meanwhile() -> None:
    house = await opened([*fails(sick())[:1], Scripted()])
    held = asyncio.Event()
    house.backend.hold("nova-lite", held)
    probing = asyncio.ensure_future(generate(house, ask("probe")))
    await until(lambda: len(house.backend.calls) == 2, 5)
    with pytest.raises(BackendUnavailable, match="failed too often"):
        await generate(house, ask("another"))
    held.set()
    await probing
    assert told(house, LITE)["breaker"] == "closed"


async def test_a_probe_whose_caller_leaves_lets_the_next_one_find_out() -> None:
    house = await opened([*fails(sick())[:1], Scripted()])
    held = asyncio.Event()
    house.backend.hold("nova-lite", held)
    probing = asyncio.ensure_future(generate(house, ask("probe")))
    await until(lambda: len(house.backend.calls) == 2, 5)
    probing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probing
    held.set()
    await until(lambda: not told(house, LITE)["in_flight"], 5)
    await generate(house, ask("the next"))
    assert told(house, LITE)["breaker"] == "closed"


async def test_a_probe_that_fails_opens_the_breaker_again() -> None:
    house = await opened(always(sick()))
    with pytest.raises(BackendUnavailable, match="sick"):
        await generate(house, ask("probe"))
    assert told(house, LITE)["breaker"] == "open"
    with pytest.raises(BackendUnavailable, match="failed too often"):
        await generate(house, ask("another"))


async def test_whoever_leaves_in_the_midst_leaves_no_quota_behind() -> None:
    gate = asyncio.Event()
    narrow = Target(model="nova-lite", limits=TargetLimits(concurrent=1))
    house = crossroads(table(route("nova-lite", narrow)), {"nova-lite": [Scripted(gate=gate), Scripted()]})
    await leaves_in_the_midst(house, "first")
    await until(lambda: not told(house, LITE)["in_flight"], 5)
    await generate(house, ask("second"))
    assert (told(house, LITE)["in_flight"], told(house, LITE)["quota"]["waiting"]) == (0, 0)


async def test_who_finds_no_place_at_a_target_is_refused_as_by_a_full_gateway() -> None:
    narrow = Target(model="nova-lite", limits=TargetLimits(concurrent=1))
    house = crossroads(table(route("nova-lite", narrow, policy=Policy(max_wait_s=0))))
    held = asyncio.Event()
    house.backend.hold("nova-lite", held)
    first = asyncio.ensure_future(generate(house, ask("first")))
    await until(lambda: len(house.backend.calls) == 1, 5)
    with pytest.raises(Overloaded, match="nothing was sent") as refused:
        await generate(house, ask("second"))
    assert (refused.value.code, refused.value.retry_after_s) == ("overloaded", 1.0)
    held.set()
    await first


class Books:
    """Cannot pay for some models, or cannot be written."""

    keeps = True
    available = True

    def __init__(self, too_dear: tuple[str, ...] = (), *, down: bool = False) -> None:
        self.too_dear = too_dear
        self.down = down
        self.open_now = 0

    async def open(self, intent: Intent) -> Hold:
        if self.down:
            raise Overloaded("down", code="ledger_unavailable")
        if intent.if_crashed.model in self.too_dear:
            raise BudgetExceeded("too dear", scope="key")
        self.open_now += 1
        return Hold(intent.if_crashed.id)

    async def settle(self, hold: Hold, rows: Sequence[LedgerRow], also: Work[Any] | None = None) -> None:
        self.open_now -= 1

    async def aclose(self) -> None:
        """Nothing waits."""


async def test_a_ledger_that_is_down_says_nothing_of_the_model() -> None:
    books = Books(down=True)
    house = crossroads(ONCE, {"nova-lite": [*fails(sick())]}, books=books)
    for _ in range(3):
        with pytest.raises(Overloaded):
            await generate(house, ask())
    assert not house.backend.calls
    assert told(house, LITE) == {"breaker": "closed", "in_flight": 0}


async def test_a_stand_in_that_is_too_dear_is_passed_over_for_the_next() -> None:
    books = Books(("nova-pro",))
    chain = table(route("chat", "nova-lite", "nova-pro", "nova-micro"))
    house = crossroads(chain, {"nova-lite": always(BackendThrottled("busy", model="m"))}, books=books)
    answer = await generate(house, ask(model="chat"))
    assert house.backend.asked == ["nova-lite", "nova-micro"]
    assert answer.way["passed_over"] == [{"target": PRO, "reason": "budget_exceeded"}]
    assert books.open_now == 0


async def test_a_budget_that_cannot_pay_for_the_first_ends_the_request() -> None:
    house = crossroads(table(route("chat", "nova-lite", "nova-micro")), books=Books(("nova-lite",)))
    with pytest.raises(BudgetExceeded):
        await generate(house, ask(model="chat"))
    assert not house.backend.calls
    assert told(house, LITE)["in_flight"] == 0


async def test_what_only_the_backend_knows_to_be_lacking_leads_to_another_target_too() -> None:
    lacking = UnsupportedFeature("no such format", model="nova-lite", feature="documents")
    house = crossroads(table(route("chat", "nova-lite", "nova-pro")), {"nova-lite": always(lacking)})
    assert (await generate(house, ask(model="chat"))).model == "nova-pro"
    with pytest.raises(UnsupportedFeature, match="no such format"):
        await generate(house, ask())


async def test_who_joins_an_equal_request_hears_its_way() -> None:
    held = asyncio.Event()
    house = crossroads(
        table(route("chat", "nova-lite", "nova-pro")), {"nova-lite": always(BackendThrottled("busy", model="m"))}
    )
    house.backend.hold("nova-pro", held)
    first = asyncio.ensure_future(generate(house, ask(model="chat")))
    second = asyncio.ensure_future(generate(house, ask(model="chat")))
    await until(lambda: len(house.backend.calls) == 2, 5)
    held.set()
    answers = await asyncio.gather(first, second)
    assert [answer.model for answer in answers] == ["nova-pro", "nova-pro"]
    assert [answer.way["target"] for answer in answers] == [PRO, PRO]
    assert sorted(answer.cached for answer in answers) == [False, True]


async def test_nobody_asks_again_for_those_who_have_left() -> None:
    broken = Scripted(pieces=(), error=BackendGarbled("cut", model="m", spent=Usage(1, 1, estimated=True)), early=True)
    house = crossroads(table(), {"nova-lite": [broken, Scripted()]}, drain=True)
    held = asyncio.Event()
    house.backend.hold("nova-lite", held)
    asking = asyncio.ensure_future(generate(house, ask()))
    await until(lambda: bool(house.backend.calls), 5)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    held.set()
    await until(lambda: not told(house, LITE)["in_flight"], 5)
    await house.gateway.aclose()
    assert len(house.backend.calls) == 1
    assert [attempt.outcome for attempt in house.notebook.attempts] == ["upstream_protocol_error"]


class Doorkeeper(OpenGate):
    """Lets nobody ask nova-pro."""

    def permit(self, caller: Caller, model: ResolvedModel) -> None:
        if model.name == "nova-pro":
            raise ModelNotAllowed("no", model=model.name)


async def test_a_kept_answer_of_a_model_that_the_key_may_not_ask_is_not_told_to_it() -> None:
    both = table(route("chat", "nova-pro", "nova-lite"))
    house = crossroads(both)
    await generate(house, ask(model="nova-pro"))
    house.gateway._gate = Doorkeeper()
    answer = await generate(house, ask(model="chat"))
    assert (answer.model, answer.cached) == ("nova-lite", False)
