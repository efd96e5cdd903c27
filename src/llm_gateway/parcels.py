"""The forms that a request takes on its way, and what is said of them. Pure."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from llm_gateway.access.contract import Ticket
from llm_gateway.accounting.books_contract import Hold
from llm_gateway.caching.contract import Label
from llm_gateway.domain.callers import Caller
from llm_gateway.domain.completions import Completion, Generation
from llm_gateway.domain.errors import BudgetExceeded, GatewayError
from llm_gateway.domain.requests import ModelCall, ResolvedModel
from llm_gateway.domain.routes import Place
from llm_gateway.routing.contract import Plan, Seat, Way

_KEPT_FINISHES = frozenset({"stop", "tool_use"})  # cut or blocked answers are not worth repeating

_TAGGED: dict[str, Callable[[Caller], str | None]] = {
    "key": lambda caller: caller.key_name or caller.key_id,
    "team": lambda caller: caller.team,
    "agent": lambda caller: caller.agent,
    "run": lambda caller: caller.run_id,
}


class Admission(NamedTuple):
    """A request that may be answered, its place within the limits, and the candidates; ``call`` is of the first."""

    call: ModelCall
    request_id: str
    caller: Caller
    ticket: Ticket
    plan: Plan


class Answer(NamedTuple):
    """An answer and whether it cost this caller anything: ``shared`` means another caller's call brought it. The cost
    is ``None`` where no price is known. ``tier`` had it, since ``age_s``, where it was kept. ``way`` tells who was
    asked, where somebody was."""

    completion: Completion
    cost_nano_usd: int | None
    cached: bool = False
    shared: bool = False
    tier: str | None = None
    age_s: float = 0.0
    way: Mapping[str, object] | None = None


def as_shared(answer: Answer) -> Answer:
    """The same for a caller who joined an equal request on its way."""
    return answer._replace(cost_nano_usd=0, cached=True, shared=True, tier="flight")


async def reserved(opening: Awaitable[Hold], way: Way, seat: Seat) -> Hold | None:
    """What an attempt may cost; ``None`` where only this candidate is too dear, and another may be asked."""
    try:
        return await opening
    except BudgetExceeded as error:
        if way.cannot_pay(seat, error):
            return None
        raise
    except BaseException:  # raised again
        way.left(seat)
        raise


def outcome_of(error: BaseException) -> str:
    if isinstance(error, GatewayError):
        return error.code
    return "client_disconnect" if isinstance(error, asyncio.CancelledError) else "internal_error"


def asked_model(admission: Admission, completion: Completion | None) -> ResolvedModel:
    """The model with the id that was invoked in the end: the price belongs to that."""
    model = admission.call.model
    if completion is None or completion.invoked_id is None:
        return model
    return replace(model, invoked_id=completion.invoked_id)


def used(answer: Answer) -> tuple[int, int] | None:
    """What the limits count: nothing where no model was asked. Prompt-cache reads are free, as in AWS's quota."""
    usage = answer.completion.usage
    return None if answer.cached else (usage.input_tokens + usage.cache_write_tokens, usage.output_tokens)


def label_of(admission: Admission) -> Label:
    """Whose the answer is, where it is kept."""
    caller = admission.caller
    return Label(admission.call.model.name, caller.cache_scope, caller.key_id or "")


def as_clamped(completion: Completion, hold: Hold) -> Completion:
    if hold.clamped_by is None:
        return completion
    told = f"max_tokens was lowered to {hold.answer_tokens}, what {hold.clamped_by} can still pay for"
    return replace(completion, warnings=(*completion.warnings, told))


def worth_keeping(completion: Completion) -> bool:
    if completion.format_fault is not None:
        return False
    if completion.stand_in is not None:
        return False  # another model's answer
    return completion.finish_reason in _KEPT_FINISHES and not completion.usage.estimated


def release(admission: Admission, answer: Answer, latency_ms: float) -> Generation:
    model = asked_model(admission, answer.completion)
    return Generation(
        request_id=admission.request_id,
        model=answer.completion.stand_in or model.name,
        model_id=model.invoked_id,
        completion=answer.completion,
        cached=answer.cached,
        latency_ms=latency_ms,
        cost_nano_usd=answer.cost_nano_usd,
        warnings=model.warnings + answer.completion.warnings,
        standing=admission.ticket.standing,
        cache_tier=answer.tier,
        cache_age_s=answer.age_s,
        way=answer.way,
    )


def session_tags(place: Place, caller: Caller) -> tuple[tuple[str, str], ...]:
    """What AWS is told of the caller, where the place is another account."""
    if place.account is None:
        return ()
    told = [(name, _TAGGED[name](caller)) for name in place.account.session_tags if name in _TAGGED]
    return tuple([(name, value) for name, value in told if value])
