"""Every strategy by its name: ours, and those of packages that are installed beside (entry points)."""

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from types import ModuleType
from typing import cast

from llm_gateway.routing.contract import Order, Snapshot, Strategy
from llm_gateway.routing.strategies import cheapest, latency, least_busy, ordered, sticky, usage, weighted

GROUP = "llm_gateway.strategies"
_OURS: Mapping[str, ModuleType] = {
    "ordered": ordered,
    "weighted": weighted,
    "least-busy": least_busy,
    "usage": usage,
    "latency": latency,
    "cheapest": cheapest,
    "sticky": sticky,
}


def names() -> tuple[str, ...]:
    """All that a route may name."""
    return (*_OURS, *sorted(entry_points(group=GROUP).names - set(_OURS)))


def strategy(name: str) -> Strategy:
    """The strategy of this name.

    Raises:
        KeyError: there is none.
        Exception: whatever the package raises that brings it.
    """
    ours = _OURS.get(name)
    if ours is not None:
        return Strategy(
            name,
            cast("Order", ours.order),
            ours.why,
            wants_costs=hasattr(ours, "WANTS_COSTS"),
            wants_memory=hasattr(ours, "WANTS_COSTS") or hasattr(ours, "WANTS_MEMORY"),
        )
    found = entry_points(group=GROUP, name=name)
    if not found:
        raise KeyError(name)
    return Strategy(
        name, _checked(cast("Order", next(iter(found)).load())), _chosen, wants_costs=True, wants_memory=True
    )


def _chosen(snapshot: Snapshot, at: int) -> str:
    return "chosen by the strategy"


def _checked(theirs: Order) -> Order:
    """Each target once, whatever it gives: what it leaves out is not asked, what is none of them is dropped."""

    def order(snapshot: Snapshot) -> Sequence[int]:
        return [at for at in dict.fromkeys(theirs(snapshot)) if type(at) is int and 0 <= at < len(snapshot.targets)]

    return order
