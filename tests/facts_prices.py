"""What a call costs by the facts' own table, worked out here anew: no line of the gateway's arithmetic is used."""

import json
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

from recorded_traffic import TRAFFIC

FACTS = TRAFFIC.parent / "facts" / "models.json"
_PREFIXES = ("global", "us", "eu", "apac", "jp", "au", "us-gov", "ca", "sa", "me", "af", "in", "kr", "il", "mx", "uk")
_TIERS = {"flex": "flex", "priority": "prio"}


class PriceTable:
    """Prices in US dollars per 1,000 tokens, by base id."""

    def __init__(self, file: Path = FACTS) -> None:
        told = json.loads(file.read_text(), parse_float=Decimal, parse_int=Decimal)
        self._models: dict[str, Mapping[str, Any]] = {model["id"]: model for model in told["models"]}

    def nano_usd(self, invoked_id: str, tokens: Sequence[int], tier: str | None, region: str) -> int | None:
        """The cost of input, output, cache read, and written for 5 minutes and for an hour; ``None``: not in it."""
        base_id, prefix = _named(invoked_id)
        model = self._models.get(base_id)
        if model is None:
            return None
        base = model["per_1k"]
        price_in, price_out = base["in"], base["out"]
        if prefix is not None:
            profiles = model.get("profiles", {})
            if prefix not in profiles:
                return None
            price_in, price_out = _of(profiles[prefix], price_in, price_out)
        elif region in model.get("region_prices", {}):
            price_in, price_out = _of(model["region_prices"][region], price_in, price_out)
        ratio = price_in / base["in"]
        read = base.get("cr", base["in"]) * ratio
        write = base.get("cw", base["in"]) * ratio
        hour = base["cw1h"] * ratio if "cw1h" in base else write * 2 if "cw" in base else base["in"] * ratio
        for word in [*_steps(base, tokens), *([_TIERS[tier]] if tier in _TIERS else [])]:
            if f"in_{word}" not in base:
                return None
            more = base[f"in_{word}"] / base["in"]
            price_in, read, write, hour = price_in * more, read * more, write * more, hour * more
            price_out *= base[f"out_{word}"] / base["out"]
        classes = zip(tokens, (price_in, price_out, read, write, hour), strict=True)
        nano = sum([count * price * 1_000_000 for count, price in classes], Decimal(0))
        return int(nano.to_integral_value(ROUND_HALF_EVEN))


def _of(price: Mapping[str, Decimal] | None, price_in: Decimal, price_out: Decimal) -> tuple[Decimal, Decimal]:
    return (price_in, price_out) if price is None else (price["in"], price["out"])


def _steps(base: Mapping[str, Any], tokens: Sequence[int]) -> list[str]:
    whole = tokens[0] + tokens[2] + tokens[3] + tokens[4]
    passed = [word for word in ("100k", "200k", "272k") if f"in_{word}" in base and whole > int(word[:-1]) * 1000]
    return passed[-1:]


def _named(invoked_id: str) -> tuple[str, str | None]:
    """The base id, and the profile's prefix; an application profile names no model."""
    if invoked_id.startswith("arn:"):
        kind, _, invoked_id = invoked_id.split(":", 5)[5].partition("/")
        if kind not in ("foundation-model", "inference-profile"):
            return "", None
    first, _, rest = invoked_id.partition(".")
    return (rest, first) if first in _PREFIXES else (invoked_id, None)
