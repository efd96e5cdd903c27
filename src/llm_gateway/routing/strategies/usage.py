"""The target with the largest share of its quota left."""

from collections.abc import Sequence

from llm_gateway.routing.contract import Snapshot


def order(snapshot: Snapshot) -> Sequence[int]:
    """Equals, as those without a limit are, by the calls under way."""

    def use(at: int) -> tuple[float, int, float]:
        target = snapshot.targets[at]
        return -target.quota_left, target.in_flight, snapshot.draws[at]

    return sorted(range(len(snapshot.targets)), key=use)


def why(snapshot: Snapshot, at: int) -> str:
    """How much."""
    return f"{snapshot.targets[at].quota_left:.0%} of its quota left"
