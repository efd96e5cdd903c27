"""What a call cost by a model's card. Pure and exact: fractions inside, one rounding at the end.

    price(class) = base(class) × profile or region ratio × tier ratio × step ratio
    cost = Σ tokens(class) × price(class), rounded half to even to whole nano-dollars

- The input and output price of a profile, region, tier or step are given; its cache prices follow the input's ratio.
- No cache-read price: as input. No 5-minute write price: as input. No 1-hour price beside a 5-minute one: 2 × input.
- A step is passed by the whole input, cached tokens included, and then prices all tokens of the call.
- A profile prefix or a tier that the card does not list has no known price.

US dollars per million tokens are thousands of nano-dollars per token.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from llm_gateway.accounting.contract import Price
from llm_gateway.catalog.ids import parse_arn, split_profile
from llm_gateway.domain.cards import InOutPrice, ModelCard, PriceList
from llm_gateway.domain.completions import Usage

_ON_DEMAND = (None, "default")


@dataclass(frozen=True, slots=True)
class Rates:
    """Nano-dollars per token of each class, as whole numbers over one common ``divisor``."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    divisor: int

    def nano_usd(self, usage: Usage) -> int:
        """The sum, rounded half to even once."""
        whole, rest = divmod(self._sum(usage), self.divisor)
        return whole + (2 * rest > self.divisor or (2 * rest == self.divisor and whole % 2 == 1))

    def exact_nano_usd(self, usage: Usage) -> Fraction:
        """The sum before it is rounded."""
        return Fraction(self._sum(usage), self.divisor)

    def _sum(self, usage: Usage) -> int:
        return (
            usage.input_tokens * self.input
            + usage.cache_read_tokens * self.cache_read
            + usage.cache_write_5m_tokens * self.cache_write_5m
            + usage.cache_write_1h_tokens * self.cache_write_1h
            + usage.output_tokens * self.output
        )


@dataclass(frozen=True, slots=True)
class Tariff:
    """A model's rates for one invoked id, region and tier. ``steps`` ascend: above so many input tokens, those."""

    rates: Rates
    steps: tuple[tuple[int, Rates], ...]

    def rates_for(self, usage: Usage) -> Rates:
        """The rates that the size of the whole input asks for."""
        chosen = self.rates
        if self.steps:
            whole_input = usage.total_tokens - usage.output_tokens
            for over_tokens, rates in self.steps:
                if whole_input > over_tokens:
                    chosen = rates
        return chosen


@dataclass(frozen=True, slots=True)
class _Ratio:
    input: Fraction = Fraction(1)
    output: Fraction = Fraction(1)

    def __mul__(self, other: "_Ratio") -> "_Ratio":
        return _Ratio(self.input * other.input, self.output * other.output)


_AS_BASE = _Ratio()


def price(usage: Usage, *, card: ModelCard | None, invoked_id: str, region: str, tier: str | None) -> Price | None:
    """The price of one call, or ``None`` where the card does not know it."""
    tariff = tariff_of(card, invoked_id=invoked_id, region=region, tier=tier)
    if card is None or card.prices is None or tariff is None:
        return None
    return Price(tariff.rates_for(usage).nano_usd(usage), card.prices.source, card.prices.checked_on, usage.estimated)


def tariff_of(card: ModelCard | None, *, invoked_id: str, region: str, tier: str | None) -> Tariff | None:
    """The rates of a card for the id that was invoked. Pure; dear enough (some 50 µs) to be kept by the caller."""
    if card is None or card.prices is None:
        return None
    prices = card.prices
    place = _place_ratio(card, prices, invoked_id, region)
    level = _AS_BASE if tier in _ON_DEMAND else _listed_ratio(prices, tier, prices.tiers)
    if place is None or level is None:
        return None
    ratio = place * level
    steps = tuple((step.over_tokens, _rates(prices, ratio * _ratio(prices, step.price))) for step in prices.steps)
    return Tariff(_rates(prices, ratio), steps)


def _place_ratio(card: ModelCard, prices: PriceList, invoked_id: str, region: str) -> _Ratio | None:
    if invoked_id == card.id:
        return _ratio(prices, prices.regions.get(region))
    arn = parse_arn(invoked_id)
    if arn is not None:
        if arn.model_id is None:
            return None
        return _place_ratio(card, prices, arn.model_id, arn.region or region)
    prefix, base_id = split_profile(invoked_id)
    if base_id != card.id:
        return None
    return _listed_ratio(prices, prefix, prices.profiles)


def _listed_ratio(prices: PriceList, word: str | None, listed: Mapping[str, InOutPrice | None]) -> _Ratio | None:
    return _ratio(prices, listed[word]) if word is not None and word in listed else None


def _ratio(prices: PriceList, asked: InOutPrice | None) -> _Ratio:
    if asked is None:
        return _AS_BASE
    base = prices.base
    return _Ratio(
        _quotient(Fraction(asked.input_per_mtok), Fraction(base.input_per_mtok)),
        _quotient(Fraction(asked.output_per_mtok), Fraction(base.output_per_mtok)),
    )


def _quotient(asked: Fraction, base: Fraction) -> Fraction:
    return asked / base if base else Fraction(1)


def _rates(prices: PriceList, ratio: _Ratio) -> Rates:
    base_input = Fraction(prices.base.input_per_mtok)
    write_5m = prices.cache_write_5m_per_mtok
    write_1h = prices.cache_write_1h_per_mtok
    if write_1h is None and write_5m is not None:
        as_hour = 2 * base_input
    else:
        as_hour = base_input if write_1h is None else Fraction(write_1h)
    read = prices.cache_read_per_mtok
    per_token = [
        1000 * ratio.input * base_input,
        1000 * ratio.input * (base_input if read is None else Fraction(read)),
        1000 * ratio.input * (base_input if write_5m is None else Fraction(write_5m)),
        1000 * ratio.input * as_hour,
        1000 * ratio.output * Fraction(prices.base.output_per_mtok),
    ]
    divisor = lcm(*(fraction.denominator for fraction in per_token))
    return Rates(*(int(fraction * divisor) for fraction in per_token), divisor=divisor)
