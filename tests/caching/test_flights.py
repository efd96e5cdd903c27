"""Flights: answers on their way that equal requests share."""

import asyncio
import gc
import weakref

from llm_gateway.caching.flights import MOST_DRAINS, Drains, Flight, Flights, Publish
from llm_gateway.domain.completions import TextDelta


async def test_closing_waits_for_flights_that_everybody_has_just_left() -> None:
    settled: list[bool] = []

    async def launch(_: Publish) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            settled.append(True)

    flights: Flights[None] = Flights()
    flight = flights.start(launch, b"a question")
    await asyncio.sleep(0)
    with flight:
        pass
    assert flights.find(b"a question") is None
    await flights.aclose()
    assert settled


async def test_a_flight_that_ended_is_not_found_again() -> None:
    async def launch(_: Publish) -> int:
        return 1

    flights: Flights[int] = Flights()
    with (flight := flights.start(launch, b"a question")):
        assert flights.find(b"a question") is flight
        assert await flight.landed() == 1
    await flight.ended()
    await asyncio.sleep(0)
    assert flights.find(b"a question") is None


async def test_a_flight_that_ended_is_forgotten_without_the_garbage_collector() -> None:
    async def launch(_: Publish) -> int:
        return 1

    flights: Flights[int] = Flights()
    gc.disable()
    try:
        with (flight := flights.start(launch, b"a question")):
            await flight.landed()
        await asyncio.sleep(0)
        alive = weakref.ref(flight)
        del flight
        assert alive() is None
    finally:
        gc.enable()


async def for_ever(_: Publish) -> None:
    await asyncio.Event().wait()


def left(flights: Flights[None], owner: str | None = None, name: bytes | None = None) -> Flight[None]:
    """A flight whose only caller has left."""
    with (flight := flights.start(for_ever, name, owner)):
        pass
    return flight


async def test_so_many_go_on_without_callers_over_all_tables_and_no_more() -> None:
    drains = Drains(allowed=True)
    tables: list[Flights[None]] = [Flights(drains), Flights(drains)]
    drained = [left(tables[number % 2]) for number in range(MOST_DRAINS)]
    one_too_many = left(tables[0])
    await one_too_many.ended()
    assert len(drains) == MOST_DRAINS
    tables[0].ended(drained[0])
    left(tables[1])
    assert len(drains) == MOST_DRAINS
    for table in tables:
        await table.aclose()
    assert len(drains) == 0


async def test_one_that_goes_on_too_long_is_ended() -> None:
    flights: Flights[None] = Flights(Drains(allowed=True, longest_s=0.05))
    async with asyncio.timeout(20):
        await left(flights).ended()
    assert len(flights.drains) == 0


async def test_one_that_somebody_waits_for_again_is_not_ended() -> None:
    flights: Flights[None] = Flights(Drains(allowed=True, longest_s=0.05))
    flight = left(flights, name=b"a question")
    later = left(flights)
    with flight:
        assert (len(flights.drains), flight.is_abandoned) == (1, False)
        async with asyncio.timeout(20):
            await later.ended()  # begun after the other, and over
        assert flights.find(b"a question") is flight
    assert len(flights.drains) == 1
    await flights.aclose()


async def test_what_a_revoked_key_pays_for_never_goes_on() -> None:
    flights: Flights[None] = Flights(Drains(allowed=True))
    gone, another = left(flights, "key_a"), left(flights, "key_b")
    with (ridden := flights.start(for_ever, None, "key_a")):
        flights.drain_none_of("key_a")
        async with asyncio.timeout(20):
            await gone.ended()
    async with asyncio.timeout(20):
        await ridden.ended()
    assert (len(flights.drains), another.is_abandoned) == (1, True)
    await flights.aclose()


BATCHES = 50


async def said(flight_of: Flights[int]) -> tuple[Flight[int], list[int]]:
    """A flight that says a lot, and how much it has said."""
    count = [0]

    async def launch(publish: Publish) -> int:
        for _ in range(BATCHES):
            count[0] += 1
            await publish([TextDelta(0, "word")])
        return count[0]

    return flight_of.start(launch, b"a question"), count


async def let_all_run() -> None:
    for _ in range(4 * BATCHES):
        await asyncio.sleep(0)


async def test_the_model_is_not_read_far_ahead_of_its_fastest_reader() -> None:
    flight, count = await said(Flights())
    slow, fast = flight.deltas(), flight.deltas()
    with flight:
        await anext(slow)
        await let_all_run()
        assert count[0] < BATCHES / 5
        with flight:
            for _ in range(20):
                await anext(fast)
            await let_all_run()
            assert 20 < count[0] < 20 + BATCHES / 5
            assert len([batch async for batch in fast]) == BATCHES - 20
            assert await flight.landed() == BATCHES
        assert len([batch async for batch in slow]) == BATCHES - 1


async def test_who_waits_for_the_whole_or_has_left_holds_nobody_up() -> None:
    for is_stuck in (True, False):
        flights: Flights[int] = Flights(Drains(allowed=True))
        flight, count = await said(flights)
        with flight:
            if is_stuck:
                stuck = flight.deltas()
                await anext(stuck)
                await let_all_run()
                assert count[0] < BATCHES
                with flight:
                    assert await flight.landed() == BATCHES
                await stuck.aclose()
            else:
                reading = flight.deltas()
                await anext(reading)
                await reading.aclose()
        await let_all_run()
        assert count[0] == BATCHES
