"""Where a call may go: places, targets, and the routes that bear a name of their own. Frozen values, read from a file.

A target is one model at one place. Its quota, its breaker and its figures belong to it alone, whichever route it
stands in: AWS counts by model, region and account too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

MOST_ATTEMPTS = 3
"""Of one request, over all of its targets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An AWS account that is asked under a role of its own. ``session_tags`` names what of a caller becomes a session
    tag (``key``, ``team``, ``agent``, ``run``), for charge-back in AWS's own bills."""

    name: str
    role_arn: str
    external_id: str | None = None
    session_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where Bedrock is asked; ``None`` is the gateway's own region, its own account."""

    region: str | None = None
    account: Account | None = None


HERE = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLimits:
    """AWS's quota of a target: tokens and requests a minute, and requests at the same time; ``None``: not known."""

    tpm: int | None = None
    rpm: int | None = None
    concurrent: int | None = None


UNLIMITED = TargetLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One model, by any word of the catalog, at one place. ``weight`` from 0 is its share under ``weighted``."""

    model: str
    place: Place = HERE
    weight: float = 1.0
    limits: TargetLimits = UNLIMITED


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long, and how often. ``attempts`` from 1 to ``MOST_ATTEMPTS`` over all targets; ``timeout_s`` for all of them
    together (``None``: as the settings say); ``allowed_fails`` in a row open a target's breaker for ``cooldown_s``;
    ``max_wait_s`` may be waited for room in a quota. ``retry_share`` of the traffic may be repeated, from 0 to 2."""

    attempts: int = MOST_ATTEMPTS
    timeout_s: float | None = None
    allowed_fails: int = 5
    cooldown_s: float = 30.0
    max_wait_s: float = 30.0
    retry_share: float = 0.2


DEFAULT_POLICY = Policy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A name that stands for targets. ``fallbacks`` are names of routes or models that stand in when the targets fail;
    ``context_fallbacks`` when the conversation does not fit them. Those of a stand-in are not followed."""

    name: str
    targets: tuple[Target, ...]
    strategy: str = "ordered"
    fallbacks: tuple[str, ...] = ()
    context_fallbacks: tuple[str, ...] = ()
    policy: Policy = DEFAULT_POLICY


def _none() -> Mapping[str, Route]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """All routes by name. What is not a route is a model asked by its own name: ``policy``, ``fallbacks`` and
    ``context_fallbacks`` are for those."""

    routes: Mapping[str, Route] = field(default_factory=_none)
    policy: Policy = DEFAULT_POLICY
    fallbacks: tuple[str, ...] = ()
    context_fallbacks: tuple[str, ...] = ()


NO_ROUTES = RouteTable()
