"""PAY for one request for vectors: it may take several calls of the model, all within one reservation.

They come from one model, whichever of its places answers: vectors of two models cannot be compared.
"""

from collections.abc import Callable

from llm_gateway.access.contract import Demand, Limiter
from llm_gateway.backends.contract import Embedder, WorstCase
from llm_gateway.domain.callers import Caller
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.embeddings import EmbedCall, Embeddings, EmbedRequest
from llm_gateway.domain.errors import GatewayError
from llm_gateway.domain.requests import ResolvedModel
from llm_gateway.parcels import reserved, session_tags
from llm_gateway.routing.contract import Candidate, Plan, Seat, Size, Trip, Way, Ways
from llm_gateway.till import Paid, Purchase, Till

_BYTES_PER_TOKEN = 4
Permits = Callable[[ResolvedModel], bool]


class Vectors:
    """Asks the embedder, within the limits, and books each of its calls."""

    def __init__(self, *, embedder: Embedder | None, ways: Ways, till: Till, limiter: Limiter) -> None:
        self._embedder = embedder
        self._ways = ways
        self._till = till
        self._limiter = limiter

    @property
    def _maker(self) -> Embedder:
        if self._embedder is None:
            raise RuntimeError("this gateway was built without an embedder")
        return self._embedder

    async def make(
        self, request: EmbedRequest, plan: Plan, permits: Permits, request_id: str, caller: Caller
    ) -> tuple[EmbedCall, Embeddings, list[int | None]]:
        """The call that was answered, the vectors, and what each call cost in nano-dollars.

        Raises:
            GatewayError: what was spent until then is booked.
        """
        sent_bytes = sum([len(text.encode("utf-8", "replace")) for text in request.texts])
        size = Size(-(-sent_bytes // _BYTES_PER_TOKEN), 0)
        ticket = await self._limiter.admit(Demand(caller, plan.first.model.name, lambda: size))
        way = self._ways.set_out(_trip(plan.of_one_model, size, permits, caller))
        paid: list[Paid] = []
        costs: list[int | None] = []
        try:
            while True:
                seat = await way.next()
                call = _call(request, seat, caller)
                vectors = await self._ask(call, _purchase(call, request_id, caller, sent_bytes), way, seat, paid, costs)
                if vectors is not None:
                    return call, vectors, costs
        finally:
            await self._limiter.settle(ticket, (sum([each.usage.input_tokens for each in paid]), 0))

    async def _ask(
        self, call: EmbedCall, purchase: Purchase, way: Way, seat: Seat, paid: list[Paid], costs: list[int | None]
    ) -> Embeddings | None:
        """The vectors; ``None`` where it failed before anything was answered, and another attempt may help."""
        hold = await reserved(self._till.open(purchase), way, seat)
        if hold is None:
            return None
        mine: list[Paid] = []
        try:
            vectors = await self._maker.embed(call, lambda usage, ended: mine.append(Paid(usage, ended)))
            way.began(seat)
            way.arrived(seat, vectors.usage)
        except BaseException as error:  # raised again unless another attempt may help
            answered = any([each.outcome == "ok" for each in mine])
            if way.broke(seat, error) and not answered:
                return None
            if isinstance(error, GatewayError):
                error.way = way.as_told(None)
            raise
        finally:
            paid += mine
            costs += await self._till.settle(hold, purchase, mine)
        return vectors


def _trip(plan: Plan, size: Size, permits: Permits, caller: Caller) -> Trip:
    def sized(_: Candidate) -> Size:
        return size

    def unpriced(_: Candidate, __: Usage) -> None:
        return None

    return Trip(plan, None, caller.cache_scope, caller.key_id or "", permits, sized, unpriced)


def _call(request: EmbedRequest, seat: Seat, caller: Caller) -> EmbedCall:
    place = seat.candidate.target.place
    return EmbedCall(request, seat.candidate.model, place, session_tags(place, caller))


def _purchase(call: EmbedCall, request_id: str, caller: Caller, sent_bytes: int) -> Purchase:
    likely = -(-sent_bytes // _BYTES_PER_TOKEN)
    return Purchase(
        request_id=request_id,
        caller=caller,
        model=call.model,
        tier=None,
        estimate=lambda: Usage(likely, 0, estimated=True),
        worst_case=lambda: WorstCase(sent_bytes, 0, 0),
    )
