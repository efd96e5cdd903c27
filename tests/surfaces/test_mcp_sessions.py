"""The sessions of MCP's handshake era: whose they are, when they end, how many there are and what they weigh."""

import asyncio
import tracemalloc
from typing import Any

import pytest

from llm_gateway.domain.errors import Overloaded
from llm_gateway.surfaces.mcp_sessions import Sessions

VERSION = "2025-11-25"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def sessions(most: int = 3, clock: Any = None) -> Sessions:
    return Sessions(most=most, idle_s=60, clock=clock or Clock())


def test_a_session_is_known_to_the_key_that_opened_it_and_to_no_other() -> None:
    table = sessions()
    mine, anybodys = table.open("key_a", VERSION), table.open(None, VERSION)
    assert table.find(mine.id, "key_a") is mine
    assert [table.find(mine.id, "key_b"), table.find(mine.id, None), table.find(anybodys.id, "key_a")] == [None] * 3
    assert table.find(anybodys.id, None) is anybodys


def test_an_idle_session_ends_and_a_used_one_does_not() -> None:
    clock = Clock()
    table = sessions(clock=clock)
    idle, used = table.open(None, VERSION), table.open(None, VERSION)
    clock.now = 50
    assert table.find(used.id, None) is used
    clock.now = 100
    assert table.find(idle.id, None) is None
    assert table.find(used.id, None) is used
    clock.now = 1000
    table.open(None, VERSION)
    assert len(table) == 1  # what is over goes when another comes


async def test_the_longest_unused_makes_room_and_one_at_work_never_does() -> None:
    table = sessions(most=3)
    at_work, first, second = [table.open(None, VERSION) for _ in range(3)]
    at_work.under_way[1] = asyncio.get_running_loop().create_future()
    assert table.find(first.id, None) is first
    newest = table.open(None, VERSION)
    assert len(table) == 3
    assert [table.find(each.id, None) is each for each in (at_work, first, second, newest)] == [True, True, False, True]
    for each in (first, newest):
        each.under_way[1] = asyncio.get_running_loop().create_future()
    with pytest.raises(Overloaded):
        table.open(None, VERSION)


async def test_an_ended_session_gives_up_what_it_has_under_way() -> None:
    table = sessions()
    session = table.open(None, VERSION)
    told = session.under_way["a"] = asyncio.get_running_loop().create_future()
    session.cancel("another")
    assert not told.done()
    table.clear()
    assert told.done()
    assert (len(table), table.find(session.id, None)) == (0, None)


def test_a_session_weighs_less_than_a_kilobyte() -> None:
    table = Sessions(most=10_000, idle_s=60)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10_000):
            table.open("key_a", VERSION)
        each = (tracemalloc.get_traced_memory()[0] - before) / 10_000
    finally:
        tracemalloc.stop()
    print(f"{each:.0f} bytes a session")  # noqa: T201
    assert each < 1024
