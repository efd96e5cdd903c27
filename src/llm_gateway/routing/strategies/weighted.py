"""By lot, each target by its weight; those behind the first are drawn in the same way."""

from collections.abc import Sequence

from llm_gateway.routing.contract import Snapshot


def order(snapshot: Snapshot) -> Sequence[int]:
    """The largest of ``draw ** (1 / weight)`` first, which draws without putting back. A weight of 0 comes last."""

    def lot(at: int) -> float:
        weight = snapshot.targets[at].weight
        return snapshot.draws[at] ** (1 / weight) if weight > 0 else -1.0

    return sorted(range(len(snapshot.targets)), key=lot, reverse=True)


def why(snapshot: Snapshot, at: int) -> str:
    """Its weight."""
    return f"drawn by its weight of {snapshot.targets[at].weight:g}"
