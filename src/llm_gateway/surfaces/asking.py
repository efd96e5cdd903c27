"""Who calls a tool, and how: what a tool gets beside its arguments."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mcp.types import ToolAnnotations

from llm_gateway.domain.callers import Caller
from llm_gateway.gateway import OnDeltas

Arguments = Mapping[str, object]
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Asking:
    """One call of a tool. ``on_deltas`` is set where the caller wants to see the answer while it is made."""

    request_id: str
    caller: Caller
    on_deltas: OnDeltas | None = None


Work = Callable[[Arguments, Asking], Awaitable[Json]]
"""Arguments, and who asks how, to the result."""

Offer = tuple[str, str, tuple[dict[str, Any], dict[str, Any]], Work, ToolAnnotations]
"""A tool: name, description, schemas of arguments and result, the work, hints."""
