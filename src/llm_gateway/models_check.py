"""`models --check`: the catalog held against a second price list and against the account's own lists. Pure but for the
price library it is given; printing is `models_command`'s."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from llm_gateway.accounting.pricing import Rates, Tariff, tariff_of
from llm_gateway.catalog.catalog import Catalog
from llm_gateway.catalog.ids import geographic_prefixes, reaches_global, split_profile
from llm_gateway.domain.cards import ModelCard, PriceList
from llm_gateway.domain.completions import Usage

_SAMPLE_TOKENS = 1_000
_PER_MTOK = 1_000_000


class PriceLookup(Protocol):
    """The second source: what a call costs in US dollars by it, and the model that it took the id for."""

    def lookup(self, usage: Usage, invoked_id: str) -> tuple[str, Decimal] | None:
        """``None`` where the source does not know the id."""
        ...


class OwnModel(Protocol):
    """A model of the account's list."""

    @property
    def id(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def ends_on(self) -> date | None: ...
    @property
    def output_modalities(self) -> tuple[str, ...]: ...
    @property
    def inference_types(self) -> tuple[str, ...]: ...


class OwnProfile(Protocol):
    """An inference profile of the account's list."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...


class OwnLists(Protocol):
    """The account's lists in one region."""

    @property
    def region(self) -> str: ...
    @property
    def models(self) -> Sequence[OwnModel]: ...
    @property
    def profiles(self) -> Sequence[OwnProfile]: ...


@dataclass(frozen=True, slots=True)
class PriceDifference:
    """One price that two sources give differently, US dollars per million tokens."""

    name: str
    invoked_id: str
    price_class: str
    ours_per_mtok: Decimal
    theirs_per_mtok: Decimal
    their_model: str
    our_source: str


@dataclass(frozen=True, slots=True)
class PriceReport:
    """``compared`` counts ids, ``unknown`` are the ids that the second source does not know."""

    compared: int
    differences: tuple[PriceDifference, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccountReport:
    """``differences`` are sentences; ``not_offered`` names models that this region's list lacks, which is no fault."""

    differences: tuple[str, ...]
    not_offered: tuple[str, ...]


def compare_prices(cards: Iterable[ModelCard], second: PriceLookup, *, region: str) -> PriceReport:
    """Every base id and profile of the cards, class by class."""
    differences: list[PriceDifference] = []
    unknown: list[str] = []
    compared = 0
    for card in cards:
        for invoked_id in _invocable(card):
            if second.lookup(Usage(1, 1), invoked_id) is None:
                unknown.append(invoked_id)
            else:
                compared += 1
                differences.extend(_differences(card, invoked_id, second, region))
    return PriceReport(compared, tuple(differences), tuple(unknown))


def compare_account(catalog: Catalog, account: OwnLists, today: date) -> AccountReport:
    """The catalog against one region's lists: models, their lifecycle, and the profiles that can be invoked there."""
    differences: list[str] = []
    own = {model.id: model for model in account.models if _is_invocable_chat(model)}
    for model in own.values():
        card = catalog.get(model.id)
        if card is None:
            differences.append(f"{model.id} is in the account's list, but not in the catalog")
        else:
            differences.extend(_lifecycle_differences(catalog, card, model, today))
    differences.extend(_profile_differences(catalog, account, own))
    not_offered = tuple(
        card.name
        for card in catalog.cards
        if card.listed and card.id not in own and catalog.status(card, today) != "retired"
    )
    return AccountReport(tuple(differences), not_offered)


def _invocable(card: ModelCard) -> Iterator[str]:
    if card.prices is not None:
        yield card.id
        for prefix in card.prices.profiles:
            yield f"{prefix}.{card.id}"


def _differences(card: ModelCard, invoked_id: str, second: PriceLookup, region: str) -> Iterator[PriceDifference]:
    tariff = tariff_of(card, invoked_id=invoked_id, region=region, tier=None)
    prices = card.prices
    if tariff is None or prices is None:
        return
    for price_class, usage, rates in _samples(prices, tariff):
        found = second.lookup(usage, invoked_id)
        ours = rates.exact_nano_usd(usage) / 10**9
        if found is not None and Fraction(found[1]) != ours:
            yield _difference(card, prices, invoked_id, price_class, usage, ours, found)


def _samples(prices: PriceList, tariff: Tariff) -> Iterator[tuple[str, Usage, Rates]]:
    """A call for each price that the card gives."""
    yield "input", Usage(_SAMPLE_TOKENS, 0), tariff.rates
    yield "output", Usage(0, _SAMPLE_TOKENS), tariff.rates
    if prices.cache_read_per_mtok is not None:
        yield "cache read", Usage(0, 0, cache_read_tokens=_SAMPLE_TOKENS), tariff.rates
    if prices.cache_write_5m_per_mtok is not None:
        yield "cache write 5m", Usage(0, 0, cache_write_5m_tokens=_SAMPLE_TOKENS), tariff.rates
    if prices.cache_write_1h_per_mtok is not None:
        yield "cache write 1h", Usage(0, 0, cache_write_1h_tokens=_SAMPLE_TOKENS), tariff.rates
    for over_tokens, rates in tariff.steps:
        yield f"input above {over_tokens // 1000}k", Usage(over_tokens + 1, 0), rates


def _difference(
    card: ModelCard,
    prices: PriceList,
    invoked_id: str,
    price_class: str,
    usage: Usage,
    ours_usd: Fraction,
    theirs: tuple[str, Decimal],
) -> PriceDifference:
    per_mtok = Fraction(_PER_MTOK, usage.total_tokens)
    return PriceDifference(
        name=card.name,
        invoked_id=invoked_id,
        price_class=price_class,
        ours_per_mtok=_decimal(ours_usd * per_mtok),
        theirs_per_mtok=_decimal(Fraction(theirs[1]) * per_mtok),
        their_model=theirs[0],
        our_source=prices.source,
    )


def _decimal(value: Fraction) -> Decimal:
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return exact.quantize(Decimal("0.000001")).normalize()


def _is_invocable_chat(model: OwnModel) -> bool:
    if "TEXT" not in model.output_modalities:
        return False
    return not model.inference_types or bool({"ON_DEMAND", "INFERENCE_PROFILE"} & set(model.inference_types))


def _lifecycle_differences(catalog: Catalog, card: ModelCard, own: OwnModel, today: date) -> Iterator[str]:
    ours = catalog.status(card, today)
    if ours != own.status:
        yield f"{card.name} ({card.id}) is {ours} in the catalog, {own.status} in the account's list"
    if own.ends_on is not None and own.ends_on != card.lifecycle.ends_on:
        known = card.lifecycle.ends_on or "no known day"
        yield f"{card.name} ({card.id}) ends on {known} in the catalog, on {own.ends_on} in the account's list"


def _profile_differences(catalog: Catalog, account: OwnLists, own: dict[str, OwnModel]) -> Iterator[str]:
    reachable = {*geographic_prefixes(account.region), *(("global",) if reaches_global(account.region) else ())}
    offered: dict[str, set[str]] = {}
    for profile in account.profiles:
        prefix, base_id = split_profile(profile.id)
        if profile.kind == "system" and prefix is not None:
            offered.setdefault(base_id, set()).add(prefix)
    for card in catalog.cards:
        theirs = offered.get(card.id, set())
        for prefix in sorted(theirs - set(card.profiles)):
            yield f"{card.name}: the account offers {prefix}.{card.id}, which the catalog does not list"
        if card.id in own:
            for prefix in sorted((set(card.profiles) & reachable) - theirs):
                yield f"{card.name}: the catalog lists {prefix}.{card.id}, which the account is not offered"
