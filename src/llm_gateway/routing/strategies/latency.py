"""The target whose first token usually comes soonest; one that was not asked lately is tried first."""

from collections.abc import Sequence

from llm_gateway.routing.contract import Snapshot


def order(snapshot: Snapshot) -> Sequence[int]:
    """By the moving average of the wait for the first token; what is not known counts as none."""

    def wait(at: int) -> tuple[float, int, float]:
        target = snapshot.targets[at]
        return target.first_token_ms or 0.0, target.in_flight, snapshot.draws[at]

    return sorted(range(len(snapshot.targets)), key=wait)


def why(snapshot: Snapshot, at: int) -> str:
    """How long."""
    wait_ms = snapshot.targets[at].first_token_ms
    return "not asked lately" if wait_ms is None else f"its first token comes after {wait_ms:.0f} ms"
