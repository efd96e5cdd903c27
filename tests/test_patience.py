"""A limit for what is awaited."""

import asyncio

import pytest

from llm_gateway.patience import Patience


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def test_what_takes_too_long_ends_in_a_timeout_and_the_task_goes_on() -> None:
    with pytest.raises(TimeoutError), Patience(0.01):
        await _for_ever()
    here = asyncio.current_task()
    assert here is not None
    assert here.cancelling() == 0


async def test_what_ends_in_time_is_left_alone() -> None:
    with Patience(0.01):
        pass
    with Patience(30), pytest.raises(TimeoutError), Patience(0.02):
        await _for_ever()


async def test_renewed_it_waits_anew() -> None:
    with pytest.raises(TimeoutError), Patience(3600) as patience:
        patience.renew(0.01)
        await _for_ever()


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    begun = asyncio.Event()

    async def wait() -> None:
        with Patience(3600):
            begun.set()
            await _for_ever()

    waiting = asyncio.create_task(wait())
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
