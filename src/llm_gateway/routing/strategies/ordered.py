"""As they stand in the file: the first that can answer."""

from collections.abc import Sequence

from llm_gateway.routing.contract import Snapshot


def order(snapshot: Snapshot) -> Sequence[int]:
    """The first first."""
    return range(len(snapshot.targets))


def why(snapshot: Snapshot, at: int) -> str:
    """Its place."""
    return f"number {at + 1} of the route"
