"""ANSWER one request: admit, answer, settle, release. Every door leads here.

The order of the verbs is the product: what a model spent is settled before its answer reaches anybody, and it is
settled for broken and abandoned answers too.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from llm_gateway.accounting.contract import Pricer
from llm_gateway.backends.contract import AnswerStream, Backend, Embedder
from llm_gateway.caching.contract import AnswerCache
from llm_gateway.caching.flights import Flight, Flights, Publish
from llm_gateway.domain.completions import Completion, Delta, Generation, Usage
from llm_gateway.domain.embeddings import EmbedCall, EmbedRequest, EmbedResult
from llm_gateway.domain.errors import BackendError, GatewayError, Overloaded
from llm_gateway.domain.forecasts import CostForecast, TokenCount
from llm_gateway.domain.requests import DEFAULT_MAX_TOKENS, GenerateRequest, ModelCall, ResolvedModel
from llm_gateway.telemetry.contract import Observer, PaidAttempt, RequestRecord

OnDeltas = Callable[[Sequence[Delta]], Awaitable[None]]
Fingerprint = Callable[[ModelCall], bytes]
_KEPT_FINISHES = frozenset({"stop", "tool_use"})  # cut or blocked answers are not worth repeating


class Resolver(Protocol):
    """Turns the caller's word for a model into the model."""

    def __call__(self, asked: str) -> ResolvedModel:
        """Raises UnknownModel, with the closest names or the successor."""
        ...


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that may be answered."""

    call: ModelCall
    request_id: str


@dataclass(frozen=True, slots=True)
class Paid:
    """A whole answer that was settled. ``cost_nano_usd`` is ``None`` when no price is known."""

    completion: Completion
    cost_nano_usd: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and whether it cost this caller anything: ``shared`` means another caller's call brought it."""

    completion: Completion
    cost_nano_usd: int | None
    cached: bool = False
    shared: bool = False


class Gateway:
    """Answers requests by one backend, keeping answers in one cache. Its observers hear of each request once."""

    def __init__(
        self,
        *,
        resolve: Resolver,
        backend: Backend,
        cache: AnswerCache,
        fingerprint: Fingerprint,
        pricer: Pricer,
        embedder: Embedder | None = None,
        observers: Sequence[Observer] = (),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._resolve = resolve
        self._backend = backend
        self._cache = cache
        self._fingerprint = fingerprint
        self._pricer = pricer
        self._embedder = embedder
        self._observers = tuple(observers)
        self._clock = clock
        self._flights: Flights[Paid] = Flights()
        self._remembers = cache.state().enabled
        self._closing = False
        self._under_way = 0

    async def generate(
        self, request: GenerateRequest, *, request_id: str, on_deltas: OnDeltas | None = None
    ) -> Generation:
        """Answers one request; ``on_deltas`` is awaited with each batch of deltas as it arrives.

        Raises:
            GatewayError: an expected failure; anything else is a fault of ours.
        """
        started_at = self._clock()
        admission: Admission | None = None
        self._under_way += 1
        try:
            admission = self._admit(request, request_id)
            answer = await self._answer(admission, on_deltas)
        except BaseException as error:  # told, and raised again
            latency_ms = (self._clock() - started_at) * 1000
            self._tell_end(request, request_id, admission, None, _outcome_of(error), latency_ms)
            raise
        finally:
            self._under_way -= 1
        latency_ms = (self._clock() - started_at) * 1000
        self._tell_end(request, request_id, admission, answer, "ok", latency_ms)
        return _release(admission, answer, latency_ms)

    async def embed(self, request: EmbedRequest, *, request_id: str) -> EmbedResult:
        """Vectors for texts. Nothing of it is kept.

        Raises:
            GatewayError: an expected failure; anything else is a fault of ours.
        """
        started_at = self._clock()
        model: ResolvedModel | None = None
        costs: list[int | None] = []
        outcome = "ok"
        self._under_way += 1
        try:
            self._refuse_while_closing()
            model = self._resolve(request.model)
            asked, embedder = model, self._embedder
            if embedder is None:
                raise RuntimeError("this gateway was built without an embedder")
            self._pricer.prepare_soon(asked)
            embeddings = await embedder.embed(
                EmbedCall(request, asked),
                lambda usage, ended: costs.append(self._book(request_id, asked, usage, None, ended)),
            )
        except BaseException as error:  # told, and raised again
            outcome = _outcome_of(error)
            raise
        finally:
            self._under_way -= 1
            latency_ms = (self._clock() - started_at) * 1000
            self._tell_embedded(request_id, model, outcome, latency_ms)
        known = [cost for cost in costs if cost is not None]
        return EmbedResult(
            request_id=request_id,
            model=asked.name,
            model_id=asked.invoked_id,
            embeddings=embeddings,
            latency_ms=latency_ms,
            cost_nano_usd=sum(known) if len(known) == len(costs) else None,
            warnings=asked.warnings,
        )

    def resolve(self, asked: str) -> ResolvedModel:
        """The model a caller's word stands for now.

        Raises:
            UnknownModel: with the closest names, or the successor.
        """
        return self._resolve(asked)

    async def count_tokens(self, request: GenerateRequest) -> TokenCount:
        """The tokens of a request's input, by the model's own count where it has one; nothing is spent.

        Raises:
            CallerError: the model is unknown, or the request is wrong.
        """
        call = ModelCall(request, self._resolve(request.model))
        counted = await self._backend.count_tokens(call)
        tokens = self._backend.estimate(call).input_tokens if counted is None else counted
        return TokenCount(call.model.name, call.model.invoked_id, tokens, estimated=counted is None)

    async def forecast(self, request: GenerateRequest) -> CostForecast:
        """What answering would cost, from no answer to the longest that is allowed; nothing is spent.

        Raises:
            CallerError: as :meth:`count_tokens`.
        """
        model = self._resolve(request.model)
        self._pricer.prepare_soon(model)
        count = await self.count_tokens(request)
        longest = DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens
        longest = min(longest, model.card.max_output_tokens) if model.card else longest
        least, most = [
            self._pricer.cost_nano_usd(Usage(count.input_tokens, answer), model, request.service_tier)
            for answer in (0, longest)
        ]
        return CostForecast(count, longest, least, most)

    def turn_away(self, error: GatewayError, *, request_id: str) -> None:
        """Counts and logs a request that its surface could not even decode."""
        self._tell_end(None, request_id, None, None, error.code, 0.0)

    def _admit(self, request: GenerateRequest, request_id: str) -> Admission:
        self._refuse_while_closing()
        model = self._resolve(request.model)
        self._tell_step(request_id, "admitted", model=model.name, model_id=model.invoked_id)
        return Admission(ModelCall(request, model), request_id)

    def _refuse_while_closing(self) -> None:
        if self._closing:
            raise Overloaded("the gateway is shutting down; ask again in a moment", code="draining", retry_after_s=1)

    async def _answer(self, admission: Admission, on_deltas: OnDeltas | None) -> Answer:
        mode = admission.call.request.cache
        fingerprint = self._fingerprint(admission.call) if self._remembers and mode != "bypass" else None
        if fingerprint is not None and mode == "use":
            kept = await self._cache.get(fingerprint)
            if kept is not None:
                self._tell_step(admission.request_id, "cache_hit")
                return Answer(kept, cost_nano_usd=0, cached=True)
            flight = self._flights.find(fingerprint)
            if flight is not None:
                self._tell_step(admission.request_id, "joined_equal_request")
                paid = await _ride(flight, on_deltas)
                return Answer(paid.completion, cost_nano_usd=0, cached=True, shared=True)
        paid = await _ride(self._depart(admission, fingerprint), on_deltas)
        return Answer(paid.completion, paid.cost_nano_usd)

    def _depart(self, admission: Admission, fingerprint: bytes | None) -> Flight[Paid]:
        async def launch(publish: Publish) -> Paid:
            paid = await self._ask(admission, publish)
            if fingerprint is not None and _worth_keeping(paid.completion):
                await self._cache.put(fingerprint, paid.completion)
            return paid

        return self._flights.start(launch, fingerprint)

    async def _ask(self, admission: Admission, publish: Publish) -> Paid:
        """One call of the model. Whatever its end, what it spent is settled here, once."""
        self._tell_step(admission.request_id, "asking", model_id=admission.call.model.invoked_id)
        self._pricer.prepare_soon(admission.call.model)
        stream: AnswerStream | None = None
        try:
            stream = await self._backend.open(admission.call)
            async for batch in stream:
                publish(batch)
            completion = stream.completion()
        except GatewayError as error:
            partial = stream.partial() if stream else None
            spent = error.spent if isinstance(error, BackendError) else partial.usage if partial else None
            if spent is not None:
                self._settle(admission, spent, partial, error.code)
            raise
        except asyncio.CancelledError:
            partial = stream.partial() if stream else None
            spent = partial.usage if partial else self._backend.estimate(admission.call)
            self._settle(admission, spent, partial, "client_disconnect")
            raise
        finally:
            if stream is not None:
                await stream.aclose()
        return Paid(completion, self._settle(admission, completion.usage, completion, "ok"))

    def _settle(self, admission: Admission, usage: Usage, told: Completion | None, outcome: str) -> int | None:
        """``told`` is what has arrived, whole or not: it names the id that was invoked and the tier."""
        model = _asked_model(admission, told)
        tier = told.service_tier if told else None
        return self._book(admission.request_id, model, usage, tier, outcome)

    def _book(self, request_id: str, model: ResolvedModel, usage: Usage, tier: str | None, outcome: str) -> int | None:
        cost = self._pricer.cost_nano_usd(usage, model, tier)
        attempt = PaidAttempt(
            request_id=request_id,
            model=model.name,
            model_id=model.invoked_id,
            usage=usage,
            cost_nano_usd=cost,
            outcome=outcome,
        )
        for observer in self._observers:
            observer.attempt_paid(attempt)
        return cost

    def _tell_step(self, request_id: str, event: str, **facts: object) -> None:
        for observer in self._observers:
            observer.step(request_id, event, **facts)

    def _tell_embedded(self, request_id: str, model: ResolvedModel | None, outcome: str, latency_ms: float) -> None:
        record = RequestRecord(
            request_id=request_id,
            request=None,
            model=model.name if model else None,
            model_id=model.invoked_id if model else None,
            outcome=outcome,
            latency_ms=latency_ms,
        )
        for observer in self._observers:
            observer.request_ended(record)

    def _tell_end(
        self,
        request: GenerateRequest | None,
        request_id: str,
        admission: Admission | None,
        answer: Answer | None,
        outcome: str,
        latency_ms: float,
    ) -> None:
        model = admission.call.model if admission else None
        record = RequestRecord(
            request_id=request_id,
            request=request,
            model=model.name if model else None,
            model_id=model.invoked_id if model else None,
            outcome=outcome,
            latency_ms=latency_ms,
            cached=answer.cached if answer else False,
            shared=answer.shared if answer else False,
            completion=answer.completion if answer else None,
            cost_nano_usd=answer.cost_nano_usd if answer else None,
        )
        for observer in self._observers:
            observer.request_ended(record)

    @property
    def closing(self) -> bool:
        """Whether it has begun to close, and refuses new requests."""
        return self._closing

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self._under_way == 0

    def drain(self) -> None:
        """Refuses new requests from now on; those under way go on."""
        self._closing = True

    async def aclose(self) -> None:
        """Takes no more requests, ends those on their way (what they spent is settled), closes the backend."""
        self._closing = True
        await self._flights.aclose()
        await self._backend.aclose()


async def _ride(flight: Flight[Paid], on_deltas: OnDeltas | None) -> Paid:
    """Waits for a flight; leaving it, for whatever reason, ends it when nobody else waits."""
    with flight:
        if on_deltas is not None:
            async with aclosing(flight.deltas()) as batches:
                async for batch in batches:
                    await on_deltas(batch)
        return await flight.landed()


def _outcome_of(error: BaseException) -> str:
    if isinstance(error, GatewayError):
        return error.code
    return "client_disconnect" if isinstance(error, asyncio.CancelledError) else "internal_error"


def _asked_model(admission: Admission, completion: Completion | None) -> ResolvedModel:
    """The model with the id that was invoked in the end: the price belongs to that."""
    model = admission.call.model
    if completion is None or completion.invoked_id is None:
        return model
    return replace(model, invoked_id=completion.invoked_id)


def _worth_keeping(completion: Completion) -> bool:
    if completion.format_fault is not None:
        return False
    return completion.finish_reason in _KEPT_FINISHES and not completion.usage.estimated


def _release(admission: Admission, answer: Answer, latency_ms: float) -> Generation:
    model = _asked_model(admission, answer.completion)
    return Generation(
        request_id=admission.request_id,
        model=model.name,
        model_id=model.invoked_id,
        completion=answer.completion,
        cached=answer.cached,
        latency_ms=latency_ms,
        cost_nano_usd=answer.cost_nano_usd,
        warnings=model.warnings + answer.completion.warnings,
    )
