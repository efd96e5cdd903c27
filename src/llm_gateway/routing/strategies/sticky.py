"""A conversation stays where it was, since its prompt cache and the signatures of its thoughts are there."""

from collections.abc import Sequence

from llm_gateway.routing.contract import Snapshot

WANTS_MEMORY = True


def order(snapshot: Snapshot) -> Sequence[int]:
    """The target that answered this conversation last; a new one goes where the fewest calls are under way."""

    def place(at: int) -> tuple[bool, int, float]:
        target = snapshot.targets[at]
        return not target.was_last, target.in_flight, snapshot.draws[at]

    return sorted(range(len(snapshot.targets)), key=place)


def why(snapshot: Snapshot, at: int) -> str:
    """Which of both."""
    return "this conversation was here before" if snapshot.targets[at].was_last else "a new conversation"
