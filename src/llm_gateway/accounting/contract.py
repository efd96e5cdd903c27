"""What the gateway asks of whoever knows prices."""

from dataclasses import dataclass
from datetime import date
from typing import Protocol

from llm_gateway.domain.completions import Usage
from llm_gateway.domain.requests import ResolvedModel


@dataclass(frozen=True, slots=True)
class Price:
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

    async def prepare(self, model: ResolvedModel) -> None:
        """Loads what pricing this model needs, off the event loop; returns at once for a model with a known price.

        Awaited before, or while, the model is asked, it keeps :meth:`price` from ever blocking.
        """
        ...

    def price(self, usage: Usage, model: ResolvedModel, tier: str | None) -> Price | None:
        """The price of one call. ``tier`` is the service tier that the answer names, ``None`` where it names none."""
        ...
