"""A caller over HTTP that may hang up: its leaving cancels what was begun for it.

Shared by the doors of ``/v1``.
"""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import Receive


class CallerLeft(Exception):
    """The caller hung up before its request was whole; there is nobody to answer."""


async def while_there(receive: Receive, work: Callable[[], Awaitable[None]]) -> bool:
    """Does the work unless the caller hangs up, which cancels it; says whether it was done.

    Begin only after the body was read: what is received from then on is the caller's leaving.
    """
    here = asyncio.current_task()
    assert here is not None  # noqa: S101 - a coroutine that runs is in a task
    watch = asyncio.ensure_future(_gone(receive))
    left = False

    def leave(_: object) -> None:
        nonlocal left
        if not watch.cancelled():
            left = True
            here.cancel()

    watch.add_done_callback(leave)
    try:
        await work()
    except asyncio.CancelledError:
        if not left or here.uncancel() > 0:
            raise
        return False
    finally:
        watch.remove_done_callback(leave)
        watch.cancel()
    return True


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
