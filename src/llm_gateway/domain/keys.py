"""Virtual keys, as they are wished for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from llm_gateway.domain.money import Limits

_NONE = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyWish:
    """A key to be made. ``models`` and ``places`` are globs, empty for all; ``expires_at`` milliseconds since 1970."""

    name: str
    team: str | None = None
    models: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    limits: Limits = _NONE
    run_budget_nano_usd: int | None = None
    expires_at: int | None = None
