"""``model_list``: entries of one name become the targets of one route."""

import re
from collections.abc import Callable, Mapping
from typing import cast

from llm_gateway.domain.errors import GatewayError
from llm_gateway.litellm_import.draft import Draft, RouteDraft, TargetDraft, Value
from llm_gateway.litellm_import.words import (
    DEPLOYMENT_NOTES,
    FOR_ALL_CALLS,
    LONGEST_S,
    UNKNOWN,
    a_number,
    a_text,
    is_reference,
    larger,
    mapping,
    without_references,
)

Known = Callable[[str, str | None], object]
"""Raises GatewayError where no model is called so; the word, and a region."""
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]{2,10}){1,3}-[0-9]{1,2}")
_WAYS = ("converse/", "converse_like/", "invoke/")
_FAMILIES = re.compile(r"(?:llama|deepseek_r1|qwen2|qwen3|openai|nova|nova-2|moonshot)/(?=arn:)")
_OTHER_SERVICES = ("agent/", "agentcore/", "async_invoke/", "batch/", "rerank/")
_PROVIDERS = ("bedrock", "bedrock_converse")
_CREDENTIALS: Mapping[str, str] = {
    "aws_access_key_id": "aws_access_key_id",
    "aws_secret_access_key": "aws_secret_access_key",
    "aws_session_token": "aws_session_token",
    "aws_profile_name": "aws_profile",
    "aws_bedrock_runtime_endpoint": "aws_endpoint_url_bedrock_runtime",
    "api_base": "aws_endpoint_url_bedrock_runtime",
    "api_key": "aws_bearer_token_bedrock",
}
_LIMITS: Mapping[str, str] = {"tpm": "tpm", "rpm": "rpm", "max_parallel_requests": "max_concurrent"}
_OF_A_ROUTE: Mapping[str, str] = {"timeout": "timeout", "cooldown_time": "cooldown"}
_ROLE = ("aws_role_name", "aws_external_id")
_READ = frozenset(
    ["model", "custom_llm_provider", "weight", "order", "aws_region_name", *_ROLE, *_LIMITS, *_OF_A_ROUTE]
)


def carry_entries(given: object, draft: Draft, known: Known) -> None:
    """All entries; what is no model of Bedrock is told."""
    entries = cast("list[object]", given) if isinstance(given, list) else []
    shared: dict[str, dict[str, str]] = {}
    asked = 0
    for number, entry in enumerate(entries):
        where = f"model_list[{number}]"
        if not isinstance(entry, dict):
            draft.note(where, "is no mapping; left out")
            continue
        asked += _carry_entry(cast("dict[str, object]", entry), where, draft, known, shared)
    _carry_credentials(shared, asked, draft)


def _carry_entry(
    entry: Mapping[str, object], where: str, draft: Draft, known: Known, shared: dict[str, dict[str, str]]
) -> int:
    """Whether it became a target."""
    name = a_text(entry.get("model_name"))
    params = {**{key: entry[key] for key in _LIMITS if key in entry}, **mapping(entry.get("litellm_params"))}
    for key in entry.keys() - {"model_name", "litellm_params", "model_info", *_LIMITS}:
        draft.note(f"{where}.{key}", UNKNOWN)
    if not name or any(character.isspace() for character in name):
        draft.note(f"{where}.model_name", "a route's name has no spaces and is not empty; left out, rename it")
        return 0
    found = _model(params, where, draft)
    if found is None:
        return 0
    word, region = found
    if is_reference(word):
        draft.note(f"{where}.litellm_params.model", "is looked up when the gateway starts; it must then be a bare id")
    else:
        try:
            known(word, region if region and not is_reference(region) else None)
        except GatewayError as unknown:
            draft.note(f"{where}.litellm_params.model", f"{unknown.message}; left out")
            return 0
    target = TargetDraft({"model": word}, where)
    if region:
        target.values["region"] = region
    route = draft.routes.setdefault(name, RouteDraft())
    _carry_params(params, target, route, draft, shared)
    info = [key for key in mapping(entry.get("model_info")) if key not in ("id", "mode")]
    if info:
        draft.note(
            f"{where}.model_info ({', '.join(sorted(info))})",
            "sizes, abilities and prices come from the catalog; MODELS_FILE changes them",
        )
    _join(target, route, draft)
    return 1


def _model(params: Mapping[str, object], where: str, draft: Draft) -> tuple[str, str | None] | None:
    """The model's word and its region, ``None`` where it is none of Bedrock's Converse."""
    place = f"{where}.litellm_params.model"
    word = a_text(params.get("model")) or ""
    provider = a_text(params.get("custom_llm_provider"))
    head, sign, rest = word.partition("/")
    if sign and head in _PROVIDERS:
        word = rest
    elif provider not in _PROVIDERS and not is_reference(word):
        shown = word or "nothing"
        draft.note(place, f"{shown} is no model of Bedrock; left out, this gateway asks Bedrock alone")
        return None
    region = a_text(params.get("aws_region_name"))
    if "*" in word:
        draft.note(place, "a pattern is not needed: every model of Bedrock is asked by its own name or id; left out")
        return None
    if word.startswith(_OTHER_SERVICES) or "-commitment/" in word:
        draft.note(place, f"{word.partition('/')[0]} is no conversation with a model; left out")
        return None
    for way in _WAYS:
        if word.startswith(way):
            word = word[len(way) :]
            if way == "invoke/":
                draft.note(place, "invoke/ is asked through Converse here, as every model is")
    first, sign, rest = word.partition("/")
    if sign and _REGION.fullmatch(first):
        region, word = region or first, rest
    return _FAMILIES.sub("", word), region


def _carry_params(
    params: Mapping[str, object],
    target: TargetDraft,
    route: RouteDraft,
    draft: Draft,
    shared: dict[str, dict[str, str]],
) -> None:
    where = f"{target.where}.litellm_params"
    _carry_role(params, target, draft)
    for key, ours in _LIMITS.items():
        if (number := a_number(params.get(key), f"{where}.{key}", draft, least=1, whole=True)) is not None:
            target.values[ours] = number
    if (weight := a_number(params.get("weight"), f"{where}.weight", draft, least=0)) is not None:
        target.values["weight"] = weight
    order = a_number(params.get("order"), f"{where}.order", draft, least=-1_000_000, whole=True)
    if isinstance(order, str):
        draft.note(f"{where}.order", "cannot be looked up; left out, put the targets in their order")
    target.order = int(order) if isinstance(order, int | float) else None
    for key, ours in _OF_A_ROUTE.items():
        if (seconds := a_number(params.get(key), f"{where}.{key}", draft, least=0.001, most=LONGEST_S)) is not None:
            draft.offer(route.values, ours, seconds, f"{where}.{key}")
            draft.note(f"{where}.{key}", FOR_ALL_CALLS if key == "timeout" else "is the whole route's here")
    for key, setting in _CREDENTIALS.items():
        if (value := a_text(params.get(key))) is not None:
            shared.setdefault(setting, {})[target.where] = without_references(value)
    for key in params.keys() - _READ - _CREDENTIALS.keys():
        draft.note(f"{where}.{key}", DEPLOYMENT_NOTES.get(key, UNKNOWN))


def _carry_role(params: Mapping[str, object], target: TargetDraft, draft: Draft) -> None:
    role, external = [a_text(params.get(key)) for key in _ROLE]
    if role is None:
        if external is not None:
            draft.note(
                f"{target.where}.litellm_params.aws_external_id", "means nothing without aws_role_name; left out"
            )
        return
    wanted: dict[str, Value] = {"role_arn": without_references(role)}
    if external is not None:
        wanted["external_id"] = without_references(external)
    name = next((name for name, account in draft.accounts.items() if account == wanted), None)
    if name is None:
        stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", role.rpartition("/")[2]).strip("-.") or "account"
        name, number = stem, 2
        while name in draft.accounts:
            name, number = f"{stem}-{number}", number + 1
        draft.accounts[name] = wanted
    target.values["account"] = name


def _join(target: TargetDraft, route: RouteDraft, draft: Draft) -> None:
    """Adds a target; the same model, region and account is one target."""
    twin = next((each for each in route.targets if each.place == target.place), None)
    if twin is None:
        route.targets.append(target)
        return
    draft.note(
        target.where,
        f"is the same model, region and account as {twin.where}, and AWS counts one quota for both: one target here, "
        "with the larger limits and the weight of both",
    )
    for key in ("tpm", "rpm", "max_concurrent"):
        numbers = [each.values[key] for each in (twin, target) if key in each.values]
        if numbers:
            twin.values[key] = larger(numbers)
    weights = [each.values.get("weight", 1) for each in (twin, target)]
    if weights != [1, 1] and all(isinstance(weight, int | float) for weight in weights):
        twin.values["weight"] = sum(cast("list[float]", weights))


def _carry_credentials(shared: Mapping[str, Mapping[str, str]], asked: int, draft: Draft) -> None:
    """What every target has alike becomes a setting; one gateway has one way to AWS of its own, and roles beside it."""
    for setting, by_entry in shared.items():
        values = set(by_entry.values())
        if len(values) == 1 and len(by_entry) == asked:
            value = values.pop()
            if value != f"os.environ/{setting.upper()}":  # that one is read without being told
                draft.settings[setting] = value
        else:
            draft.note(
                ", ".join(f"{where}.litellm_params" for where in by_entry),
                f"{setting} is not the same for all; the gateway has one way to AWS of its own: set "
                f"{setting.upper()}, and give targets of other accounts a role (accounts)",
            )
