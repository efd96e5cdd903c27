"""The way of one request, told through the gateway with a scripted backend."""

import asyncio
from collections.abc import Sequence

import pytest

from houses import ask, build_house
from llm_gateway.backends.scripted import Scripted
from llm_gateway.caching.memory_cache import MemoryCache, NoCache
from llm_gateway.domain.completions import Delta, TextDelta, Usage
from llm_gateway.domain.content import text_of
from llm_gateway.domain.errors import BackendThrottled, BackendTimeout, InvalidRequest, Overloaded, UnknownModel


async def test_an_answer_tells_its_text_its_model_and_its_exact_price() -> None:
    house = build_house(Scripted(pieces=("Hel", "lo"), usage=Usage(input_tokens=1000, output_tokens=500)))
    generation = await house.gateway.generate(ask(), request_id="req_1")
    assert text_of(generation.completion.blocks) == "Hello"
    assert (generation.model, generation.model_id) == ("nova-lite", "us.amazon.nova-lite-v1:0")
    assert generation.cost_nano_usd == 1000 * 60 + 500 * 240
    assert (generation.request_id, generation.cached) == ("req_1", False)


async def test_a_repeat_comes_from_the_cache_and_costs_nothing() -> None:
    house = build_house()
    first = await house.gateway.generate(ask(), request_id="req_1")
    second = await house.gateway.generate(ask(), request_id="req_2")
    assert (second.cached, second.cost_nano_usd, second.request_id) == (True, 0, "req_2")
    assert second.completion == first.completion
    assert len(house.backend.calls) == len(house.notebook.attempts) == 1


async def test_another_temperature_is_another_question() -> None:
    house = build_house()
    await house.gateway.generate(ask(temperature=0.1), request_id="req_1")
    await house.gateway.generate(ask(temperature=0.2), request_id="req_2")
    assert len(house.backend.calls) == 2


async def test_bypass_neither_reads_nor_keeps() -> None:
    house = build_house()
    for number in range(2):
        await house.gateway.generate(ask(cache="bypass"), request_id=f"req_{number}")
    after = await house.gateway.generate(ask(), request_id="req_3")
    assert len(house.backend.calls) == 3
    assert not after.cached


async def test_refresh_asks_anew_and_keeps_the_new_answer() -> None:
    house = build_house(Scripted(pieces=("old",)), Scripted(pieces=("new",)))
    await house.gateway.generate(ask(), request_id="req_1")
    await house.gateway.generate(ask(cache="refresh"), request_id="req_2")
    kept = await house.gateway.generate(ask(), request_id="req_3")
    assert (text_of(kept.completion.blocks), kept.cached) == ("new", True)


async def test_a_cut_answer_is_not_kept() -> None:
    house = build_house(Scripted(finish_reason="length"))
    for number in range(2):
        await house.gateway.generate(ask(), request_id=f"req_{number}")
    assert len(house.backend.calls) == 2


async def test_an_answer_with_estimated_usage_is_not_kept() -> None:
    house = build_house(Scripted(usage=Usage(input_tokens=1, output_tokens=1, estimated=True)))
    for number in range(2):
        await house.gateway.generate(ask(), request_id=f"req_{number}")
    assert len(house.backend.calls) == 2


async def test_without_a_cache_every_request_is_asked() -> None:
    house = build_house(cache=NoCache())
    for number in range(2):
        await house.gateway.generate(ask(), request_id=f"req_{number}")
    assert len(house.backend.calls) == 2


async def test_a_kept_answer_is_forgotten_after_its_time() -> None:
    now = [0.0]
    house = build_house(cache=MemoryCache(max_size=10, ttl_s=60, clock=lambda: now[0]))
    await house.gateway.generate(ask(), request_id="req_1")
    now[0] = 61
    assert not (await house.gateway.generate(ask(), request_id="req_2")).cached


async def test_two_who_ask_the_same_at_once_pay_once() -> None:
    gate = asyncio.Event()
    house = build_house(Scripted(gate=gate))
    first = asyncio.ensure_future(house.gateway.generate(ask(), request_id="req_1"))
    await house.backend.opened.wait()
    second = asyncio.ensure_future(house.gateway.generate(ask(), request_id="req_2"))
    gate.set()
    one, two = await asyncio.gather(first, second)
    assert one.completion == two.completion
    assert [one.cached, two.cached] == [False, True]
    assert [one.cost_nano_usd == 0, two.cost_nano_usd == 0] == [False, True]
    assert len(house.backend.calls) == len(house.notebook.attempts) == 1


async def test_one_of_two_leaving_does_not_end_the_other() -> None:
    gate = asyncio.Event()
    house = build_house(Scripted(gate=gate))
    first = asyncio.ensure_future(house.gateway.generate(ask(), request_id="req_1"))
    await house.backend.opened.wait()
    second = asyncio.ensure_future(house.gateway.generate(ask(), request_id="req_2"))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    gate.set()
    assert text_of((await second).completion.blocks) == "Hello there"
    assert [record.outcome for record in house.notebook.records] == ["client_disconnect", "ok"]
    assert [attempt.outcome for attempt in house.notebook.attempts] == ["ok"]


async def test_the_last_one_leaving_ends_the_call_and_what_was_said_is_paid() -> None:
    house = build_house(Scripted(gate=asyncio.Event()))
    caller = asyncio.ensure_future(house.gateway.generate(ask(), request_id="req_1"))
    await house.backend.opened.wait()
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await house.gateway.aclose()
    assert house.backend.streams[0].closed
    (attempt,) = house.notebook.attempts
    assert (attempt.outcome, attempt.usage.output_tokens, attempt.usage.estimated) == ("client_disconnect", 1, True)


async def test_who_asks_the_same_after_the_last_one_left_gets_an_answer_of_his_own() -> None:
    house = build_house(Scripted(gate=asyncio.Event()), Scripted(pieces=("fresh",)))
    caller = asyncio.ensure_future(house.gateway.generate(ask(), request_id="req_1"))
    await house.backend.opened.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert text_of((await house.gateway.generate(ask(), request_id="req_2")).completion.blocks) == "fresh"


async def test_text_arrives_while_it_is_made_also_for_who_joined_late() -> None:
    gate = asyncio.Event()
    house = build_house(Scripted(pieces=("a", "b", "c"), gate=gate))
    heard: dict[str, list[str]] = {"req_1": [], "req_2": []}
    began = {"req_1": asyncio.Event(), "req_2": asyncio.Event()}

    def listener(request_id: str):
        async def hear(deltas: Sequence[Delta]) -> None:
            heard[request_id] += [delta.text for delta in deltas if isinstance(delta, TextDelta)]
            began[request_id].set()

        return hear

    first = asyncio.ensure_future(house.gateway.generate(ask(), request_id="req_1", on_deltas=listener("req_1")))
    await began["req_1"].wait()
    second = asyncio.ensure_future(house.gateway.generate(ask(), request_id="req_2", on_deltas=listener("req_2")))
    await began["req_2"].wait()
    assert heard == {"req_1": ["a"], "req_2": ["a"]}
    gate.set()
    await asyncio.gather(first, second)
    assert heard == {"req_1": ["a", "b", "c"], "req_2": ["a", "b", "c"]}


async def test_a_broken_answer_is_an_error_and_what_it_spent_is_settled() -> None:
    spent = Usage(input_tokens=10, output_tokens=3, estimated=True)
    house = build_house(Scripted(error=BackendTimeout("silent", model="m", spent=spent)))
    with pytest.raises(BackendTimeout):
        await house.gateway.generate(ask(), request_id="req_1")
    (attempt,) = house.notebook.attempts
    assert (attempt.usage, attempt.outcome) == (spent, "upstream_timeout")
    assert house.notebook.records[0].outcome == "upstream_timeout"
    assert house.backend.streams[0].closed


async def test_a_refusal_in_the_middle_of_an_answer_settles_what_had_come() -> None:
    house = build_house(Scripted(error=InvalidRequest("no more", code="upstream_stream_error"), service_tier="flex"))
    with pytest.raises(InvalidRequest):
        await house.gateway.generate(ask(), request_id="req_1")
    (attempt,) = house.notebook.attempts
    assert (attempt.outcome, attempt.usage.output_tokens) == ("upstream_stream_error", 2)
    assert attempt.usage.estimated


async def test_a_refusal_before_an_answer_costs_nothing() -> None:
    house = build_house(Scripted(error=InvalidRequest("not so"), early=True))
    with pytest.raises(InvalidRequest):
        await house.gateway.generate(ask(), request_id="req_1")
    assert not house.notebook.attempts


async def test_an_abandoned_answer_costs_what_its_tier_costs() -> None:
    costs: list[int | None] = []
    for tier in (None, "flex"):
        house = build_house(Scripted(gate=asyncio.Event(), service_tier=tier))
        caller = asyncio.ensure_future(house.gateway.generate(ask(model="nova-pro"), request_id="req_1"))
        await house.backend.opened.wait()
        await house.gateway.aclose()
        with pytest.raises(Overloaded):
            await caller
        costs += [attempt.cost_nano_usd for attempt in house.notebook.attempts]
    standard, flex = costs
    assert standard is not None
    assert flex is not None
    assert flex < standard


async def test_a_throttle_costs_nothing_and_is_not_kept() -> None:
    house = build_house(Scripted(error=BackendThrottled("busy", model="m"), early=True), Scripted())
    with pytest.raises(BackendThrottled):
        await house.gateway.generate(ask(), request_id="req_1")
    assert not house.notebook.attempts
    assert not (await house.gateway.generate(ask(), request_id="req_2")).cached


async def test_an_unknown_model_is_told_with_the_closest_and_never_asked() -> None:
    house = build_house()
    with pytest.raises(UnknownModel) as refused:
        await house.gateway.generate(ask(model="nova-por"), request_id="req_1")
    assert "nova-pro" in refused.value.closest
    assert not house.backend.calls
    assert house.metrics.snapshot().errors_by_code == {"model_not_found": 1}


async def test_a_model_nobody_has_seen_works_and_its_price_is_unknown_not_zero() -> None:
    house = build_house()
    generation = await house.gateway.generate(ask(model="acme.brand-new-v1:0"), request_id="req_1")
    assert (generation.model_id, generation.cost_nano_usd) == ("acme.brand-new-v1:0", None)
    assert house.metrics.snapshot().unpriced_calls == 1


async def test_a_legacy_model_answers_with_a_warning() -> None:
    house = build_house(Scripted(warnings=("lowered",)))
    generation = await house.gateway.generate(ask(model="llama-3-3-70b"), request_id="req_1")
    assert "2027-03-30" in generation.warnings[0]
    assert generation.warnings[1] == "lowered"


async def test_a_closing_gateway_takes_nothing_new_and_ends_what_is_under_way() -> None:
    house = build_house(Scripted(gate=asyncio.Event()))
    caller = asyncio.ensure_future(house.gateway.generate(ask(), request_id="req_1"))
    await house.backend.opened.wait()
    await house.gateway.aclose()
    with pytest.raises(Overloaded):
        await caller
    assert house.gateway.closing
    assert house.backend.closed
    with pytest.raises(Overloaded) as refused:
        await house.gateway.generate(ask(), request_id="req_2")
    assert refused.value.code == "draining"


async def test_a_draining_gateway_ends_what_is_under_way_and_takes_nothing_new() -> None:
    gate = asyncio.Event()
    house = build_house(Scripted(gate=gate))
    caller = asyncio.ensure_future(house.gateway.generate(ask(), request_id="req_1"))
    await house.backend.opened.wait()
    house.gateway.drain()
    assert house.gateway.closing
    assert not house.gateway.is_idle
    with pytest.raises(Overloaded):
        await house.gateway.generate(ask(), request_id="req_2")
    gate.set()
    assert text_of((await caller).completion.blocks) == "Hello there"
    assert house.gateway.is_idle


async def test_the_figures_are_the_sum_of_what_was_told() -> None:
    house = build_house(Scripted(usage=Usage(input_tokens=100, output_tokens=10)))
    for number in range(3):
        await house.gateway.generate(ask(), request_id=f"req_{number}")
    with pytest.raises(UnknownModel):
        await house.gateway.generate(ask(model="nope"), request_id="req_9")
    figures = house.metrics.snapshot()
    assert (figures.total_requests, figures.successful_requests, figures.errors) == (4, 3, 1)
    assert (figures.cache_hits, figures.cache_misses, figures.total_tokens) == (2, 1, 110)
    assert figures.total_cost_nano_usd == 100 * 60 + 10 * 240 == sum(figures.cost_nano_usd_by_model.values())
    assert figures.requests_by_model == {"nova-lite": 3, "(unknown model)": 1}
