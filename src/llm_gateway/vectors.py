"""PAY for one request for vectors: it may take several calls of the model, all within one reservation."""

from llm_gateway.access.contract import Demand, Limiter
from llm_gateway.backends.contract import Embedder, WorstCase
from llm_gateway.domain.callers import Caller
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.embeddings import EmbedCall, Embeddings
from llm_gateway.till import Paid, Purchase, Till

_BYTES_PER_TOKEN = 4


class Vectors:
    """Asks the embedder, within the limits, and books each of its calls."""

    def __init__(self, *, embedder: Embedder | None, till: Till, limiter: Limiter) -> None:
        self._embedder = embedder
        self._till = till
        self._limiter = limiter

    async def make(self, call: EmbedCall, request_id: str, caller: Caller) -> tuple[Embeddings, list[int | None]]:
        """The vectors, and what each call cost in nano-dollars.

        Raises:
            GatewayError: what was spent until then is booked.
        """
        if self._embedder is None:
            raise RuntimeError("this gateway was built without an embedder")
        sent_bytes = sum([len(text.encode("utf-8", "replace")) for text in call.request.texts])
        likely = -(-sent_bytes // _BYTES_PER_TOKEN)
        purchase = Purchase(
            request_id=request_id,
            caller=caller,
            model=call.model,
            tier=None,
            estimate=lambda: Usage(likely, 0, estimated=True),
            worst_case=lambda: WorstCase(sent_bytes, 0, 0),
        )
        ticket = await self._limiter.admit(Demand(caller, call.model.name, lambda: (likely, 0)))
        paid: list[Paid] = []
        try:
            hold = await self._till.open(purchase)
            try:
                vectors = await self._embedder.embed(call, lambda usage, ended: paid.append(Paid(usage, ended)))
            finally:
                costs = await self._till.settle(hold, purchase, paid)
        finally:
            await self._limiter.settle(ticket, (sum([each.usage.input_tokens for each in paid]), 0))
        return vectors, costs
