"""Prices from the library genai-prices, for ids that the catalog does not know. Never the first word.

The library is imported late (0.2 s), in a thread: :meth:`SecondOpinion.warm` waits for it, ``warm_soon`` does not. It
matches ids by likeness, so an answer counts only where it is for the very id that was invoked.
"""

import asyncio
import importlib.metadata
import re
import threading
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Protocol

from llm_gateway.accounting.contract import Price
from llm_gateway.catalog.ids import parse_arn, split_profile
from llm_gateway.domain.completions import Usage

_NANO = Decimal(10) ** 9
_VERSION = re.compile(r"(-v\d+)?(:\d+)?$")


class SecondOpinion:
    """Asks genai-prices, offline, from the price list that it ships."""

    def __init__(self) -> None:
        self._calculate: _Calculate | None = None
        self._source = "genai-prices"
        self._loading = threading.Lock()
        self._begun = False

    @property
    def is_warm(self) -> bool:
        """Whether the library is loaded, so that :meth:`price` answers at once."""
        return self._calculate is not None

    async def warm(self) -> None:
        """Loads the library in a thread; does nothing the second time."""
        if self._calculate is None:
            await asyncio.to_thread(self._load)

    def warm_soon(self) -> None:
        """Begins to load the library in a thread and returns at once; does nothing the second time."""
        if not self._begun:
            self._begun = True
            threading.Thread(target=self._load, name="second-opinion", daemon=True).start()

    def price(self, usage: Usage, invoked_id: str) -> Price | None:
        """The on-demand price of one call; ``None`` where the library has no price for this very id.

        Asked before the library is loaded, it blocks until it is: up to 0.2 s, once in a process.
        """
        found = self.lookup(usage, invoked_id)
        if found is None or not _is_same_model(invoked_id, found[0]):
            return None
        nano = int((found[1] * _NANO).to_integral_value(ROUND_HALF_EVEN))
        return Price(nano, self._source, None, usage.estimated)

    def lookup(self, usage: Usage, invoked_id: str) -> tuple[str, Decimal] | None:
        """What the library says, with the id of the model it took this one for; US dollars, not rounded."""
        calculate = self._calculate or self._load()
        return calculate(usage, _named_model(invoked_id))

    def _load(self) -> "_Calculate":
        with self._loading:
            if self._calculate is None:
                self._source, self._calculate = _open_library()
            return self._calculate


def _open_library() -> "tuple[str, _Calculate]":
    from genai_prices import Usage as TheirUsage
    from genai_prices import calc_price

    def calculate(usage: Usage, model_id: str) -> tuple[str, Decimal] | None:
        # Theirs counts cached tokens within the input, and 1-hour writes within the writes.
        theirs = TheirUsage(
            input_tokens=usage.total_tokens - usage.output_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            cache_write_1h_tokens=usage.cache_write_1h_tokens,
        )
        try:
            answer = calc_price(theirs, model_id, provider_id="aws")
        except LookupError:
            return None
        return answer.model.id, Decimal(answer.total_price)

    calculate(Usage(1, 1), "load the price list now, too")
    return f"genai-prices {importlib.metadata.version('genai-prices')}", calculate


class _Calculate(Protocol):
    def __call__(self, usage: Usage, model_id: str) -> tuple[str, Decimal] | None: ...


def _named_model(invoked_id: str) -> str:
    arn = parse_arn(invoked_id)
    return arn.model_id if arn is not None and arn.model_id is not None else invoked_id


def _is_same_model(invoked_id: str, their_id: str) -> bool:
    """Theirs are ``vendor.model``, ``global.vendor.model``, and ``regional.vendor.model`` for every other profile;
    some bear a version that AWS's id has not, or lack one."""
    prefix, base_id = split_profile(_named_model(invoked_id))
    kind, _, rest = their_id.partition(".")
    if kind == "global":
        return prefix == "global" and _same_version(base_id, rest)
    if kind == "regional":
        return prefix != "global" and _same_version(base_id, rest)
    return prefix is None and _same_version(base_id, their_id)


def _same_version(ours: str, theirs: str) -> bool:
    return ours == theirs or _VERSION.sub("", ours) == theirs or ours == _VERSION.sub("", theirs)
