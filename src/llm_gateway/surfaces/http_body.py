"""A caller over HTTP that may hang up: its leaving cancels what was begun for it.

Shared by the doors of ``/v1``.
"""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import Receive

_BLINK_S = 0.02  # an answer from the cache is sent sooner than anybody is watched


class CallerLeft(Exception):
    """The caller hung up before its request was whole; there is nobody to answer."""


async def while_there(receive: Receive, work: Callable[[], Awaitable[None]]) -> bool:
    """Does the work unless the caller hangs up, which cancels it; says whether it was done.

    Begin only after the body was read: what is received from then on is the caller's leaving.
    """
    here = asyncio.current_task()
    assert here is not None  # noqa: S101 - a coroutine that runs is in a task
    watch: asyncio.Future[None] | None = None
    left = False

    def begin() -> None:
        nonlocal watch
        watch = asyncio.ensure_future(_gone(receive))
        watch.add_done_callback(leave)

    def leave(_: object) -> None:
        nonlocal left
        if watch is not None and not watch.cancelled():
            left = True
            here.cancel()

    timer = asyncio.get_running_loop().call_later(_BLINK_S, begin)
    try:
        await work()
    except asyncio.CancelledError:
        if not left or here.uncancel() > 0:
            raise
        return False
    finally:
        timer.cancel()
        if watch is not None:
            watch.remove_done_callback(leave)
            watch.cancel()
    return True


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
