"""CountTokens: how many input tokens Bedrock itself sees in a request. Free, and only for some models.

Bedrock counts by the bare model id; an id of a profile is refused. Whatever goes wrong means that there is no count.
"""

import asyncio

from llm_gateway.backends.bedrock.credentials import AccessKeeper, NoAccess
from llm_gateway.backends.bedrock.json_shape import as_count, read_object
from llm_gateway.backends.bedrock.render import render_counting
from llm_gateway.backends.bedrock.wire import (
    MAX_ERROR_BYTES,
    READ_FAULTS,
    ConnectTimeout,
    NoConnection,
    TooMuch,
    Wire,
    read_body,
)
from llm_gateway.domain.requests import ModelCall

_COUNTED_PROVIDERS = frozenset({"anthropic"})
_LONGEST_WAIT_S = 10.0


class TokenCounter:
    """Asks for counts, and remembers which models have none."""

    def __init__(self, wire: Wire, keeper: AccessKeeper) -> None:
        self._wire = wire
        self._keeper = keeper
        self._uncounted: set[str] = set()

    async def count(self, call: ModelCall) -> int | None:
        """Input tokens; ``None`` where Bedrock does not count for this model, or not now.

        Raises:
            CallerError: the request itself is wrong.
        """
        card = call.model.card
        if card is None or card.provider not in _COUNTED_PROVIDERS or card.id in self._uncounted:
            return None
        body = render_counting(call)
        try:
            async with asyncio.timeout(_LONGEST_WAIT_S):
                return await self._ask(card.id, body)
        except (NoAccess, NoConnection, ConnectTimeout, TooMuch, TimeoutError, *READ_FAULTS):
            return None

    async def _ask(self, model_id: str, body: bytes) -> int | None:
        response = await self._wire.post(await self._keeper.access(), model_id, "count-tokens", body)
        try:
            answer = await read_body(response, MAX_ERROR_BYTES)
        finally:
            response.close()
        if response.status == 200:
            return as_count(read_object(answer).get("inputTokens"))
        if b"counting tokens" in answer:
            self._uncounted.add(model_id)
        return None
