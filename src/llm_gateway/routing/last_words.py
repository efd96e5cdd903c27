"""What a caller hears when no candidate answered. Pure."""

from collections.abc import Sequence

from llm_gateway.domain.errors import (
    AllCandidatesFailed,
    BackendThrottled,
    BackendUnavailable,
    ContextTooLong,
    GatewayError,
    Overloaded,
    UnsupportedFeature,
)
from llm_gateway.domain.remedies import NOTHING
from llm_gateway.routing.contract import Candidate, Plan
from llm_gateway.routing.roads import Road

Lacking = Sequence[tuple[Candidate, tuple[str, ...]]]
"""Candidates that cannot take the request, and what each lacks."""


def last_words(plan: Plan, roads: Sequence[Road], last: Road | None, lacking: Lacking, now: float) -> GatewayError:
    """The error itself where one candidate failed or all failed alike; else all of them."""
    failed = [(road.candidate, road.error) for road in roads if road.error is not None]
    if not failed:
        return _shut(plan, roads, now) or _unfit(plan, lacking)
    word = last.error if last is not None and last.error is not None else failed[-1][1]
    if isinstance(word, ContextTooLong) or len({error.code for _, error in failed}) == 1:
        return word
    told = [{"target": each.key, "code": error.code, "message": error.message} for each, error in failed]
    waits = [error.retry_after_s for _, error in failed if error.retry_after_s is not None]
    return AllCandidatesFailed(
        f"every target of {plan.route or plan.first.model.name} failed: "
        + "; ".join([f"{each['target']}: {each['message']}" for each in told]),
        model=plan.first.model.name,
        failures=told,
        retry_after_s=min(waits, default=1.0),
    )


def _shut(plan: Plan, roads: Sequence[Road], now: float) -> GatewayError | None:
    shut = [road for road in roads if not road.state.breaker.is_closed]
    if not shut:
        return None
    soonest = min(shut, key=lambda road: road.state.breaker.opens_in_s(now))
    wait_s = max(soonest.state.breaker.opens_in_s(now), 0.1)
    return BackendUnavailable(
        f"{soonest.candidate.key} failed too often ({soonest.state.breaker.last_code}) and is not asked for "
        f"{wait_s:.1f} s",
        model=plan.first.model.invoked_id,
        retry_after_s=wait_s,
        remedy=NOTHING,
    )


def _unfit(plan: Plan, lacking: Lacking) -> GatewayError:
    name = plan.route or plan.first.model.name
    lacks = [f"{candidate.model.name} lacks {', '.join(what)}" for candidate, what in lacking]
    return UnsupportedFeature(
        f"no target of {name} can take this request: {'; '.join(lacks)}",
        model=name,
        feature=lacking[0][1][0] if lacking else "this request",
        field="model",
    )


def no_room(candidate: Candidate, wait_s: float) -> BackendThrottled:
    """Nothing was sent: AWS would have refused it."""
    return BackendThrottled(
        f"the quota of {candidate.key} has no room for this request for {wait_s:.0f} s more; nothing was sent. "
        "A smaller max_tokens lets more requests through",
        model=candidate.model.invoked_id,
        retry_after_s=max(1.0, wait_s),
        remedy=NOTHING,
    )


def crowded(candidate: Candidate) -> Overloaded:
    """Nothing was sent: as many calls of the target are under way as may be."""
    return Overloaded(
        f"as many calls of {candidate.key} are under way as may be at once (max_concurrent); nothing was sent, ask "
        "again",
        retry_after_s=1.0,
    )
