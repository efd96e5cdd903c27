"""What is known of a model: its card. Prices are exact decimals in US dollars per million tokens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

LifecycleStatus = Literal["active", "legacy", "retired"]

_NONE: Mapping[str, "InOutPrice | None"] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class InOutPrice:
    """Input and output price, USD per million tokens."""

    input_per_mtok: Decimal
    output_per_mtok: Decimal


@dataclass(frozen=True, slots=True)
class PriceStep:
    """Above ``over_tokens`` of input (cache included) *all* tokens of the request cost this."""

    over_tokens: int
    price: InOutPrice


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """A model's prices. An unset cache price is not free: see the rules in ``accounting/pricing.py``.

    ``profiles``: inference-profile prefix (``us``, ``eu``, ``global`` ...) to its price, ``None`` = as the base; a
    prefix that is missing has no known price. ``regions``: AWS region to the in-region price where it differs.
    ``tiers``: ``flex``, ``priority``, ``batch``. ``steps`` ascend.
    """

    base: InOutPrice
    cache_read_per_mtok: Decimal | None = None
    cache_write_5m_per_mtok: Decimal | None = None
    cache_write_1h_per_mtok: Decimal | None = None
    profiles: Mapping[str, InOutPrice | None] = field(default_factory=lambda: _NONE)
    regions: Mapping[str, InOutPrice | None] = field(default_factory=lambda: _NONE)
    tiers: Mapping[str, InOutPrice | None] = field(default_factory=lambda: _NONE)
    steps: tuple[PriceStep, ...] = ()
    source: str
    checked_on: date


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """``ends_on`` is the announced or past end; ``successor`` a short name of the catalog."""

    status: LifecycleStatus = "active"
    ends_on: date | None = None
    successor: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """One model. ``id`` is the base model id without a profile prefix; ``profiles`` the prefixes it can be invoked
    through; ``needs_profile`` says that the bare id is refused on demand. ``max_output_tokens`` (0 where none is text)
    and ``context_window_tokens`` count tokens. ``capabilities`` is a lower bound: a missing word means "not
    known to"."""

    name: str
    id: str
    provider: str
    description: str
    context_window_tokens: int
    max_output_tokens: int
    max_input_tokens: int | None = None
    aliases: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    needs_profile: bool = False
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    capabilities: frozenset[str] = frozenset()
    cache_min_tokens: int | None = None
    output_burn_rate: int = 1
    lifecycle: Lifecycle = Lifecycle()
    prices: PriceList | None = None
    listed: bool = True

    def can(self, capability: str) -> bool:
        """Whether the card says that the model has this capability."""
        return capability in self.capabilities

    @property
    def answers(self) -> bool:
        """Whether the model gives text; else it makes vectors only."""
        return "text" in self.output_modalities

    def takes(self, kind: str) -> bool:
        """Whether media of this kind may be shown to the model. Of documents the cards do not know it everywhere."""
        return kind == "document" or kind in self.input_modalities or (kind == "image" and self.can("vision"))
