"""Callers who ask the same at the same moment share one answer on its way.

A flight runs in a task of its own, so that one caller's leaving does not end it. When the last caller has left it is
cancelled; or it goes on for a while, that its end may tell what it cost (``drain``). Whoever joins late gets first what
has arrived so far.

Nobody waits for a slower reader, but the model's connection waits for the fastest one: what has arrived and was not
read by anybody is bounded, unless somebody waits for the whole.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Generic, TypeVar

from llm_gateway.domain.completions import Delta
from llm_gateway.domain.errors import Overloaded

Landed = TypeVar("Landed")
Deltas = Sequence[Delta]
Tell = Callable[[], Mapping[str, object]]
Publish = Callable[[Deltas], Awaitable[None]]
"""Gives a batch to who waits for it; returns when the next may come."""


MOST_DRAINS = 32
LONGEST_DRAIN_S = 60.0
_MOST_UNREAD = 2  # batches of what one read off the connection gave, some hundred KiB of the wire at the most


def draining() -> Overloaded:
    """The gateway stops."""
    return Overloaded("the gateway is shutting down; ask again in a moment", code="draining", retry_after_s=1)


class Drains:
    """The flights that go on though nobody waits for them: at most ``MOST_DRAINS`` at once, ``longest_s`` each. One for
    all tables."""

    def __init__(self, *, allowed: bool, longest_s: float = LONGEST_DRAIN_S) -> None:
        self._allowed = allowed
        self._longest_s = longest_s
        self._timers: dict[object, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._timers)

    def begin(self, flight: object, end: Callable[[], None]) -> bool:
        """Whether it may go on; if so ``end`` ends it when its time is over."""
        if not self._allowed or len(self._timers) >= MOST_DRAINS:
            return False
        self._timers[flight] = asyncio.get_running_loop().call_later(self._longest_s, end)
        return True

    def stop(self, flight: object) -> None:
        """It has ended, or somebody waits for it again."""
        timer = self._timers.pop(flight, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """No more from now on."""
        self._allowed = False


class _Reader:
    """One caller who wants the deltas: how many batches it was given."""

    __slots__ = ("seen",)

    def __init__(self) -> None:
        self.seen = 0


class Flight(Generic[Landed]):
    """One answer on its way; made by :class:`Flights`. A caller waits for it inside ``with flight:``."""

    __slots__ = (
        "__weakref__",
        "_arrival",
        "_batches",
        "_flights",
        "_landings",
        "_may_drain",
        "_passengers",
        "_readers",
        "_room",
        "_task",
        "fingerprint",
        "is_abandoned",
        "owner",
        "tell",
    )

    def __init__(
        self,
        launch: Callable[[Publish], Coroutine[Any, Any, Landed]],
        flights: "Flights[Landed]",
        fingerprint: bytes | None,
        owner: str | None,
    ) -> None:
        self.fingerprint = fingerprint
        self.owner = owner
        self.is_abandoned = False
        self.tell: Tell | None = None
        self._flights = flights
        self._batches: list[Deltas] = []
        self._arrival: asyncio.Event | None = None  # made by the first who waits for deltas
        self._room: asyncio.Event | None = None  # made when the readers are first waited for
        self._readers: list[_Reader] = []
        self._may_drain = True
        self._passengers = 0
        self._landings: list[asyncio.Future[None]] = []  # of those who wait; asyncio.shield costs three times that
        self._task = asyncio.get_running_loop().create_task(launch(self._publish))
        self._task.add_done_callback(self._end)

    async def _publish(self, deltas: Deltas) -> None:
        self._batches.append(deltas)
        if self._arrival is not None:
            self._arrival.set()
        while self._is_far_ahead():
            room = self._room = self._room or asyncio.Event()
            room.clear()
            await room.wait()

    def take_back(self) -> bool:
        """Forgets what was published, unless somebody reads along: then it stands."""
        if self._batches and self._readers:
            return False
        self._batches.clear()
        return True

    def _is_far_ahead(self) -> bool:
        """Of its fastest reader, and of everybody: who only waits for the whole is not held up."""
        readers = self._readers
        if not readers or self._passengers > len(readers):
            return False
        return len(self._batches) - max([reader.seen for reader in readers]) > _MOST_UNREAD

    def _make_room(self) -> None:
        if self._room is not None:
            self._room.set()

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
        reader = _Reader()
        arrival = self._arrival = self._arrival or asyncio.Event()
        self._readers.append(reader)
        try:
            while True:
                while reader.seen < len(self._batches):
                    reader.seen += 1
                    self._make_room()
                    yield self._batches[reader.seen - 1]
                if self._task.done():
                    return
                arrival.clear()
                await arrival.wait()
        finally:
            self._readers.remove(reader)
            self._make_room()

    async def ride(
        self,
        on_deltas: Callable[[Deltas], Awaitable[None]] | None,
        on_start: Callable[[Mapping[str, object]], None] | None = None,
    ) -> Landed:
        """Waits for the landing; leaving it, for whatever reason, ends the flight when nobody else waits. ``on_start``
        hears before the first delta what ``tell`` has to say of the way here."""
        with self:
            if on_deltas is not None:
                async with aclosing(self.deltas()) as batches:
                    async for batch in batches:
                        if on_start is not None and self.tell is not None:
                            on_start(self.tell())
                            on_start = None
                        await on_deltas(batch)
            return await self.landed()

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
        self._flights.drains.stop(self)
        self._make_room()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._passengers -= 1
        if self._passengers > 0 or self._task.done():
            return
        self.is_abandoned = True
        if not self._may_drain or not self._flights.drains.begin(self, self.cancel):
            self.cancel()

    def never_drain(self) -> None:
        """It ends as soon as nobody waits for it, which may be now."""
        self._may_drain = False
        if self.is_abandoned:
            self.cancel()

    def cancel(self) -> None:
        """Ends the flight at once; nobody can join it any more."""
        self._flights.forget(self)
        self._task.cancel()

    async def ended(self) -> None:
        """Waits for the flight's end, whatever it is."""
        await asyncio.wait([self._task])


class Flights(Generic[Landed]):
    """The answers on their way, by fingerprint. Those that nobody waits for end at once where ``drains`` does not take
    them."""

    def __init__(self, drains: Drains | None = None) -> None:
        self.drains = Drains(allowed=False) if drains is None else drains
        self._shared: dict[bytes, Flight[Landed]] = {}
        self._all: set[Flight[Landed]] = set()

    def find(self, fingerprint: bytes) -> Flight[Landed] | None:
        """The flight that answers this already, if there is one."""
        return self._shared.get(fingerprint)

    def start(
        self,
        launch: Callable[[Publish], Coroutine[Any, Any, Landed]],
        fingerprint: bytes | None,
        owner: str | None = None,
    ) -> Flight[Landed]:
        """A new flight; others find it under ``fingerprint``, nobody where that is ``None``. ``owner`` is the id of the
        key that pays for it."""

        flight = Flight(launch, self, fingerprint, owner)
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
        self.drains.stop(flight)
        self._all.discard(flight)

    def drain_none_of(self, owner: str) -> None:
        """What this key pays for ends as soon as nobody waits for it."""
        for flight in list(self._all):
            if flight.owner == owner:
                flight.never_drain()

    async def aclose(self) -> None:
        """Cancels what is still on its way and waits until it has been settled."""
        self.drains.close()
        flights = list(self._all)
        for flight in flights:
            flight.cancel()
        for flight in flights:
            await flight.ended()
