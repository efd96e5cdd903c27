"""Who calls a tool, and how: what a tool gets beside its arguments."""

from collections.abc import Mapping
from dataclasses import dataclass

from llm_gateway.domain.callers import Caller
from llm_gateway.gateway import OnDeltas

Arguments = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Asking:
    """One call of a tool. ``on_deltas`` is set where the caller wants to see the answer while it is made."""

    request_id: str
    caller: Caller
    on_deltas: OnDeltas | None = None
