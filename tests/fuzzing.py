"""How much is fuzzed: ``LLM_GATEWAY_FUZZ=3x10000`` means three seeds of ten thousand requests, in every such test."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def fuzzed(default: str) -> tuple[int, int]:
    """Seeds and requests a seed, as they were asked for, else by default."""
    seeds, _, count = os.environ.get("LLM_GATEWAY_FUZZ", default).rpartition("x")
    return int(seeds or 3), int(count)


async def side_by_side(items: Iterator[Item], work: Callable[[Item], Awaitable[None]], *, at_once: int) -> None:
    """All items, some at a time; the first failure ends it."""

    async def go_on() -> None:
        for item in items:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(go_on())
