"""LiteLLM's configuration as a gateway file: the whole way, from its text to ours."""

from collections.abc import Mapping
from typing import cast

from llm_gateway.gateway_file.document import Document
from llm_gateway.gateway_file.problems import refusal
from llm_gateway.litellm_import.draft import Draft, RouteDraft, TargetDraft, Value
from llm_gateway.litellm_import.entries import Known, carry_entries
from llm_gateway.litellm_import.sections import carry_redis, carry_sections
from llm_gateway.litellm_import.words import a_number, a_text, larger, mapping, names

_SIGNS = ("model_list", "router_settings", "general_settings", "litellm_settings")
_FALLBACKS: Mapping[str, str] = {"fallbacks": "fallbacks", "context_window_fallbacks": "context_fallbacks"}


def converted(document: Document, known: Known) -> Draft:
    """The draft of a gateway file.

    Raises:
        GatewayFileError: this is no configuration of LiteLLM.
    """
    values = document.values
    if not values.keys() & set(_SIGNS):
        there = ", ".join(sorted(values)[:6]) or "nothing"
        raise refusal(document.file, None, f"is no configuration of LiteLLM's proxy: it has {there}, and no model_list")
    problems = document.problems()
    for key in _SIGNS:
        kind, word = (list, "a list of models") if key == "model_list" else (dict, "a mapping")
        if values.get(key) is not None and not isinstance(values[key], kind):
            problems.add((key,), f"must be {word}")
    problems.raise_if_any()
    draft = Draft()
    carry_entries(values.get("model_list"), draft, known)
    carry_sections(values, draft)
    router = mapping(values.get("router_settings"))
    parts = {key: router[f"redis_{key}"] for key in ("host", "port", "password", "ssl") if f"redis_{key}" in router}
    carry_redis(parts, "router_settings.redis_host", draft)
    _carry_parallel(router, draft)
    _carry_aliases(router.get("model_group_alias"), draft)
    for section in ("router_settings", "litellm_settings"):
        given = mapping(values.get(section))
        for key, ours in _FALLBACKS.items():
            _carry_fallbacks(given.get(key), f"{section}.{key}", ours, draft, known)
        usual = given.get("default_fallbacks")
        _add_fallbacks(draft.defaults, "fallbacks", usual, f"{section}.default_fallbacks", draft, known)
    _leave_room_for_stand_ins(draft)
    for route in draft.routes.values():
        _line_up(route, draft)
    _tell_shared_quotas(draft)
    return draft


def _carry_parallel(router: Mapping[str, object], draft: Draft) -> None:
    where = "router_settings.default_max_parallel_requests"
    usual = a_number(router.get("default_max_parallel_requests"), where, draft, least=1, whole=True)
    if usual is not None:
        for route in draft.routes.values():
            for target in route.targets:
                target.values.setdefault("max_concurrent", usual)


def _carry_aliases(given: object, draft: Draft) -> None:
    if given is not None and not isinstance(given, dict):
        draft.note("router_settings.model_group_alias", "must be a mapping; left out")
    for alias, group in mapping(cast("object", given)).items():
        where = f"router_settings.model_group_alias.{alias}"
        name = a_text(group) or a_text(mapping(group).get("model"))
        route = draft.routes.get(name or "")
        if route is None:
            draft.note(where, "stands for no route that was carried over; left out")
        elif alias in draft.routes:
            draft.note(where, "is the name of a route already; left out")
        else:
            copies = [TargetDraft(dict(target.values), target.where, target.order) for target in route.targets]
            draft.routes[alias] = RouteDraft(copies, route.values)  # one mapping: its fallbacks are those of the route
            if mapping(group).get("hidden"):
                draft.note(f"{where}.hidden", "no route is hidden; a key's models say what it may ask")


def _carry_fallbacks(given: object, where: str, ours: str, draft: Draft, known: Known) -> None:
    if given is not None and not isinstance(given, list):
        draft.note(where, "must be a list of mappings, such as [{a: [b]}]; left out")
    items = cast("list[object]", given) if isinstance(given, list) else []
    for item in items:
        if not isinstance(item, dict):
            draft.note(where, "must be a list of mappings, such as [{a: [b]}]; what is none is left out")
        for name, stand_ins in mapping(cast("object", item)).items():
            route = draft.routes.get(name)
            if name == "*":
                _add_fallbacks(draft.defaults, ours, stand_ins, where, draft, known)
            elif route is None:
                draft.note(where, f"are for {name}, which was not carried over; left out")
            else:
                _add_fallbacks(route.values, ours, stand_ins, where, draft, known, own=name)


def _add_fallbacks(
    into: dict[str, Value], key: str, given: object, where: str, draft: Draft, known: Known, own: str | None = None
) -> None:
    wanted = names(given)
    if given is not None and (not isinstance(given, list) or len(wanted) < len(cast("list[object]", given))):
        draft.note(where, "a stand-in is a name here, without parameters of its own; left out")
    found = cast("list[str]", into.get(key, []))
    for name in wanted:
        if name != own and name not in found and _is_known(name, draft, known):
            found = [*found, name]
        elif name != own and name not in found:
            draft.note(where, f"{name} was not carried over, and is no model of Bedrock; left out")
    if found:
        into[key] = found


def _is_known(name: str, draft: Draft, known: Known) -> bool:
    from llm_gateway.domain.errors import GatewayError

    if name in draft.routes:
        return True
    try:
        known(name, None)
    except GatewayError:
        return False
    return True


def _leave_room_for_stand_ins(draft: Draft) -> None:
    """LiteLLM asks stand-ins beside the retries; here every call counts."""
    attempts = draft.defaults.get("attempts")
    stand_ins = any("fallbacks" in values for values in (draft.defaults, *[r.values for r in draft.routes.values()]))
    if attempts == 1 and stand_ins:
        draft.defaults["attempts"] = 2
        draft.note("num_retries", "stand-ins count as attempts here: attempts: 2, so that one is asked")


def _line_up(route: RouteDraft, draft: Draft) -> None:
    targets = route.targets
    if any(target.order is not None for target in targets):
        orders = [target.order for target in targets if target.order is not None]
        targets.sort(key=lambda target: (target.order is None, target.order or 0))
        if len(targets) > 1:
            route.values["strategy"] = "ordered"
        if len(set(orders)) < len(orders):
            draft.note(
                ", ".join(f"{target.where}.litellm_params.order" for target in targets if target.order is not None),
                "targets of the same order are asked in the order of the file, not balanced",
            )
    elif draft.defaults.get("strategy", "weighted") == "weighted" and len(targets) > 1:
        _weigh(targets)
        if all(target.values.get("weight") == 0 for target in targets):
            for target in targets:
                del target.values["weight"]
            draft.note(
                ", ".join(target.where for target in targets), "all weights are 0; left out, so each is drawn alike"
            )
        route.values.setdefault("strategy", "weighted")


def _weigh(targets: list[TargetDraft]) -> None:
    """simple-shuffle draws by weight, else by rpm, else by tpm, where the first deployment has it."""
    by = next((key for key in ("weight", "rpm", "tpm") if key in targets[0].values), None)
    if by is not None:
        for target in targets:
            target.values["weight"] = target.values.get(by, 0)


def _tell_shared_quotas(draft: Draft) -> None:
    """LiteLLM counts each deployment by itself; AWS counts by model, region and account."""
    first: dict[tuple[Value, ...], tuple[str, TargetDraft]] = {}
    for name, route in draft.routes.items():
        for target in route.targets:
            other, held = first.setdefault(target.place, (name, target))
            if held is target:
                continue
            for key in ("tpm", "rpm", "max_concurrent"):
                limits = [each.values[key] for each in (held, target) if key in each.values]
                if limits:
                    held.values[key] = target.values[key] = larger(limits)
            if held.where != target.where:
                draft.note(
                    f"{held.where}, {target.where}",
                    f"{other} and {name} ask the same model in the same region and account: one quota at AWS, and one "
                    "here, where LiteLLM counts one for each",
                )
