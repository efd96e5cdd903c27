"""FORESEE what a request would take and cost; nothing is spent."""

from typing import Protocol

from llm_gateway.accounting.contract import Pricer
from llm_gateway.backends.contract import Backend
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.content import has_links
from llm_gateway.domain.forecasts import CostForecast, TokenCount
from llm_gateway.domain.requests import DEFAULT_MAX_TOKENS, GenerateRequest, ModelCall, ResolvedModel
from llm_gateway.fetching.contract import MediaFetcher


class Resolver(Protocol):
    """Turns the caller's word for a model into the model."""

    def __call__(self, asked: str) -> ResolvedModel:
        """Raises UnknownModel, with the closest names or the successor."""
        ...


class Forecasts:
    """Asks the model's own count where it has one, and the prices."""

    def __init__(self, *, resolve: Resolver, backend: Backend, pricer: Pricer, fetcher: MediaFetcher) -> None:
        self._resolve = resolve
        self._backend = backend
        self._pricer = pricer
        self._fetcher = fetcher

    async def count_tokens(self, request: GenerateRequest) -> TokenCount:
        """The tokens of a request's input, by the model's own count where it has one; nothing is spent.

        Raises:
            CallerError: the model is unknown, or the request is wrong.
        """
        model = self._resolve(request.model)
        if has_links(request.messages):
            request = await self._fetcher.bring(request, model.card)
        call = ModelCall(request, model)
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
