"""TRY one candidate after the other until one answers. Each attempt is paid for by itself, before anything else.

Law: nothing is asked again once a part of its answer was given to anybody.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from llm_gateway.access.contract import Gate
from llm_gateway.accounting.contract import Pricer
from llm_gateway.backends.contract import AnswerStream, Backend
from llm_gateway.caching.flights import Flight, Publish, Tell
from llm_gateway.caching.repeats_contract import KeptAnswer, Named, Repeats
from llm_gateway.domain.callers import Caller
from llm_gateway.domain.completions import Completion, Usage
from llm_gateway.domain.errors import BackendError, CallerError, GatewayError, ModelNotAllowed
from llm_gateway.domain.requests import ModelCall, ResolvedModel
from llm_gateway.domain.ways import wordless
from llm_gateway.parcels import Admission, Answer, as_clamped, outcome_of, reserved, session_tags
from llm_gateway.routing.contract import Candidate, Plan, Seat, Size, Trip, Way, Ways
from llm_gateway.telemetry.telling import Telling
from llm_gateway.till import Keeping, Paid, Purchase, Till


class Errand(NamedTuple):
    """For whom an answer is fetched. ``take_back`` forgets what was published, unless somebody has it; ``tell`` hears
    how the way here can be told, once an answer begins; ``named`` is the caller's own name for it."""

    publish: Publish
    take_back: Callable[[], bool]
    tell: Callable[[Tell], None]
    is_abandoned: Callable[[], bool]
    named: Named | None = None


def errand_of(flight: Flight[Answer], publish: Publish, named: Named | None = None) -> Errand:
    """For the passengers of a flight."""

    def tell(how: Tell) -> None:
        flight.tell = how

    return Errand(publish, flight.take_back, tell, lambda: flight.is_abandoned, named)


class Attempts:
    """Asks the backend, as the ways say, and has each call booked."""

    def __init__(
        self,
        *,
        ways: Ways,
        backend: Backend,
        till: Till,
        gate: Gate,
        repeats: Repeats,
        pricer: Pricer,
        tell: Telling,
    ) -> None:
        self._ways = ways
        self._backend = backend
        self._till = till
        self._gate = gate
        self._repeats = repeats
        self._pricer = pricer
        self._tell = tell

    async def make(self, admission: Admission, errand: Errand) -> Answer:
        """The answer of the first candidate that gives one.

        Raises:
            GatewayError: none did; its ``way`` tells who was asked.
        """
        trip = self._trip(admission)
        if not admission.plan.has_one:
            trip = trip._replace(input_tokens=await self._length(admission))
        way = self._ways.set_out(trip)
        while True:
            seat = await way.next()
            answer = await self._ask(admission, seat, way, errand)
            if answer is not None:
                self._ways.arrived(trip, seat.candidate, answer.completion.usage)
                return answer

    async def _ask(self, admission: Admission, seat: Seat, way: Way, errand: Errand) -> Answer | None:
        """One call of one model; ``None`` where it failed and another may help. Whatever its end, what it spent is
        settled here, once."""
        call = _call(admission, seat)
        purchase = self._purchase(admission, call)
        hold = await reserved(self._till.open(purchase), way, seat)
        if hold is None:
            return None
        if hold.answer_tokens is not None:
            call = replace(call, answer_cap_tokens=hold.answer_tokens)
        self._tell.step(admission.request_id, "asking", model_id=call.model.invoked_id, target=seat.candidate.key)
        paid: list[Paid] = []
        keeping: Keeping | None = None
        answer: Answer | None = None
        costs: list[int | None] = []
        stream: AnswerStream | None = None
        try:
            stream = await self._backend.open(call)
            way.began(seat)
            errand.tell(partial(way.as_told, seat.candidate))
            async for batch in stream:
                await errand.publish(batch)
            completion = stream.completion()
            way.arrived(seat, completion.usage, completion.first_delta_ms)
            paid.append(Paid(completion.usage, "client_disconnect" if errand.is_abandoned() else "ok", completion))
            answer = _answer(admission, seat, way, as_clamped(completion, hold))
            keeping = self._keeping(errand.named, answer.completion)
        except BaseException as error:  # booked, and raised again unless another may help
            paid += self._spent(error, call, stream)
            may_help = way.broke(seat, error) and not errand.is_abandoned()
            if not (may_help and errand.take_back()):
                if isinstance(error, GatewayError):
                    error.way = way.as_told(None)
                raise
            self._tell.step(admission.request_id, "attempt_failed", target=seat.candidate.key, code=outcome_of(error))
        finally:
            try:
                if stream is not None:
                    await stream.aclose()
            finally:
                costs = await self._till.settle(hold, purchase, _along(paid, way, seat), keeping)
        return None if answer is None else answer._replace(cost_nano_usd=costs[0])

    def _keeping(self, named: Named | None, completion: Completion) -> Keeping | None:
        """Keeps a named answer, by what it cost, in the transaction that books it."""
        if named is None:
            return None
        return lambda cost: self._repeats.keeping(named, KeptAnswer(completion, cost))

    def _purchase(self, admission: Admission, call: ModelCall) -> Purchase:
        backend = self._backend
        return Purchase(
            request_id=admission.request_id,
            caller=admission.caller,
            model=call.model,
            tier=call.request.service_tier,
            estimate=lambda: backend.estimate(call),
            worst_case=lambda: backend.worst_case(call),
        )

    def _spent(self, error: BaseException, call: ModelCall, stream: AnswerStream | None) -> list[Paid]:
        """What a call that broke, or that nobody waits for any more, has cost all the same."""
        partial = stream.partial() if stream is not None else None
        if isinstance(error, BackendError):
            spent = error.spent
        elif partial is not None:
            spent = partial.usage
        else:
            spent = error.spent if isinstance(error, GatewayError) else self._backend.estimate(call)
        return [] if spent is None else [Paid(spent, outcome_of(error), partial)]

    # --- before it sets out -------------------------------------------------------------------------------------------

    def _trip(self, admission: Admission) -> Trip:
        request, caller, backend = admission.call.request, admission.caller, self._backend

        def size(candidate: Candidate) -> Size:
            call = ModelCall(request, candidate.model)
            try:
                return Size(backend.estimate(call).input_tokens, backend.worst_case(call).answer_tokens)
            except CallerError:  # the candidate says so itself, when it is asked
                return Size(0, 0)

        def quote(candidate: Candidate, usage: Usage) -> int | None:
            return self._pricer.cost_nano_usd(usage, candidate.model, request.service_tier)

        def permits(model: ResolvedModel) -> bool:
            return self.permits(caller, model)

        return Trip(
            plan=admission.plan,
            request=request,
            scope=caller.cache_scope,
            queue=caller.key_id or "",
            permits=permits,
            size=size,
            quote=quote,
        )

    def permits(self, caller: Caller, model: ResolvedModel) -> bool:
        """Whether the caller may ask this model."""
        try:
            self._gate.permit(caller, model)
        except ModelNotAllowed:
            return False
        return True

    async def _length(self, admission: Admission) -> int | None:
        """The tokens of the input, where it may be too long for some candidate and not for another; ``None`` where it
        surely is not, or nobody can tell."""
        windows = _windows(admission.plan)
        if len(windows) < 2:
            return None
        estimated = self._backend.estimate(admission.call).input_tokens
        if estimated * _SURELY <= windows[0]:
            return None
        if estimated > windows[-1] * _SURELY:
            return estimated
        try:
            counted = await self._backend.count_tokens(admission.call)
        except (BackendError, CallerError):  # the call itself will say so
            counted = None
        return counted if counted is not None or estimated <= windows[0] * _SURELY else estimated


_SURELY = 2
"""An estimate by length is never as far from the truth as this."""


def _windows(plan: Plan) -> list[int]:
    """The different context windows of the candidates, in tokens, the smallest first."""
    cards = [candidate.model.card for _, candidates in plan.groups for candidate in candidates]
    return sorted({card.context_window_tokens for card in cards if card is not None})


def _call(admission: Admission, seat: Seat) -> ModelCall:
    place = seat.candidate.target.place
    return ModelCall(
        admission.call.request,
        seat.candidate.model,
        place=place,
        session_tags=session_tags(place, admission.caller),
        time_left_s=seat.time_left_s,
    )


def _answer(admission: Admission, seat: Seat, way: Way, completion: Completion) -> Answer:
    """Names the model that answered, where it is not the one that was asked."""
    asked, served = admission.call.model, seat.candidate.model
    if served.invoked_id != asked.invoked_id and completion.invoked_id is None:
        completion = replace(completion, invoked_id=served.invoked_id)
    if served.name != asked.name:
        notice = f"{served.name} answered in the place of {asked.name}"
        warnings = (notice, *served.warnings, *completion.warnings)
        completion = replace(completion, stand_in=served.name, warnings=warnings)
    return Answer(completion, None, way=way.as_told(seat.candidate))


def _along(paid: list[Paid], way: Way, seat: Seat) -> list[Paid]:
    """With the way that led there, where there is something to tell."""
    if not paid or way.is_straight:
        return paid
    told = json.dumps(wordless(way.as_told(seat.candidate)), ensure_ascii=False, separators=(",", ":"))
    return [each._replace(route=told) for each in paid]
