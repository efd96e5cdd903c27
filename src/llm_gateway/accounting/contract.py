"""What the gateway asks of whoever knows prices."""

from datetime import date
from typing import NamedTuple, Protocol

from llm_gateway.domain.completions import Usage
from llm_gateway.domain.requests import ResolvedModel


class Price(NamedTuple):
    """What one call cost, in whole nano-dollars, and whose price that is.

    ``source`` and ``checked_on`` tell where the price was read and when (``None``: the source does not say).
    ``estimated``: the tokens were estimated, so the price is too.
    """

    nano_usd: int
    source: str
    checked_on: date | None = None
    estimated: bool = False


class Pricer(Protocol):
    """Knows what a call cost; ``None`` where no price is known, never 0 and never another model's price."""

    def prepare_soon(self, model: ResolvedModel) -> None:
        """Begins, in a thread, to load what pricing this model needs; returns at once. Call it when a model is chosen,
        so that :meth:`price` has nothing to wait for when the answer is there."""
        ...

    def price(self, usage: Usage, model: ResolvedModel, tier: str | None) -> Price | None:
        """The price of one call. ``tier`` is the service tier that the answer names, ``None`` where it names none."""
        ...

    def cost_nano_usd(self, usage: Usage, model: ResolvedModel, tier: str | None) -> int | None:
        """The amount alone, in nano-dollars."""
        ...

    def most_nano_usd(self, usage: Usage, model: ResolvedModel, tier: str | None, *, writes_cache: bool) -> int | None:
        """What a call costs at the most, whichever profile or tier serves it and, where it ``writes_cache``, whatever
        of its input is written to a prompt cache; ``None`` where no price is known."""
        ...
