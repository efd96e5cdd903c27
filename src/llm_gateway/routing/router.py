"""Which candidates stand behind a caller's word, and in which order one request asks them.

A request goes by the table that was in force when it came; what is known of targets outlives every table.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.errors import GatewayError, UnknownModel
from llm_gateway.domain.requests import ResolvedModel
from llm_gateway.domain.routes import NO_ROUTES, UNLIMITED, Place, Route, RouteTable, Target, TargetLimits
from llm_gateway.routing.contract import Candidate, Plan, Snapshot, Strategy, TargetView, Trip
from llm_gateway.routing.conversations import Conversations, conversation_of
from llm_gateway.routing.needs import Needs
from llm_gateway.routing.retry_budget import RetryBudget
from llm_gateway.routing.strategies import known
from llm_gateway.routing.targets import OnNews, Targets, nobody
from llm_gateway.routing.way import Chances, Journey

Resolve = Callable[[str, str | None], ResolvedModel]
"""A caller's word for a model, and the region that it is asked in (``None``: the gateway's own)."""
_LIKELY_ANSWER_TOKENS = 300
_ORDERED = "ordered"
_KEPT_PLANS = 1024


class Router:
    """``timeout_s`` is for all attempts of a request where its route does not say; ``share`` this process's part of
    each target's quota. Satisfies :class:`~llm_gateway.routing.contract.Ways` and
    :class:`~llm_gateway.routing.contract.RouteBook`."""

    def __init__(
        self,
        resolve: Resolve,
        *,
        table: RouteTable = NO_ROUTES,
        timeout_s: float = 600.0,
        share: float = 1.0,
        chances: Chances | None = None,
        news: OnNews | None = None,
    ) -> None:
        self._resolve = resolve
        self._table = table
        self._timeout_s = timeout_s
        self._chances = chances or Chances(RetryBudget(), time.monotonic, draw=random.random)
        self._targets = Targets(share=share, clock=self._chances.clock, news=news)
        self._conversations = Conversations(clock=self._chances.clock)
        self._news = news or nobody
        self._strategies: dict[str, Strategy] = {}
        self._plans: dict[str, tuple[ResolvedModel, Plan]] = {}
        self._targets.limit(self._limits(table))

    def replace(self, table: RouteTable) -> None:
        """See :class:`~llm_gateway.routing.contract.RouteBook`."""
        self._targets.limit(self._limits(table))
        self._plans.clear()
        self._table = table

    @property
    def routes(self) -> Mapping[str, Route]:
        """The routes in force, by name."""
        return self._table.routes

    def plan(self, asked: str) -> Plan:
        """See :class:`~llm_gateway.routing.contract.Ways`."""
        table = self._table
        route = table.routes.get(asked) or table.routes.get(asked.strip().lower()) if table.routes else None
        if route is None:
            return self._of_a_model(table, asked)
        own = (route.strategy, tuple([self._candidate(target, asked) for target in route.targets]))
        stand_ins = self._stand_ins(table, asked, route.fallbacks, route.context_fallbacks)
        return Plan(route.name, (own, *stand_ins), route.policy)

    def _of_a_model(self, table: RouteTable, asked: str) -> Plan:
        try:
            plan = self._plain(table, asked)
        except UnknownModel as unknown:
            alike = tuple(get_close_matches(asked.strip()[:100].lower(), table.routes, n=3))
            if unknown.successor is not None or not alike:
                raise
            names = (*alike, *unknown.closest)[:3]
            said = f"no model or route is called {unknown.model!r}; closest: {', '.join(names)}"
            raise UnknownModel(said, model=unknown.model, closest=names) from unknown
        if not table.fallbacks and not table.context_fallbacks:
            return plan
        stand_ins = self._stand_ins(table, asked, table.fallbacks, table.context_fallbacks)
        return plan._replace(groups=(*plan.groups, *stand_ins))

    def _plain(self, table: RouteTable, asked: str) -> Plan:
        """Of one model by its own name: the same again while the word stands for the same."""
        model = self._resolve(asked, None)
        kept = self._plans.get(asked)
        if kept is not None and kept[0] is model:
            return kept[1]
        plan = Plan(None, ((_ORDERED, (self._candidate(Target(model=asked), asked),)),), table.policy)
        if len(self._plans) >= _KEPT_PLANS:
            self._plans.clear()
        self._plans[asked] = (model, plan)
        return plan

    def set_out(self, trip: Trip) -> Journey:
        """See :class:`~llm_gateway.routing.contract.Ways`."""
        self._chances.budget.came()
        plan = trip.plan
        timeout_s = plan.policy.timeout_s or self._timeout_s
        if plan.has_one:
            roads = [(plan.first, self._targets.of(plan.first))]
            why = "the only target of the route" if plan.route else "asked by its name"
            return Journey(
                plan, roads, chances=self._chances, timeout_s=timeout_s, queue=trip.queue, size=trip.size, why=why
            )
        return self._lined_up(trip, timeout_s)

    def arrived(self, trip: Trip, candidate: Candidate, usage: Usage) -> None:
        """See :class:`~llm_gateway.routing.contract.Ways`; remembered where a strategy of the plan wants to know."""
        if trip.request is None or trip.plan.has_one:
            return
        if any([self._strategy(name).wants_memory for name, _ in trip.plan.groups]):
            self._conversations.answered(conversation_of(trip.request, trip.scope), candidate.key, usage)

    def told(self) -> Mapping[str, object]:
        """See :class:`~llm_gateway.routing.contract.RouteBook`."""
        routes = {name: self._told_route(route) for name, route in self._table.routes.items()}
        return {"routes": routes, "targets": self._targets.told()}

    def listing(self) -> list[ModelCard]:
        """A card for each route: that of its first target, by the route's name."""
        cards: list[ModelCard] = []
        for name, route in self._table.routes.items():
            try:
                plan = self.plan(name)
            except GatewayError:
                continue  # a model is no more: whoever asks the route is told
            card = plan.first.model.card
            if card is not None:
                targets = ", ".join([candidate.key for candidate in plan.groups[0][1]])
                stand_ins = f"; falls back to {', '.join(route.fallbacks)}" if route.fallbacks else ""
                cards.append(replace(card, name=name, description=f"Route ({route.strategy}): {targets}{stand_ins}."))
        return cards

    # --- candidates ---------------------------------------------------------------------------------------------------

    def _candidate(self, target: Target, asked: str, stands_in_for: str | None = None) -> Candidate:
        place = target.place
        model = self._resolve(target.model, place.region)
        if model.asked != asked or place.region is not None:
            model = ResolvedModel(asked, model.invoked_id, model.card, model.warnings, place.region)
        return Candidate(_key(model.invoked_id, place), target, model, stands_in_for)

    def _limits(self, table: RouteTable) -> dict[str, TargetLimits]:
        """The quota of every target that a route limits, for whoever asks it by its own name too."""
        found: dict[str, TargetLimits] = {}
        for route in table.routes.values():
            for target in route.targets:
                if target.limits == UNLIMITED:
                    continue
                try:
                    found[self._candidate(target, target.model).key] = target.limits
                except GatewayError:
                    continue  # the model is no more: whoever asks the route is told
        return found

    def _told_route(self, route: Route) -> dict[str, object]:
        told: dict[str, object] = {
            "strategy": route.strategy,
            "targets": [],
            "fallbacks": list(route.fallbacks),
            "context_fallbacks": list(route.context_fallbacks),
        }
        try:
            told["targets"] = [self._targets.of(self._candidate(each, route.name)).key for each in route.targets]
        except GatewayError as gone:
            told["error"] = gone.message  # a model was retired since the file was read
        return told

    def _stand_ins(
        self, table: RouteTable, asked: str, fallbacks: Sequence[str], larger: Sequence[str]
    ) -> tuple[tuple[str, tuple[Candidate, ...]], ...]:
        groups: list[tuple[str, tuple[Candidate, ...]]] = []
        for name in dict.fromkeys((*fallbacks, *larger)):
            if name == asked:
                continue
            kind = "context" if name not in fallbacks else "either" if name in larger else "error"
            route = table.routes.get(name)
            targets = (Target(model=name),) if route is None else route.targets
            strategy = _ORDERED if route is None else route.strategy
            groups.append((strategy, tuple([self._candidate(target, asked, kind) for target in targets])))
        return tuple(groups)

    # --- their order --------------------------------------------------------------------------------------------------

    def _lined_up(self, trip: Trip, timeout_s: float) -> Journey:
        needs = None if trip.request is None else Needs(trip.request)
        line: list[Candidate] = []
        lacking: list[tuple[Candidate, tuple[str, ...]]] = []
        why, seen = "", set[str]()
        for name, candidates in trip.plan.groups:
            fit: list[Candidate] = []
            for candidate in candidates:
                lacks = self._lacks(trip, needs, candidate)
                if lacks:
                    lacking.append((candidate, lacks))
                elif candidate.key not in seen:
                    seen.add(candidate.key)
                    fit.append(candidate)
            ordered, reason = self._ordered(self._strategy(name), fit, trip)
            if needs is not None:
                ordered.sort(key=lambda each: needs.is_strained_by(each.model.card))
            line += ordered
            why = why or reason
        overflows = any([lacks[0].startswith(_TOO_LONG) for _, lacks in lacking])
        is_own = any([candidate.stands_in_for != "context" for candidate in line])
        return Journey(
            trip.plan,
            [(candidate, self._targets.of(candidate)) for candidate in line],
            chances=self._chances,
            timeout_s=timeout_s,
            queue=trip.queue,
            size=trip.size,
            why=why,
            lacking=lacking,
            overflows=overflows and not is_own,
        )

    def _lacks(self, trip: Trip, needs: Needs | None, candidate: Candidate) -> tuple[str, ...]:
        model = candidate.model
        if not trip.permits(model):
            return ("the key's permission",)
        lacks = () if needs is None else needs.lacking(model.card)
        if trip.input_tokens is not None and model.card is not None:
            window = model.card.context_window_tokens
            if trip.input_tokens > window:
                return (f"{_TOO_LONG}{trip.input_tokens} tokens (it takes {window})", *lacks)
        return lacks

    def _ordered(self, strategy: Strategy, candidates: list[Candidate], trip: Trip) -> tuple[list[Candidate], str]:
        if not candidates:
            return [], ""
        snapshot = Snapshot(
            tuple(self._views(candidates, trip, strategy)), tuple([self._chances.draw() for _ in candidates])
        )
        try:
            order = list(strategy.order(snapshot))
        except Exception as error:  # noqa: BLE001 - another package's: no request shall fail for it
            self._news("strategy_failed", {"strategy": strategy.name, "error": type(error).__name__})
            return candidates, f"{strategy.name} failed: in the order of the file"
        why = f"{strategy.name}: {strategy.why(snapshot, order[0])}" if order else ""
        return [candidates[at] for at in order], why

    def _views(self, candidates: list[Candidate], trip: Trip, strategy: Strategy) -> list[TargetView]:
        last = None
        if strategy.wants_memory and trip.request is not None:
            last = self._conversations.last(conversation_of(trip.request, trip.scope))
        views: list[TargetView] = []
        for candidate in candidates:
            state = self._targets.of(candidate)
            was_last = last is not None and last.key == candidate.key
            warm = last.warm_tokens if last is not None and was_last else 0
            views.append(
                TargetView(
                    key=candidate.key,
                    weight=candidate.target.weight,
                    in_flight=state.in_flight,
                    quota_left=1.0 if state.quota is None else state.quota.left,
                    first_token_ms=state.first_token_ms,
                    expected_nano_usd=_expected(candidate, trip, warm) if strategy.wants_costs else None,
                    warm_tokens=warm,
                    was_last=was_last,
                )
            )
        return views

    def _strategy(self, name: str) -> Strategy:
        found = self._strategies.get(name)
        if found is None:
            try:
                found = known.strategy(name)
            except Exception as error:  # noqa: BLE001 - another package's: no request shall fail for it
                self._news("strategy_failed", {"strategy": name, "error": type(error).__name__})
                found = known.strategy(_ORDERED)
            self._strategies[name] = found
        return found


_TOO_LONG = "room for "


def _expected(candidate: Candidate, trip: Trip, warm: int) -> int | None:
    """What the request would cost, with what is warm there read from the prompt cache."""
    size = trip.size(candidate)
    read = trip.input_tokens or size.input_tokens
    warm = min(warm, read)
    usage = Usage(read - warm, min(_LIKELY_ANSWER_TOKENS, size.answer_tokens), cache_read_tokens=warm)
    return trip.quote(candidate, usage)


def _key(invoked_id: str, place: Place) -> str:
    """``us.amazon.nova-pro-v1:0``, ``amazon.nova-pro-v1:0@eu-central-1``, ``...@eu-central-1/billing``."""
    if place.region is None and place.account is None:
        return invoked_id
    account = "" if place.account is None else f"/{place.account.name}"
    return f"{invoked_id}@{place.region or ''}{account}"
