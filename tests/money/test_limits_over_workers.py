"""Limits that several processes of one machine share: one counts, the others ask over a pair of sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from llm_gateway.access.contract import Demand
from llm_gateway.access.limits_guest import LimitsGuest
from llm_gateway.access.limits_host import LimitsHost
from llm_gateway.domain.callers import Caller
from llm_gateway.domain.errors import Overloaded, RateLimited
from llm_gateway.domain.money import Limits
from llm_gateway.worker_line import LineBroken, WorkerLine


class Pair:
    """Two guests of one host."""

    def __init__(self, host: LimitsHost, max_wait_s: float) -> None:
        self.lines: list[WorkerLine] = []
        self.guests: list[LimitsGuest] = []
        self.ends: list[socket.socket] = []
        self.tasks: list[asyncio.Future[None]] = []
        for _ in range(2):
            theirs, ours = socket.socketpair()
            line = WorkerLine(ours, lambda word, more: None)
            self.guests.append(LimitsGuest(line, lambda *_: None, gone=LineBroken, max_wait_s=max_wait_s))
            self.tasks += [asyncio.ensure_future(attended(host, theirs)), asyncio.ensure_future(line.listen())]
            self.ends.append(ours)


async def attended(host: LimitsHost, end: socket.socket) -> None:
    guest = host.guest()

    def hear(word: str, more: dict[str, Any]) -> Awaitable[dict[str, Any]]:
        return guest.admit(more) if word == "admit" else guest.settle(more)

    await WorkerLine(end, hear).listen()
    await guest.leave()


@asynccontextmanager
async def pair(max_wait_s: float = 0.0) -> AsyncIterator[Pair]:
    both = Pair(LimitsHost(), max_wait_s)
    yield both
    for end in both.ends:
        end.close() if end.fileno() < 0 else end.shutdown(socket.SHUT_RDWR)
    await asyncio.gather(*both.tasks)


def wanted(limits: Limits, key: str = "key_1") -> Demand:
    return Demand(Caller(key_id=key, limits=limits), "nova-lite", lambda: (100, 50))


async def test_a_limit_holds_over_both_and_is_told_in_full() -> None:
    async with pair() as both:
        tickets = [await both.guests[number % 2].admit(wanted(Limits(rpm=3))) for number in range(3)]
        assert tickets[2].standing["x-ratelimit-remaining-requests"] == "0"
        with pytest.raises(RateLimited) as refused:
            await both.guests[1].admit(wanted(Limits(rpm=3)))
        assert (refused.value.limit, refused.value.scope, refused.value.allowed) == ("rpm", "key", 3)
        assert refused.value.retry_after_s
        await both.guests[0].admit(wanted(Limits(rpm=3), "key_2"))
        await both.guests[0].admit(Demand(Caller(), "nova-lite", lambda: (1, 1)))


async def test_what_was_not_used_is_given_back() -> None:
    async with pair() as both:
        first = await both.guests[0].admit(wanted(Limits(tpm=200)))
        with pytest.raises(RateLimited):
            await both.guests[1].admit(wanted(Limits(tpm=200)))
        await both.guests[0].settle(first, (10, 5))
        await both.guests[0].admit(Demand(Caller(), "nova-lite", lambda: (1, 1)))
        async with asyncio.timeout(20):
            while True:
                try:
                    await both.guests[0].admit(wanted(Limits(tpm=200)))
                except RateLimited:
                    continue
                break


async def test_the_oldest_waits_for_a_place_of_the_other_process() -> None:
    async with pair(max_wait_s=20) as both:
        held = await both.guests[0].admit(wanted(Limits(concurrent=1)))
        waiting = asyncio.ensure_future(both.guests[1].admit(wanted(Limits(concurrent=1))))
        given_up = asyncio.ensure_future(both.guests[1].admit(wanted(Limits(concurrent=1))))
        await asyncio.wait([waiting, given_up], timeout=0.1)
        assert not waiting.done()
        given_up.cancel()
        await both.guests[0].settle(held, None)
        await both.guests[1].settle(await waiting, None)
        await both.guests[0].admit(wanted(Limits(concurrent=1)))


async def test_a_process_that_dies_gives_its_places_back() -> None:
    async with pair(max_wait_s=20) as both:
        await both.guests[0].admit(wanted(Limits(concurrent=1)))
        queued = asyncio.ensure_future(both.guests[0].admit(wanted(Limits(concurrent=1))))
        waiting = asyncio.ensure_future(both.guests[1].admit(wanted(Limits(concurrent=1))))
        await asyncio.wait([waiting], timeout=0.1)
        both.ends[0].shutdown(socket.SHUT_RDWR)
        with pytest.raises(Overloaded):
            await queued
        await waiting
        with pytest.raises(Overloaded):
            await both.guests[0].admit(wanted(Limits(concurrent=1)))
