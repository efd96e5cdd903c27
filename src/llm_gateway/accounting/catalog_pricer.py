"""The gateway's pricer: the catalog's own prices first, then a second opinion, then ``None``."""

from dataclasses import replace

from llm_gateway.accounting.contract import Price
from llm_gateway.accounting.pricing import Tariff, tariff_of
from llm_gateway.accounting.second_opinion import SecondOpinion
from llm_gateway.domain.cards import PriceList
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.requests import ResolvedModel

_KEPT_TARIFFS = 1024


class CatalogPricer:
    """Prices calls, made from ``region`` where they name none of their own. Keeps each tariff it worked out, so that a
    price costs about 2 µs."""

    def __init__(self, second_opinion: SecondOpinion, *, region: str) -> None:
        self._second_opinion = second_opinion
        self._region = region
        self._tariffs: dict[tuple[str, str | None, str | None], tuple[Tariff, PriceList]] = {}

    def prepare_soon(self, model: ResolvedModel) -> None:
        """Begins to load the second opinion, in a thread, where the catalog has no on-demand price for this id."""
        if not self._second_opinion.is_warm and self._tariff(model, None) is None:
            self._second_opinion.warm_soon()

    def price(self, usage: Usage, model: ResolvedModel, tier: str | None) -> Price | None:
        """The price of one call. The second opinion knows on-demand prices only, so it is not asked about tiers."""
        found = self._tariff(model, tier)
        if found is not None:
            tariff, prices = found
            return Price(tariff.rates_for(usage).nano_usd(usage), prices.source, prices.checked_on, usage.estimated)
        if tier is None or tier == "default":
            return self._second_opinion.price(usage, model.invoked_id)
        return None

    def cost_nano_usd(self, usage: Usage, model: ResolvedModel, tier: str | None) -> int | None:
        """The amount alone, in nano-dollars."""
        found = self.price(usage, model, tier)
        return found.nano_usd if found is not None else None

    def most_nano_usd(self, usage: Usage, model: ResolvedModel, tier: str | None, *, writes_cache: bool) -> int | None:
        """The dearest of what may be served instead: another tier, a profile of the same model, a cache write."""
        card = model.card
        ids = [model.invoked_id]
        if card is not None and model.invoked_id == card.id:
            ids += [f"{prefix}.{card.id}" for prefix in card.profiles]  # asked where the bare id is refused
        usages = [usage]
        if writes_cache:
            read, wrote = usage.input_tokens, usage.output_tokens
            usages += [Usage(0, wrote, cache_write_5m_tokens=read), Usage(0, wrote, cache_write_1h_tokens=read)]
        found = [
            self.cost_nano_usd(each, replace(model, invoked_id=invoked_id), word)
            for invoked_id in ids
            for word in {tier, None}
            for each in usages
        ]
        return max([cost for cost in found if cost is not None], default=None)

    def _tariff(self, model: ResolvedModel, tier: str | None) -> tuple[Tariff, PriceList] | None:
        key = (model.invoked_id, tier, model.region)
        kept = self._tariffs.get(key)
        if kept is not None or model.card is None or model.card.prices is None:
            return kept
        tariff = tariff_of(model.card, invoked_id=model.invoked_id, region=model.region or self._region, tier=tier)
        if tariff is None:
            return None
        if len(self._tariffs) >= _KEPT_TARIFFS:
            self._tariffs.clear()
        self._tariffs[key] = (tariff, model.card.prices)
        return self._tariffs[key]
