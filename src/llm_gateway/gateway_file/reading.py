"""The routes that a gateway file means. Whatever is wrong is told at once, each with its line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from llm_gateway.domain.errors import GatewayError
from llm_gateway.domain.requests import ResolvedModel
from llm_gateway.domain.routes import (
    DEFAULT_POLICY,
    Account,
    Place,
    Policy,
    Route,
    RouteTable,
    Target,
    TargetLimits,
)
from llm_gateway.gateway_file.document import Document
from llm_gateway.gateway_file.parts import Parts, read_parts
from llm_gateway.gateway_file.problems import Path, Problems, as_word, closest, short
from llm_gateway.gateway_file.shape import DefaultsShape, RouteShape, TargetShape

_LIMITS = ("tpm", "rpm", "max_concurrent")
Key = tuple[str, Place]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a file is read against. ``resolve`` takes a word and a region (``None``: the gateway's own, ``region``);
    ``why_not`` says why a strategy of this name cannot be used, or nothing; ``references`` may name these variables."""

    resolve: Callable[[str, str | None], ResolvedModel]
    region: str
    why_not: Callable[[str], str | None]
    references: Mapping[str, str]


def read_routes(document: Document, around: Surroundings) -> RouteTable:
    """The table of routes.

    Raises:
        GatewayFileError: something is wrong.
    """
    problems = document.problems()
    table = checked_routes(document, around, problems)
    problems.raise_if_any()
    return table


def checked_routes(document: Document, around: Surroundings, problems: Problems) -> RouteTable:
    """The table as far as it can be told; what is wrong is added to ``problems``."""
    parts = read_parts(document, around.references, problems)
    return _Reading(parts, around, problems).table()


class _Reading:
    """One reading of one file, after its parts have their shape."""

    def __init__(self, parts: Parts, around: Surroundings, problems: Problems) -> None:
        self._parts = parts
        self._around = around
        self._problems = problems
        self._accounts = {
            name: Account(
                name=name,
                role_arn=shape.role_arn,
                external_id=shape.external_id,
                session_tags=tuple(dict.fromkeys(shape.session_tags)),
            )
            for name, shape in parts.accounts.items()
        }
        self._limits: dict[Key, dict[str, tuple[int, Path]]] = {}

    def table(self) -> RouteTable:
        defaults = self._parts.defaults
        self._check_strategy(defaults, ("defaults",))
        fallbacks, larger = self._names(defaults, None, ("defaults",))
        drafts = {name: self._targets(name, shape) for name, shape in self._parts.routes.items()}
        routes = {name: self._route(name, shape, drafts[name]) for name, shape in self._parts.routes.items()}
        return RouteTable(
            routes=routes, policy=_policy(defaults, defaults), fallbacks=fallbacks, context_fallbacks=larger
        )

    def _route(self, name: str, shape: RouteShape, targets: list[tuple[Target, Key]]) -> Route:
        path = ("routes", name)
        self._check_strategy(shape, path)
        fallbacks, larger = self._names(shape, name, path)
        strategy = shape.strategy or self._parts.defaults.strategy or "ordered"
        if strategy == "weighted" and targets and not any(target.weight for target, _ in targets):
            self._problems.add(path, "all weights are 0; give one target a weight above 0")
        return Route(
            name=name,
            targets=tuple([self._limited(target, key) for target, key in targets]),
            strategy=strategy,
            fallbacks=fallbacks,
            context_fallbacks=larger,
            policy=_policy(shape, self._parts.defaults),
        )

    # --- targets ------------------------------------------------------------------------------------------------------

    def _targets(self, name: str, shape: RouteShape) -> list[tuple[Target, Key]]:
        found: list[tuple[Target, Key]] = []
        places: dict[Key, int] = {}
        kinds: dict[bool, str] = {}
        for at, each in enumerate(shape.targets):
            path: Path = ("routes", name, "targets", at)
            place = self._place(each, path)
            model = self._resolved(each.model, place.region, (*path, "model"))
            if model is None:
                continue
            key = (model.invoked_id, place)
            first = places.setdefault(key, at)
            if first != at:
                self._problems.add(
                    path, f"is the same model and place as targets[{first}]; keep one, with the weight of both"
                )
            if model.card is not None:
                kinds.setdefault(model.card.answers, each.model)
            self._note_limits(each, key, path)
            found.append((Target(model=each.model, place=place, weight=each.weight), key))
        if len(kinds) > 1:
            self._problems.add(
                ("routes", name, "targets"),
                f"{short(kinds[False])} only makes vectors and {short(kinds[True])} answers; make a route of each",
            )
        return found

    def _place(self, shape: TargetShape, path: Path) -> Place:
        account = None
        if shape.account is not None:  # one that is told and not sound is another place all the same
            account = self._accounts.get(shape.account) or Account(name=shape.account, role_arn="")
            if shape.account not in self._parts.told_accounts:
                known = list(self._parts.told_accounts)
                mend = closest(shape.account, known) if known else "; name it under accounts"
                self._problems.add((*path, "account"), f"there is no account {short(shape.account)!r}{mend}")
        region = None if shape.region == self._around.region else shape.region
        return Place(region, account)

    def _resolved(self, word: str, region: str | None, path: Path) -> ResolvedModel | None:
        try:
            return self._around.resolve(word, region)
        except GatewayError as unknown:
            routed = " (targets are models; routes stand under fallbacks)" if word in self._parts.told_routes else ""
            self._problems.add(path, f"{unknown.message}{routed}")
            return None

    def _note_limits(self, shape: TargetShape, key: Key, path: Path) -> None:
        """A target has one quota, whichever route it stands in."""
        known = self._limits.setdefault(key, {})
        for limit in _LIMITS:
            given: int | None = getattr(shape, limit)
            if given is None:
                continue
            said, where = known.setdefault(limit, (given, (*path, limit)))
            if said != given:
                line = self._problems.line_of(where)
                self._problems.add(
                    (*path, limit),
                    f"is {given}, but {said} in {as_word(where)} (line {line}); it is one quota of AWS: say the same",
                )

    def _limited(self, target: Target, key: Key) -> Target:
        said = {limit: number for limit, (number, _) in self._limits[key].items()}
        limits = TargetLimits(tpm=said.get("tpm"), rpm=said.get("rpm"), concurrent=said.get("max_concurrent"))
        return Target(model=target.model, place=target.place, weight=target.weight, limits=limits)

    # --- names --------------------------------------------------------------------------------------------------------

    def _check_strategy(self, shape: DefaultsShape, path: Path) -> None:
        if shape.strategy is not None and (reason := self._around.why_not(shape.strategy)):
            self._problems.add((*path, "strategy"), reason)

    def _names(self, shape: DefaultsShape, route: str | None, path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
        both: list[tuple[str, ...]] = []
        for key in ("fallbacks", "context_fallbacks"):
            own: list[str] | None = getattr(shape, key)
            inherited: list[str] | None = getattr(self._parts.defaults, key)
            for at, name in enumerate(own or ()):
                self._check_name(name, route, (*path, key, at))
            names = own if own is not None else [name for name in inherited or () if name != route]
            both.append(tuple(dict.fromkeys(names)))
        return both[0], both[1]

    def _check_name(self, name: str, route: str | None, path: Path) -> None:
        if name == route:
            self._problems.add(path, "is the route itself; name another")
        elif name not in self._parts.told_routes:
            try:
                self._around.resolve(name, None)
            except GatewayError as unknown:
                routes = list(self._parts.told_routes)
                self._problems.add(
                    path, f"no route is called {short(name)!r}{closest(name, routes)}; {unknown.message}"
                )


def _policy(shape: DefaultsShape, defaults: DefaultsShape) -> Policy:
    def said(key: str, otherwise: float | None) -> float | None:
        own = getattr(shape, key)
        own = getattr(defaults, key) if own is None else own
        return otherwise if own is None else own

    usual = DEFAULT_POLICY
    return Policy(
        attempts=int(said("attempts", usual.attempts) or usual.attempts),
        timeout_s=said("timeout", usual.timeout_s),
        allowed_fails=int(said("allowed_fails", usual.allowed_fails) or usual.allowed_fails),
        cooldown_s=said("cooldown", usual.cooldown_s) or usual.cooldown_s,
        max_wait_s=said("max_wait", usual.max_wait_s) or 0.0,
        retry_share=said("retry_share", usual.retry_share) or 0.0,
    )
