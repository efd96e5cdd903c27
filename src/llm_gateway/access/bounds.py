"""The limits that a request has to fit into, and how one is refused. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from llm_gateway.access.contract import Demand
from llm_gateway.domain.errors import RateLimited
from llm_gateway.domain.money import Limits

LimitsOf = Callable[[str, str], Limits | None]
"""Of a ``team`` or a ``model``; those of a key come with its caller."""

MEANINGS = {
    "rpm": "requests a minute",
    "tpm": "tokens a minute",
    "input_tpm": "input tokens a minute",
    "output_tpm": "output tokens a minute",
    "concurrent": "requests at the same time",
}


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit that a request has to fit into. ``amount`` is what it takes of it. ``shares`` is in how many parts the
    limit is split, where replicas cannot count together."""

    scope: str
    scope_id: str
    name: str
    limit: int
    amount: int
    is_strict: bool = False
    shares: int = 1


def bounds_of(demand: Demand, limits_of: LimitsOf) -> tuple[Bound, ...]:
    """Everything that limits this request."""
    caller = demand.caller
    scopes = [("key", caller.key_id or "", caller.limits), ("model", demand.model, None)]
    if caller.team is not None:
        scopes.append(("team", caller.team, None))
    bounds: list[Bound] = []
    amounts: dict[str, int] | None = None
    for scope, scope_id, own in scopes:
        limits = own if scope == "key" else limits_of(scope, scope_id)
        if limits is None or limits.is_empty:
            continue
        if amounts is None:
            needs_tokens = limits.tpm or limits.input_tpm or limits.output_tpm
            amounts = {"rpm": 1, "concurrent": 1, **(by_name(demand.tokens()) if needs_tokens else {})}
        for name in MEANINGS:
            limit = getattr(limits, name)
            if limit is not None:
                if name not in amounts:
                    amounts |= by_name(demand.tokens())
                bounds.append(Bound(scope, scope_id, name, limit, amounts[name], limits.strict))
    return tuple(bounds)


def by_name(tokens: tuple[int, int]) -> dict[str, int]:
    """Input and output as the limits count them."""
    return {"tpm": sum(tokens), "input_tpm": tokens[0], "output_tpm": tokens[1]}


def shared_out(bounds: Sequence[Bound], shares: int) -> tuple[Bound, ...]:
    """One replica's part of each limit: never less than 1."""
    return tuple([replace(bound, limit=max(1, bound.limit // shares), shares=shares) for bound in bounds])


def refusal(bound: Bound, after_s: float) -> RateLimited:
    """It does not fit for so long."""
    whose = {"key": "this key", "team": f"team {bound.scope_id!r}", "model": f"model {bound.scope_id!r}"}
    taken = "" if bound.amount <= bound.limit else f", and this call alone may take {bound.amount}"
    part = "" if bound.shares == 1 else " of this replica, while the replicas cannot count together"
    return RateLimited(
        f"{whose[bound.scope]} may take {bound.limit} {MEANINGS[bound.name]}{part}{taken}; ask again in "
        f"{after_s:.0f} s" + ("" if bound.amount <= bound.limit else ", with a smaller max_tokens"),
        limit=bound.name,
        scope=bound.scope,
        allowed=bound.limit,
        retry_after_s=max(1.0, after_s),
    )


def stand(standing: dict[str, str], bound: Bound, left: int) -> None:
    """The tightest of each kind, in OpenAI's words."""
    word = "requests" if bound.name == "rpm" else "tokens" if bound.name == "tpm" else None
    if word is None or int(standing.get(f"x-ratelimit-remaining-{word}", left + 1)) <= left:
        return
    standing[f"x-ratelimit-limit-{word}"] = str(bound.limit)
    standing[f"x-ratelimit-remaining-{word}"] = str(left)
    standing[f"x-ratelimit-reset-{word}"] = "60s"
