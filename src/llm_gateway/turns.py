"""Those who wait until there is room for them: queues by turns, the oldest of each first. Loses nobody's place: who is
called up at the last moment has it, who has left gives it back.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Given = TypeVar("Given")


class Waiter(Generic[Asked, Given]):
    """One who waits: what it ``asked`` for, and the ``turn`` that brings it."""

    __slots__ = ("asked", "turn")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.turn: asyncio.Future[Given] = asyncio.get_running_loop().create_future()


class Turns(Generic[Asked, Given]):
    """``call_up`` lets in who fits now, by :meth:`heads` and :meth:`let_in`; it is called when somebody comes or
    leaves. ``give_back`` takes the place of one who has left."""

    def __init__(self, call_up: Callable[[], None], give_back: Callable[[Given], Awaitable[None]]) -> None:
        self._call_up = call_up
        self._give_back = give_back
        self._queues: OrderedDict[str, deque[Waiter[Asked, Given]]] = OrderedDict()
        self._alarm: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return sum([len(waiting) for waiting in self._queues.values()])

    def __contains__(self, queue: str) -> bool:
        return queue in self._queues

    async def wait(self, queue: str, asked: Asked, max_wait_s: float) -> Given | None:
        """What was asked for, in its turn; ``None`` where that did not come in time."""
        waiter = Waiter[Asked, Given](asked)
        self._queues.setdefault(queue, deque()).append(waiter)
        self._call_up()
        try:
            async with asyncio.timeout(max_wait_s):
                return await asyncio.shield(waiter.turn)
        except TimeoutError:
            return waiter.turn.result() if waiter.turn.done() else None
        except asyncio.CancelledError:
            if waiter.turn.done():
                await self._give_back(waiter.turn.result())
            raise
        finally:
            self._forget(queue, waiter)
            self._call_up()  # whoever came after may fit

    def heads(self) -> list[tuple[str, Waiter[Asked, Given]]]:
        """The oldest of each queue, in the order of their turns."""
        return [(queue, waiting[0]) for queue, waiting in self._queues.items()]

    def let_in(self, queue: str, waiter: Waiter[Asked, Given], given: Given) -> None:
        """Its turn has come; the next is another queue's."""
        self._forget(queue, waiter)
        if queue in self._queues:
            self._queues.move_to_end(queue)
        waiter.turn.set_result(given)

    def look_again_in(self, seconds: float) -> None:
        """Calls up then, if somebody waits still."""
        self.stop()
        if self._queues:
            self._alarm = asyncio.get_running_loop().call_later(seconds, self._call_up)

    def stop(self) -> None:
        """Calls nobody up by itself."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _forget(self, queue: str, waiter: Waiter[Asked, Given]) -> None:
        waiting = self._queues.get(queue)
        if waiting is None:
            return
        if waiter in waiting:
            waiting.remove(waiter)
        if not waiting:
            del self._queues[queue]
