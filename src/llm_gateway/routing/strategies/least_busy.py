"""The target with the fewest calls under way."""

from collections.abc import Sequence

from llm_gateway.routing.contract import Snapshot


def order(snapshot: Snapshot) -> Sequence[int]:
    """Equals are drawn by lot."""
    return sorted(range(len(snapshot.targets)), key=lambda at: (snapshot.targets[at].in_flight, snapshot.draws[at]))


def why(snapshot: Snapshot, at: int) -> str:
    """How many."""
    return f"{snapshot.targets[at].in_flight} calls under way"
