"""Callers who ask the same at the same moment share one answer on its way.

A flight runs in a task of its own, so that one caller's leaving does not end it. When the last caller has left it is
cancelled; or it goes on for a while, that its end may tell what it cost (``drain``). Whoever joins late gets first what
has arrived so far.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Generic, TypeVar

from llm_gateway.domain.completions import Delta
from llm_gateway.domain.errors import Overloaded

Landed = TypeVar("Landed")
Deltas = Sequence[Delta]
Publish = Callable[[Deltas], None]


MOST_DRAINS = 32
_LONGEST_DRAIN_S = 60.0


def draining() -> Overloaded:
    """The gateway stops."""
    return Overloaded("the gateway is shutting down; ask again in a moment", code="draining", retry_after_s=1)


class Flight(Generic[Landed]):
    """One answer on its way; made by :class:`Flights`. A caller waits for it inside ``with flight:``."""

    __slots__ = (
        "__weakref__",
        "_arrival",
        "_batches",
        "_flights",
        "_landings",
        "_passengers",
        "_task",
        "fingerprint",
        "is_abandoned",
    )

    def __init__(
        self,
        launch: Callable[[Publish], Coroutine[Any, Any, Landed]],
        flights: "Flights[Landed]",
        fingerprint: bytes | None,
    ) -> None:
        self.fingerprint = fingerprint
        self.is_abandoned = False
        self._flights = flights
        self._batches: list[Deltas] = []
        self._arrival: asyncio.Event | None = None  # made by the first who waits for deltas
        self._passengers = 0
        self._landings: list[asyncio.Future[None]] = []  # of those who wait; asyncio.shield costs three times that
        self._task = asyncio.get_running_loop().create_task(launch(self._publish))
        self._task.add_done_callback(self._end)

    def _publish(self, deltas: Deltas) -> None:
        self._batches.append(deltas)
        if self._arrival is not None:
            self._arrival.set()

    def _end(self, task: asyncio.Future[Landed]) -> None:
        self._flights.ended(self)
        if self._arrival is not None:
            self._arrival.set()
        for landing in self._landings:
            if not landing.done():
                landing.set_result(None)
        if not task.cancelled():
            task.exception()  # marks it as seen: the callers may all have left

    async def deltas(self) -> AsyncGenerator[Deltas]:
        """Batches from the first on; ends with the flight, whatever its end. Nobody waits for a slower reader."""
        seen = 0
        arrival = self._arrival = self._arrival or asyncio.Event()
        while True:
            while seen < len(self._batches):
                yield self._batches[seen]
                seen += 1
            if self._task.done():
                return
            arrival.clear()
            await arrival.wait()

    async def landed(self) -> Landed:
        """The flight's result, or the error it ended with: ``draining`` where the gateway ended it."""
        if not self._task.done():
            landing = asyncio.get_running_loop().create_future()
            self._landings.append(landing)
            await landing
        if self._task.cancelled():
            raise draining()
        return self._task.result()

    def __enter__(self) -> None:
        self._passengers += 1
        self.is_abandoned = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._passengers -= 1
        if self._passengers > 0 or self._task.done():
            return
        self.is_abandoned = True
        if self._flights.may_drain_another():
            timer = asyncio.get_running_loop().call_later(_LONGEST_DRAIN_S, self._task.cancel)
            self._task.add_done_callback(lambda _: timer.cancel())
        else:
            self.cancel()

    def cancel(self) -> None:
        """Ends the flight at once; nobody can join it any more."""
        self._flights.forget(self)
        self._task.cancel()

    async def ended(self) -> None:
        """Waits for the flight's end, whatever it is."""
        await asyncio.wait([self._task])


class Flights(Generic[Landed]):
    """The answers on their way, by fingerprint. With ``drain`` those that nobody waits for go on, at most
    ``MOST_DRAINS`` at once and a minute each; without it, and beyond that, they end at once."""

    def __init__(self, *, drain: bool = False) -> None:
        self._drain = drain
        self._closing = False
        self._shared: dict[bytes, Flight[Landed]] = {}
        self._all: set[Flight[Landed]] = set()

    def find(self, fingerprint: bytes) -> Flight[Landed] | None:
        """The flight that answers this already, if there is one."""
        return self._shared.get(fingerprint)

    def start(
        self, launch: Callable[[Publish], Coroutine[Any, Any, Landed]], fingerprint: bytes | None
    ) -> Flight[Landed]:
        """A new flight; others find it under ``fingerprint``, nobody where that is ``None``."""

        flight = Flight(launch, self, fingerprint)
        self._all.add(flight)
        if fingerprint is not None:
            self._shared[fingerprint] = flight
        return flight

    def forget(self, flight: Flight[Landed]) -> None:
        """Nobody joins it any more."""
        if flight.fingerprint is not None and self._shared.get(flight.fingerprint) is flight:
            del self._shared[flight.fingerprint]

    def ended(self, flight: Flight[Landed]) -> None:
        """It is not on its way any more."""
        self.forget(flight)
        self._all.discard(flight)

    def may_drain_another(self) -> bool:
        """Whether a flight that was just abandoned may go on."""
        draining = sum([flight.is_abandoned for flight in self._all])
        return self._drain and not self._closing and draining <= MOST_DRAINS

    async def aclose(self) -> None:
        """Cancels what is still on its way and waits until it has been settled."""
        self._closing = True
        flights = list(self._all)
        for flight in flights:
            flight.cancel()
        for flight in flights:
            await flight.ended()
