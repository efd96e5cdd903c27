"""ANSWER one request: admit, answer, settle, release. Every door leads here.

The order of the verbs is the product: what a call may cost is reserved before the model is asked, what it spent is
settled before its answer reaches anybody, and it is settled for broken and abandoned answers too.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from llm_gateway.access.contract import Demand, Gate, Limiter, NoLimits, OpenGate
from llm_gateway.accounting.contract import Pricer
from llm_gateway.attempts import Attempts, Errand, errand_of
from llm_gateway.backends.contract import Backend, Embedder
from llm_gateway.caching.contract import AnswerCache
from llm_gateway.caching.flights import Drains, Flight, Flights, Publish, draining
from llm_gateway.caching.repeats_contract import Named, NoRepeats, Repeats, other_body
from llm_gateway.crowd import Crowd
from llm_gateway.domain.callers import ANYBODY, Caller
from llm_gateway.domain.completions import Delta, Generation
from llm_gateway.domain.content import has_links
from llm_gateway.domain.embeddings import EmbedCall, EmbedRequest, EmbedResult
from llm_gateway.domain.errors import BackendError, GatewayError, ModelNotAllowed
from llm_gateway.domain.requests import GenerateRequest, ModelCall, ResolvedModel
from llm_gateway.fetching.contract import MediaFetcher, NoFetching
from llm_gateway.forecasting import Forecasts
from llm_gateway.parcels import Admission, Answer, as_shared, label_of, outcome_of, release, used, worth_keeping
from llm_gateway.revocations import Revocations
from llm_gateway.routing.contract import Plan, Ways
from llm_gateway.telemetry.contract import Observer, RequestRecord
from llm_gateway.telemetry.telling import Telling
from llm_gateway.till import Till, to_the_end
from llm_gateway.vectors import Vectors

OnDeltas = Callable[[Sequence[Delta]], Awaitable[None]]
OnWay = Callable[[Mapping[str, object]], None]
Fingerprint = Callable[[ModelCall, str], bytes]
"""Of a call, and of whom its answer may be shared with."""


class Gateway:
    """Answers requests by one backend, keeping answers in one cache. Its observers hear of each request once."""

    def __init__(
        self,
        *,
        ways: Ways,
        backend: Backend,
        cache: AnswerCache,
        fingerprint: Fingerprint,
        pricer: Pricer,
        till: Till,
        gate: Gate | None = None,
        limiter: Limiter | None = None,
        repeats: Repeats | None = None,
        fetcher: MediaFetcher | None = None,
        drain: bool = False,
        embedder: Embedder | None = None,
        crowd: Crowd | None = None,
        observers: Sequence[Observer] = (),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._ways = ways
        self._backend = backend
        self._cache = cache
        self._fingerprint = fingerprint
        self._till = till
        self._gate: Gate = gate or OpenGate()
        self._limiter: Limiter = limiter or NoLimits()
        self._fetcher: MediaFetcher = fetcher or NoFetching()
        self.forecasts = Forecasts(resolve=self.resolve, backend=backend, pricer=pricer, fetcher=self._fetcher)
        self._vectors = Vectors(embedder=embedder, ways=ways, till=till, limiter=self._limiter)
        self._tell = Telling(observers)
        self._clock = clock
        self._repeats: Repeats = repeats or NoRepeats()
        self._attempts = Attempts(
            ways=ways,
            backend=backend,
            till=till,
            gate=self._gate,
            repeats=self._repeats,
            pricer=pricer,
            tell=self._tell,
        )
        drains = Drains(allowed=drain)
        self._flights: Flights[Answer] = Flights(drains)
        self._named: Flights[Answer] = Flights(drains)
        self._named_bodies: dict[bytes, str] = {}
        self._revocations = Revocations()
        self._gate.when_revoked(self._cut)
        self._remembers = cache.state().enabled
        self._closing = False
        self.crowd = crowd or Crowd()

    async def generate(
        self,
        request: GenerateRequest,
        *,
        request_id: str,
        caller: Caller = ANYBODY,
        on_deltas: OnDeltas | None = None,
        on_standing: Callable[[Mapping[str, str]], None] | None = None,
        on_way: OnWay | None = None,
    ) -> Generation:
        """Answers one request; ``on_deltas`` is awaited with each batch of deltas as it arrives. Before the first,
        ``on_standing`` hears how the caller stands with its rate limits, and ``on_way`` who answers and why.

        Raises:
            GatewayError: an expected failure; anything else is a fault of ours.
        """
        started_at = self._clock()
        admission: Admission | None = None
        spent: tuple[int, int] | None = None
        try:
            with self.crowd, self._revocations.cutting(caller.key_id):
                admission = await self._admit(request, request_id, caller)
                if on_standing is not None:
                    on_standing(admission.ticket.standing)
                answer = await self._answer(admission, on_deltas, on_way)
            spent = used(answer)
        except BaseException as error:  # told, and raised again
            latency_ms = (self._clock() - started_at) * 1000
            way = error.way if isinstance(error, GatewayError) else None
            self._ended(request, request_id, admission, None, outcome_of(error), latency_ms, way)
            spent = self._used_in_vain(error, admission)
            raise
        finally:
            if admission is not None:
                await self._limiter.settle(admission.ticket, spent)
        latency_ms = (self._clock() - started_at) * 1000
        self._ended(request, request_id, admission, answer, "ok", latency_ms)
        assert admission is not None  # noqa: S101 - there is an answer
        return release(admission, answer, latency_ms)

    async def embed(self, request: EmbedRequest, *, request_id: str, caller: Caller = ANYBODY) -> EmbedResult:
        """Vectors for texts. Nothing of it is kept.

        Raises:
            GatewayError: an expected failure; anything else is a fault of ours.
        """
        started_at = self._clock()
        plan: Plan | None = None
        call: EmbedCall | None = None
        outcome = "ok"
        try:
            with self.crowd, self._revocations.cutting(caller.key_id):
                plan = self._planned(request.model, caller)
                permits = partial(self._attempts.permits, caller)
                call, embeddings, costs = await self._vectors.make(request, plan, permits, request_id, caller)
        except BaseException as error:  # told, and raised again
            outcome = outcome_of(error)
            raise
        finally:
            latency_ms = (self._clock() - started_at) * 1000
            model = call.model if call else plan.first.model if plan else None
            self._tell.ended(
                RequestRecord(
                    request_id=request_id,
                    caller=caller,
                    model=model.name if model else None,
                    model_id=model.invoked_id if model else None,
                    outcome=outcome,
                    latency_ms=latency_ms,
                )
            )
        assert call is not None  # noqa: S101 - there are vectors
        known = [cost for cost in costs if cost is not None]
        return EmbedResult(
            request_id=request_id,
            model=call.model.name,
            model_id=call.model.invoked_id,
            embeddings=embeddings,
            latency_ms=latency_ms,
            cost_nano_usd=sum(known) if len(known) == len(costs) else None,
            warnings=call.model.warnings,
        )

    async def identify(self, token: str | None) -> Caller:
        """Who bears this token.

        Raises:
            Unauthenticated: a key is needed, and this is none that is good.
            Overloaded: the keys cannot be read now.
        """
        return await self._gate.identify(token)

    def resolve(self, asked: str) -> ResolvedModel:
        """The model a caller's word stands for now.

        Raises:
            UnknownModel: with the closest names, or the successor.
        """
        return self._ways.plan(asked).first.model

    def turn_away(self, error: GatewayError, *, request_id: str) -> None:
        """Counts and logs a request that its surface could not even decode."""
        self._ended(None, request_id, None, None, error.code, 0.0)

    async def _admit(self, request: GenerateRequest, request_id: str, caller: Caller) -> Admission:
        """What, may they, and how fast: cheap before dear. From here on a request holds what it names."""
        plan = self._planned(request.model, caller)
        if has_links(request.messages):
            request = await self._fetcher.bring(request, plan.first.model.card)
        call = ModelCall(request, plan.first.model)
        ticket = await self._limiter.admit(Demand(caller, call.model.name, lambda: self._tokens(call)))
        self._tell.step(request_id, "admitted", model=call.model.name, model_id=call.model.invoked_id)
        return Admission(call, request_id, caller, ticket, plan)

    def _cut(self, key_id: str) -> None:
        """Ends what a revoked key has under way, also what goes on though its callers have left."""
        self._named.drain_none_of(key_id)
        self._flights.drain_none_of(key_id)
        self._revocations.cut(key_id)

    def _planned(self, asked: str, caller: Caller) -> Plan:
        """The candidates, beginning with one that the caller may ask: it gives the request its name."""
        if self._closing:
            raise draining()
        plan = self._ways.plan(asked)
        strategy, own = plan.groups[0]
        for at, candidate in enumerate(own):
            try:
                self._gate.permit(caller, candidate.model)
            except ModelNotAllowed:
                if candidate is own[-1]:
                    raise
            else:
                return plan if not at else plan._replace(groups=((strategy, own[at:]), *plan.groups[1:]))
        return plan

    def _tokens(self, call: ModelCall) -> tuple[int, int]:
        """The most that a call can take of its limits: its input, and the longest answer."""
        worst = self._backend.worst_case(call)
        return worst.input_tokens, worst.answer_tokens

    async def _answer(self, admission: Admission, on_deltas: OnDeltas | None, on_way: OnWay | None) -> Answer:
        if admission.caller.idempotency_key is not None:
            return await self._answer_once(admission, admission.caller.idempotency_key, on_deltas, on_way)
        mode, scope = admission.call.request.cache, admission.caller.cache_scope
        fingerprint = self._fingerprint(admission.call, scope) if self._remembers and mode != "bypass" else None
        if fingerprint is not None and mode == "use":
            hit = await self._cache.get(fingerprint)
            if hit is not None:
                self._tell.step(admission.request_id, "cache_hit", tier=hit.tier)
                return Answer(hit.completion, cost_nano_usd=0, cached=True, tier=hit.tier, age_s=hit.age_s)
            flight = self._flights.find(fingerprint)
            if flight is not None:
                self._tell.step(admission.request_id, "joined_equal_request")
                answer = await flight.ride(on_deltas, on_way)
                return Answer(
                    answer.completion, cost_nano_usd=0, cached=True, shared=True, tier="flight", way=answer.way
                )
        return await self._depart(admission, fingerprint).ride(on_deltas, on_way)

    async def _answer_once(
        self, admission: Admission, name: str, on_deltas: OnDeltas | None, on_way: OnWay | None
    ) -> Answer:
        """Under a name of the caller's own: asked again, the answer that was paid for comes back."""
        scope = admission.caller.key_id or ""
        named = Named(scope, name, self._fingerprint(admission.call, scope).hex())
        seat = f"{scope} {name}".encode()
        flight = self._named.find(seat)
        if flight is not None:
            if self._named_bodies.get(seat) != named.body:
                raise other_body(name)
            return as_shared(await flight.ride(on_deltas, on_way))

        async def launch(publish: Publish) -> Answer:
            try:
                errand = errand_of(mine, publish, named)
                return await self._ask_once(admission, named, errand)
            finally:
                self._named_bodies.pop(seat, None)

        self._named_bodies[seat] = named.body
        mine = self._named.start(launch, seat, admission.caller.key_id)
        return await mine.ride(on_deltas, on_way)

    async def _ask_once(self, admission: Admission, named: Named, errand: Errand) -> Answer:
        kept = await self._repeats.claim(named)
        if kept is not None:
            self._tell.step(admission.request_id, "repeated")
            return Answer(kept.completion, cost_nano_usd=0, cached=True, tier="repeat")
        try:
            return await self._attempts.make(admission, errand)
        except BaseException:  # there is no answer to keep; raised again
            await to_the_end(self._repeats.let_go(named))
            raise

    def _depart(self, admission: Admission, fingerprint: bytes | None) -> Flight[Answer]:
        async def launch(publish: Publish) -> Answer:
            errand = errand_of(flight, publish)
            answer = await self._attempts.make(admission, errand)
            if fingerprint is not None and worth_keeping(answer.completion):
                await self._cache.put(fingerprint, answer.completion, label_of(admission))
            return answer

        flight = self._flights.start(launch, fingerprint, admission.caller.key_id)
        return flight

    def _used_in_vain(self, error: BaseException, admission: Admission | None) -> tuple[int, int] | None:
        if isinstance(error, BackendError):
            return (error.spent.input_tokens, error.spent.output_tokens) if error.spent else None
        if admission is None or isinstance(error, GatewayError):
            return None
        return self._backend.estimate(admission.call).input_tokens, 0

    def _ended(
        self,
        request: GenerateRequest | None,
        request_id: str,
        admission: Admission | None,
        answer: Answer | None,
        outcome: str,
        latency_ms: float,
        way: Mapping[str, object] | None = None,
    ) -> None:
        model = admission.call.model if admission else None
        self._tell.ended(
            RequestRecord(
                request_id=request_id,
                request=request,
                caller=admission.caller if admission else ANYBODY,
                model=model.name if model else None,
                model_id=model.invoked_id if model else None,
                outcome=outcome,
                latency_ms=latency_ms,
                cached=answer.cached if answer else False,
                shared=answer.shared if answer else False,
                completion=answer.completion if answer else None,
                cost_nano_usd=answer.cost_nano_usd if answer else None,
                way=answer.way if answer else way,
            )
        )

    @property
    def can_pay(self) -> bool:
        """Whether the ledger can be written, as far as is known; where not, no model is asked."""
        return self._till.available

    @property
    def closing(self) -> bool:
        """Whether it has begun to close, and refuses new requests."""
        return self._closing

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self.crowd.is_empty

    def drain(self) -> None:
        """Refuses new requests from now on; those under way go on."""
        self._closing = True

    async def end_calls(self) -> None:
        """Ends the calls on their way; what they spent is settled, and whoever waits is told ``draining``."""
        self._closing = True
        await self._named.aclose()
        await self._flights.aclose()

    async def aclose(self) -> None:
        """Takes no more requests, ends those on their way, closes the backend."""
        await self.end_calls()
        await self._backend.aclose()
        await self._fetcher.aclose()
