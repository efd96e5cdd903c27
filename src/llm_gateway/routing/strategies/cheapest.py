"""The target where this very request costs least, with what a prompt cache there already holds of it."""

from collections.abc import Sequence
from decimal import Decimal

from llm_gateway.routing.contract import Snapshot

WANTS_COSTS = True


def order(snapshot: Snapshot) -> Sequence[int]:
    """By the expected cost; a target without a known price comes last."""

    def cost(at: int) -> tuple[bool, int, int]:
        expected = snapshot.targets[at].expected_nano_usd
        return expected is None, expected or 0, at

    return sorted(range(len(snapshot.targets)), key=cost)


def why(snapshot: Snapshot, at: int) -> str:
    """How much."""
    target = snapshot.targets[at]
    if target.expected_nano_usd is None:
        return "its price is not known"
    warm = f", {target.warm_tokens} tokens of it in its prompt cache" if target.warm_tokens else ""
    return f"expected to cost ${Decimal(target.expected_nano_usd).scaleb(-9):.6f}{warm}"
