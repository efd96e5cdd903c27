"""``python -m benchmarks.under_load [shed] [bulkheads] [workers]``: ratios of a gateway that has too much to do.

shed: five times as many requests as it may have under way, beside exactly as many. bulkheads: one model while 200 calls
of another hang, beside it alone. workers: requests a second with two workers, beside one, and how connections fall on
them. The figures are of the machine and its moment; the ratios say more.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import uvloop

from benchmarks.load import Caller, Request, call_many, callers, chat, check_chat, fresh_numbers
from benchmarks.processes import Server, child_environment, free_port, gateway, mock, running

_MOST, _TIMES, _ANSWER_S, _SHED_S = 50, 5, 0.5, 10.0
_HUNG, _A_SECOND, _APART_S = 200, 50, 8.0
_CALLERS, _CALLS, _ROUNDS = 64, 4000, 3


def _percentile_ms(took_s: Sequence[float], percent: int) -> float:
    ordered = sorted(took_s)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000 if ordered else float("nan")


class Told:
    """How long calls took, by the status they ended with."""

    def __init__(self) -> None:
        self.took_s: dict[int, list[float]] = {}

    async def ask(self, caller: Caller, request: Request) -> None:
        """One call."""
        began_at = time.perf_counter()
        status, _ = await caller.send(request(next(fresh_numbers())))
        self.took_s.setdefault(status, []).append(time.perf_counter() - began_at)

    async def open_loop(self, idle: list[Caller], request: Request, a_second: float, for_s: float) -> None:
        """So many calls a second, whatever becomes of those before."""

        async def ask(caller: Caller) -> None:
            await self.ask(caller, request)
            idle.append(caller)

        began_at, sent = time.perf_counter(), 0
        async with asyncio.TaskGroup() as group:
            while (now_s := time.perf_counter() - began_at) < for_s:
                while sent < now_s * a_second and idle:
                    group.create_task(ask(idle.pop(0)))  # in turn: an idle connection is closed
                    sent += 1
                await asyncio.sleep(0.001)


async def shed() -> None:
    """Goodput and refusals."""
    print(f"shed: MAX_CONCURRENT_REQUESTS={_MOST}, answers after {_ANSWER_S} s, {_SHED_S:.0f} s each")
    with mock(_ANSWER_S) as upstream, gateway(upstream.port, MAX_CONCURRENT_REQUESTS=str(_MOST)) as server:
        at_capacity, over = Told(), Told()
        async with callers(server.port, _MOST) as opened, callers(server.port, _MOST * _TIMES * 2) as many:
            await call_many(opened, chat(), fresh_numbers(), _MOST * 2, check_chat)
            until = time.perf_counter() + _SHED_S

            async def ask_on(caller: Caller) -> None:
                while time.perf_counter() < until:
                    await at_capacity.ask(caller, chat())

            await asyncio.gather(*[ask_on(caller) for caller in opened])
            await over.open_loop(list(many), chat(), _TIMES * _MOST / _ANSWER_S, _SHED_S)
    peak, kept = len(at_capacity.took_s[200]), len(over.took_s[200])
    refused = over.took_s.get(503, [])
    print(f"  answered: {peak} at capacity, {kept} at {_TIMES} times that: {kept / peak:.0%}; refused {len(refused)}")
    print(f"  refusals: p50 {_percentile_ms(refused, 50):.1f} ms, p99 {_percentile_ms(refused, 99):.1f} ms")
    p99 = [_percentile_ms(told.took_s[200], 99) for told in (at_capacity, over)]
    print(f"  admitted: p99 {p99[0]:.0f} ms at capacity, {p99[1]:.0f} ms then: {p99[1] / p99[0]:.2f}")
    print(f"  others: { {status: len(took) for status, took in over.took_s.items() if status not in (200, 503)} }")


@contextlib.contextmanager
def sandbox(latency_ms: int) -> Iterator[Server]:
    """The sandbox, which can hang."""
    port = free_port()
    words = ["-m", "llm_gateway.sandbox", "--port", str(port), "--latency-ms", str(latency_ms)]
    with running(words, port, child_environment()) as server:
        yield server


def _hang(number: int) -> bytes:
    return chat(model="nova-pro")(number).replace(b"Say something about", b"[[fault:hang]] .. ")


async def bulkheads() -> None:
    """The p99 of one model."""
    print(f"bulkheads: {_A_SECOND} a second on one model, {_HUNG} hung calls on another, {_APART_S:.0f} s each")
    ratios: list[float] = []
    for _ in range(_ROUNDS):
        with sandbox(50) as upstream, gateway(upstream.port) as server:
            alone, beside, warm = Told(), Told(), Told()
            async with callers(server.port, 100) as opened, callers(server.port, _HUNG) as hung:
                await warm.open_loop(list(opened), chat(), _A_SECOND, 2)
                await alone.open_loop(list(opened), chat(), _A_SECOND, _APART_S)
                waiting = [asyncio.ensure_future(caller.send(_hang(number))) for number, caller in enumerate(hung)]
                await asyncio.sleep(1)
                await beside.open_loop(list(opened), chat(), _A_SECOND, _APART_S)
                print(f"  still hung: {len([each for each in waiting if not each.done()])}", end="; ")
                for each in waiting:
                    each.cancel()
            p99 = [_percentile_ms(told.took_s[200], 99) for told in (alone, beside)]
            ratios.append(p99[1] / p99[0])
            print(f"p99 alone {p99[0]:.1f} ms, beside {p99[1]:.1f} ms: {ratios[-1]:.2f}")
    print(f"  the middle ratio: {sorted(ratios)[len(ratios) // 2]:.2f}")


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@contextlib.asynccontextmanager
async def _of_workers(upstream: int, number: int, keeps: bool) -> AsyncIterator[Server]:
    kept = {"CACHE_ENABLED": str(keeps).lower(), "LEDGER": "on" if keeps else "off"}
    with (
        tempfile.TemporaryDirectory() as home,
        gateway(upstream, WORKERS=str(number), LLM_GATEWAY_HOME=home, **kept) as server,
    ):
        await asyncio.sleep(6)  # all have started, and are warm
        yield server


async def workers() -> None:
    """Requests a second, and the balance of connections; first where nothing is written down."""
    for keeps in (False, True):
        await _workers(keeps)


async def _workers(keeps: bool) -> None:
    what = "with ledger and kept answers" if keeps else "without ledger and cache"
    print(f"workers: {_CALLS} chats by {_CALLERS} callers, {_ROUNDS} rounds, {what}")
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(_ROUNDS):
        for number, told in rates.items():
            with mock() as upstream:
                async with _of_workers(upstream.port, number, keeps) as server:
                    pids = _children(server.pid)
                    before = [_open_files(pid) for pid in pids]
                    async with callers(server.port, _CALLERS) as opened:
                        await call_many(opened, chat(), fresh_numbers(), 300, check_chat)
                        held = [_open_files(pid) - were for pid, were in zip(pids, before, strict=True)]
                        began_at = time.perf_counter()
                        await call_many(opened, chat(), fresh_numbers(), _CALLS, check_chat)
                        told.append(_CALLS / (time.perf_counter() - began_at))
                    print(f"  {number}: {told[-1]:,.0f} a second", f"open files of each: {held}" if held else "")
    print(f"  the best of two workers beside the best of one: {max(rates[2]) / max(rates[1]):.2f}")


def main(words: Sequence[str]) -> None:
    """Those that are named, else all."""
    measures = {"shed": shed, "bulkheads": bulkheads, "workers": workers}
    for name, measure in measures.items():
        if not words or name in words:
            uvloop.run(measure())


if __name__ == "__main__":
    main(sys.argv[1:])
