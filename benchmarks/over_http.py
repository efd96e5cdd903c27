"""Over ``/mcp``: CPU per call beside the bare server, many slow calls at once, memory after many calls."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from statistics import quantiles

from benchmarks.costs import cost_of
from benchmarks.load import (
    ERAS,
    Era,
    Request,
    call_many,
    callers,
    check_status,
    check_tool_answer,
    fresh_numbers,
    open_session,
    tools_call,
)
from benchmarks.plan import CALLERS, Line, Plan, ratio_line
from benchmarks.processes import Server, bare, gateway

_MOST_MISS, _MOST_HIT = 1.3, 1.1
_HEALTH_EVERY_S = 0.01
_MOST_HEALTH_MS = 50
_MOST_SLOW = 1.3
_MOST_GROWTH_MB = 5


async def _cpu_ms(server: Server, request: Request, numbers: Iterator[int], calls: int) -> float:
    return (await cost_of(server, request, numbers, calls, check_tool_answer)).cpu_ms


async def cost_lines(plan: Plan, mock_port: int) -> list[Line]:
    """For each era: a call of the model and an answer from the cache, beside the bare server."""
    lines: list[Line] = []
    with gateway(mock_port) as ours, bare() as theirs:
        for era in ERAS:
            miss, hit, constant = await _rounds(plan, era, ours, theirs)
            lines.append(ratio_line(f"CPU per generate, {era}", miss, constant, most=_MOST_MISS))
            lines.append(ratio_line(f"CPU per cache hit, {era}", hit, constant, most=_MOST_HIT))
    return lines


async def _rounds(plan: Plan, era: Era, ours: Server, theirs: Server) -> tuple[list[float], list[float], list[float]]:
    request, bare_request = [tools_call(era, open_session(server.port)) for server in (ours, theirs)]
    miss: list[float] = []
    hit: list[float] = []
    constant: list[float] = []
    for _ in range(plan.http_rounds):
        miss.append(await _cpu_ms(ours, request, fresh_numbers(), plan.http_calls))
        constant.append(await _cpu_ms(theirs, bare_request, fresh_numbers(), plan.http_calls))
        hit.append(await _cpu_ms(ours, request, itertools.repeat(0), plan.http_calls))
    return miss, hit, constant


async def slow_lines(plan: Plan, slow_mock_port: int) -> list[Line]:
    """Many callers, each waiting for a slow model at the same time, while somebody asks for the health.

    They come one after the other within ``slow_arrival_s``, which is the spread; all of them are there before the first
    is answered. Then once more as a burst, for which there is no target.
    """
    with gateway(slow_mock_port) as ours:
        took_s, spread_s, health_ms = await _all_at_once(plan, ours, plan.slow_arrival_s)
    with gateway(slow_mock_port) as ours:
        burst_s, burst_spread_s, burst_health_ms = await _all_at_once(plan, ours, 0)
    limit_s = _MOST_SLOW * plan.slow_s + spread_s
    return [
        Line(
            measure=f"{plan.slow_calls:,} calls of {plan.slow_s:g} s at a time, sent within {spread_s:.2f} s",
            ours=f"{took_s:.2f} s",
            target=f"< {limit_s:.2f} s",
            met=took_s < limit_s,
        ),
        Line(
            measure="/health meanwhile, p99",
            ours=f"{health_ms:.1f} ms",
            target=f"< {_MOST_HEALTH_MS} ms",
            met=health_ms < _MOST_HEALTH_MS,
        ),
        Line(
            measure=f"the same sent within {burst_spread_s:.2f} s; /health p99",
            ours=f"{burst_s:.2f} s; {burst_health_ms:.0f} ms",
        ),
    ]


async def _all_at_once(plan: Plan, server: Server, arrival_s: float) -> tuple[float, float, float]:
    """Seconds until the last answer, seconds until the last was sent, and p99 of the health in milliseconds."""
    request, numbers = tools_call("2026-07-28"), fresh_numbers()
    async with callers(server.port, plan.slow_calls) as opened, callers(server.port, 1) as (doctor,):
        await call_many(opened[:CALLERS], request, numbers, CALLERS)
        probes: list[float] = []
        probing = asyncio.create_task(_probe(doctor.send, probes))
        answers: list[asyncio.Future[tuple[int, bytes]]] = []
        started_at = time.perf_counter()
        for number, caller in enumerate(opened):
            ahead_s = started_at + number * arrival_s / plan.slow_calls - time.perf_counter()
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            answers.append(caller.send(request(next(numbers))))
        spread_s = time.perf_counter() - started_at
        for answer in await asyncio.gather(*answers):
            check_tool_answer(answer)
        took_s = time.perf_counter() - started_at
        probing.cancel()
    return took_s, spread_s, quantiles(probes, n=100, method="inclusive")[98]


async def _probe(send: Callable[[bytes], "asyncio.Future[tuple[int, bytes]]"], took_ms: list[float]) -> None:
    ask = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
    while True:
        started_at = time.perf_counter()
        check_status(await send(ask))
        took_ms.append((time.perf_counter() - started_at) * 1000)
        await asyncio.sleep(_HEALTH_EVERY_S)


async def memory_line(plan: Plan, mock_port: int) -> Line:
    """Resident memory after few and after many calls, each asking something new."""
    request, numbers = tools_call("2026-07-28"), fresh_numbers()
    with gateway(mock_port) as ours:
        async with callers(ours.port, CALLERS) as opened:
            await call_many(opened, request, numbers, plan.memory_first)
            first_mb = ours.rss_mb()
            await call_many(opened, request, numbers, plan.memory_last - plan.memory_first)
            last_mb = ours.rss_mb()
    return Line(
        measure=f"memory after {plan.memory_last:,} calls, to {plan.memory_first:,}",
        ours=f"{last_mb:.1f} MB",
        bare=f"({first_mb:.1f} MB)",
        ratio=f"{last_mb - first_mb:+.1f} MB",
        target=f"≤ +{_MOST_GROWTH_MB} MB",
        met=last_mb - first_mb <= _MOST_GROWTH_MB,
    )
