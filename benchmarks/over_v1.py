"""Over ``/v1/chat/completions``: beside the floor where CPU is counted, beside the mock itself where waiting is."""

import itertools
import time
from statistics import mean, median

from benchmarks.costs import Cost, cost_of
from benchmarks.load import (
    Caller,
    Request,
    call_many,
    callers,
    chat,
    check_chat,
    check_status,
    check_stream,
    fresh_numbers,
    http_post,
    times_ms,
)
from benchmarks.plan import Line, Plan, ratio_line
from benchmarks.processes import Server, floor, gateway, mock

_MOST_CHAT, _MOST_STREAM = 2.4, 3
_LEAST_HITS_PER_S = 10_000
_DELTAS = 50
_LEAST_DELTAS_PER_S = 80_000
_MOST_LATER_MS = 1.2
_MOST_ADDED_MS = 3
_LEAST_RATE = 0.98
_MOST_MB = 130
_FIRST_AFTER_S, _GAP_S = 0.03, 0.002
_DIRECT = http_post("/model/us.amazon.nova-micro-v1%3A0/converse-stream", "", b"{}")


async def chat_lines(plan: Plan, mock_port: int) -> list[Line]:
    """Whole answers and answers from the cache, and the memory of the server that gave them."""
    ours: list[Cost] = []
    hits: list[Cost] = []
    least: list[Cost] = []
    with gateway(mock_port) as server, floor(mock_port) as beside:
        for _ in range(plan.v1_rounds):
            ours.append(await cost_of(server, chat(), fresh_numbers(), plan.v1_calls, check_chat))
            least.append(await cost_of(beside, chat(), fresh_numbers(), plan.v1_calls, check_chat))
            hits.append(await cost_of(server, chat(), itertools.repeat(0), plan.v1_calls, check_chat))
        rss_mb = server.rss_mb()
    mine, theirs, kept = Cost.median(ours), Cost.median(least), Cost.median(hits)
    return [
        ratio_line(
            "/v1 chat: CPU per request (beside the floor)",
            [each.cpu_ms for each in ours],
            [each.cpu_ms for each in least],
            most=_MOST_CHAT,
        ),
        Line(
            measure="/v1 chat: requests per second",
            ours=f"{mine.per_s:,.0f}",
            bare=f"{theirs.per_s:,.0f}",
            ratio=f"{mine.per_s / theirs.per_s:.2f}",
        ),
        Line(
            measure=f"/v1 chat from the cache, per second ({kept.cpu_ms:.3f} ms CPU)",
            ours=f"{kept.per_s:,.0f}",
            target=f"≥ {_LEAST_HITS_PER_S:,}",
            met=kept.per_s >= _LEAST_HITS_PER_S,
        ),
        Line(
            measure="memory then, MCP mounted",
            ours=f"{rss_mb:.1f} MB",
            target=f"≤ {_MOST_MB} MB",
            met=rss_mb <= _MOST_MB,
        ),
    ]


async def stream_lines(plan: Plan) -> list[Line]:
    """Streams whose deltas arrive together, and streams whose deltas arrive one by one."""
    with mock(deltas=_DELTAS) as at_once, mock(deltas=_DELTAS, gap_s=_GAP_S) as one_by_one:
        ours, least = await _streams(plan, at_once.port)
        slow_ours, slow_least = await _streams(plan, one_by_one.port)
    mine, theirs = [[each.cpu_ms for each in costs] for costs in (ours, least)]
    told_per_s = Cost.median(ours).per_s * _DELTAS
    return [
        ratio_line(f"/v1 stream of {_DELTAS} deltas: CPU (beside the floor)", mine, theirs, most=_MOST_STREAM),
        Line(
            measure="/v1 stream: deltas per second",
            ours=f"{told_per_s:,.0f}",
            bare=f"{Cost.median(least).per_s * _DELTAS:,.0f}",
            target=f"≥ {_LEAST_DELTAS_PER_S:,}",
            met=told_per_s >= _LEAST_DELTAS_PER_S,
        ),
        ratio_line(
            f"the same, a delta every {_GAP_S * 1000:g} ms",
            [each.cpu_ms for each in slow_ours],
            [each.cpu_ms for each in slow_least],
            most=_MOST_STREAM,
        ),
    ]


async def _streams(plan: Plan, mock_port: int) -> tuple[list[Cost], list[Cost]]:
    request, calls = chat(stream=True), plan.v1_streams
    ours: list[Cost] = []
    least: list[Cost] = []
    with gateway(mock_port) as server, floor(mock_port) as beside:
        for _ in range(plan.v1_rounds):
            ours.append(await cost_of(server, request, fresh_numbers(), calls, check_stream))
            least.append(await cost_of(beside, request, fresh_numbers(), calls, check_stream))
    return ours, least


async def first_token_lines(plan: Plan) -> list[Line]:
    """One caller at a time, of the gateway, of the floor and of the mock itself in turns."""
    ours: list[float] = []
    least: list[float] = []
    direct: list[float] = []
    with mock(_FIRST_AFTER_S) as upstream, gateway(upstream.port) as server, floor(upstream.port) as lowest:
        async with (
            callers(server.port, 1) as (caller,),
            callers(lowest.port, 1) as (beside,),
            callers(upstream.port, 1) as (straight,),
        ):
            for each in (caller, beside):
                await call_many([each], chat(stream=True), fresh_numbers(), 3, check_stream)
            for number in itertools.islice(fresh_numbers(), plan.v1_firsts):
                ours.append(await _first_ms(caller, chat(stream=True)(number)))
                least.append(await _first_ms(beside, chat(stream=True)(number)))
                direct.append(await _first_ms(straight, _DIRECT))
    later_ms, floor_later_ms = median(ours) - median(direct), median(least) - median(direct)
    return [
        Line(
            measure="/v1 stream: first token, after the upstream's",
            ours=f"{median(ours):.2f} ms",
            bare=f"{median(direct):.2f} ms",
            ratio=f"{later_ms:+.2f} ms",
            target=f"≤ +{_MOST_LATER_MS} ms",
            met=later_ms <= _MOST_LATER_MS,
        ),
        Line(
            measure="the floor's first token, after the upstream's",
            ours=f"{median(least):.2f} ms",
            bare=f"{median(direct):.2f} ms",
            ratio=f"{floor_later_ms:+.2f} ms",
        ),
    ]


async def _first_ms(caller: Caller, request: bytes) -> float:
    started_at = time.perf_counter()
    check_status(await caller.send(request))
    assert caller.first_body_at is not None
    return (caller.first_body_at - started_at) * 1000


async def waiting_lines(plan: Plan) -> list[Line]:
    """Many callers of a model that takes its time, beside callers of that model itself: how long each waits, and how
    many answers all of them get in a second."""
    ours: list[float] = []
    direct: list[float] = []
    with mock(plan.wait_s) as upstream, gateway(upstream.port) as server:
        for _ in range(plan.wait_rounds):
            ours += await _waited_ms(plan, server, chat())
            direct += await _waited_ms(plan, upstream, lambda _: _DIRECT)
    mine_ms, theirs_ms = median(ours), median(direct)
    mine_per_s, theirs_per_s = [plan.wait_callers * 1000 / mean(took_ms) for took_ms in (ours, direct)]
    rate = mine_per_s / theirs_per_s
    return [
        Line(
            measure=f"/v1 chat, {plan.wait_callers} callers of a model that takes {plan.wait_s * 1000:g} ms: rate",
            ours=f"{mine_per_s:.1f}/s",
            bare=f"{theirs_per_s:.1f}/s",
            ratio=f"{rate:.3f}",
            target=f"≥ {_LEAST_RATE}",
            met=rate >= _LEAST_RATE,
        ),
        Line(
            measure="the same: p50",
            ours=f"{mine_ms:.2f} ms",
            bare=f"{theirs_ms:.2f} ms",
            ratio=f"{mine_ms - theirs_ms:+.2f} ms",
            target=f"≤ +{_MOST_ADDED_MS} ms",
            met=mine_ms - theirs_ms <= _MOST_ADDED_MS,
        ),
    ]


async def _waited_ms(plan: Plan, server: Server, request: Request) -> list[float]:
    async with callers(server.port, plan.wait_callers) as opened:
        await call_many(opened, request, fresh_numbers(), plan.wait_callers, check_status)
        return await times_ms(opened, request, fresh_numbers(), calls=plan.wait_calls, within_s=plan.wait_s)
