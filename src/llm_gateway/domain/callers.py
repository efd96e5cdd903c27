"""Who asks: the virtual key behind a request, what it may do, and for which run and agent it asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from llm_gateway.domain.money import Limits

_NO_TAGS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever a request came from. ``key_id`` is ``None`` where no key was asked for: the gateway is open.

    ``models`` and ``places`` are globs (``places`` over regions and profile prefixes: ``us-east-1``, ``global``);
    empty means all. ``run_id`` names one run of an agent, ``parent_run_id`` the run that it is a part of.
    ``run_budget_nano_usd`` is the purse of each run of this key, ``None`` where runs have none of their own. Callers of
    one ``cache_scope`` share kept answers.
    """

    key_id: str | None = None
    key_name: str | None = None
    team: str | None = None
    models: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=lambda: _NO_TAGS)
    limits: Limits | None = None
    run_budget_nano_usd: int | None = None
    agent: str | None = None
    run_id: str | None = None
    parent_run_id: str | None = None
    idempotency_key: str | None = None
    cache_scope: str = ""


ANYBODY = Caller()
