"""Flights: answers on their way that equal requests share."""

import asyncio
import gc
import weakref

from llm_gateway.caching.flights import Flights, Publish


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
