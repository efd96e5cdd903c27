"""``router_settings``, ``general_settings``, ``litellm_settings`` and the rest of LiteLLM's configuration."""

from collections.abc import Callable, Mapping
from urllib.parse import quote

from llm_gateway.domain.routes import MOST_ATTEMPTS
from llm_gateway.litellm_import.draft import Draft
from llm_gateway.litellm_import.section_notes import GENERAL_NOTES, LITELLM_NOTES, ROUTER_NOTES, TOP_NOTES
from llm_gateway.litellm_import.words import (
    FOR_ALL_CALLS,
    LONGEST_S,
    UNKNOWN,
    a_flag,
    a_number,
    a_text,
    is_reference,
    mapping,
    within,
    without_references,
)

Carry = Callable[[object, str, Draft], None]
STRATEGIES: Mapping[str, str] = {
    "simple-shuffle": "weighted",
    "least-busy": "least-busy",
    "usage-based-routing": "usage",
    "usage-based-routing-v2": "usage",
    "latency-based-routing": "latency",
    "cost-based-routing": "cheapest",
}
_MORE_FAILS = (
    "LiteLLM rests a deployment after more failures than that within a minute; here so many in a row open a target's "
    "breaker, throttles never do"
)
_MASTER = (
    "opens /admin here and asks no model: callers get keys of their own (llm-gateway keys create), since those that "
    "LiteLLM gave out stay in its tables"
)
_DATABASE = (
    "holds tables of this gateway's own (the extra postgres brings its driver); LiteLLM's keys, teams and spend are "
    "not taken over"
)
_PARALLEL = (
    "LiteLLM counts for each deployment, max_concurrent_requests for the whole gateway; max_concurrent is a target's"
)


def carry_sections(values: Mapping[str, object], draft: Draft) -> None:
    """All but ``model_list`` and fallbacks, the router's word before the others'."""
    sections: tuple[tuple[str, Mapping[str, Carry], Mapping[str, str]], ...] = (
        ("router_settings", _ROUTER, ROUTER_NOTES),
        ("general_settings", _GENERAL, GENERAL_NOTES),
        ("litellm_settings", _LITELLM, LITELLM_NOTES),
    )
    for section, carried, notes in sections:
        for key, value in mapping(values.get(section)).items():
            where = f"{section}.{key}"
            if key in carried:
                carried[key](value, where, draft)
            elif key not in _ELSEWHERE[section]:
                draft.note(where, notes.get(key, UNKNOWN))
    _carry_variables(mapping(values.get("environment_variables")), draft)
    known = {"model_list", "environment_variables", *[section for section, _, _ in sections]}
    for key in values.keys() - known:
        draft.note(key, TOP_NOTES.get(key, UNKNOWN))
    if "cache_enabled" not in draft.settings:
        draft.settings["cache_enabled"] = "false"  # LiteLLM keeps no answers unless it is told to


def _seconds(key: str) -> Carry:
    def carry(value: object, where: str, draft: Draft) -> None:
        if (seconds := a_number(value, where, draft, least=0.001, most=LONGEST_S)) is not None:
            draft.offer(draft.defaults, key, seconds, where)
            if key == "timeout":
                draft.note(where, FOR_ALL_CALLS)

    return carry


def _setting(key: str, *, least: float = 1, whole: bool = True, said: str | None = None) -> Carry:
    def carry(value: object, where: str, draft: Draft) -> None:
        if (number := a_number(value, where, draft, least=least, whole=whole)) is not None:
            draft.offer(draft.settings, key, str(number), where)
            if said is not None:
                draft.note(where, said)

    return carry


def _secret(key: str, said: str) -> Carry:
    def carry(value: object, where: str, draft: Draft) -> None:
        text = a_text(value)
        if text is None:
            return
        draft.settings[key] = without_references(text)
        draft.note(where, said)
        if not is_reference(text):
            draft.note(where, "is a secret in clear; better write os.environ/NAME, and set that variable")

    return carry


def _flag(key: str, if_true: str | None, if_false: str | None) -> Carry:
    """A setting for each of true and false; ``None``: the gateway's own way."""

    def carry(value: object, where: str, draft: Draft) -> None:
        flag = a_flag(value)
        if flag is None:
            draft.note(where, "must be true or false; left out")
        elif (text := if_true if flag else if_false) is not None:
            draft.offer(draft.settings, key, text, where)

    return carry


def _carry_strategy(value: object, where: str, draft: Draft) -> None:
    ours = STRATEGIES.get(str(value))
    if ours is None:
        draft.note(where, "is none of LiteLLM's own strategies; weighted takes its place, as simple-shuffle would")
    draft.defaults["strategy"] = ours or "weighted"


def _carry_retries(value: object, where: str, draft: Draft) -> None:
    retries = a_number(value, where, draft, least=0, whole=True)
    if isinstance(retries, str):
        draft.note(where, "cannot be looked up: attempts are retries and the first call; set attempts under defaults")
    elif retries is not None:
        attempts = int(min(retries + 1, MOST_ATTEMPTS))
        if retries + 1 > MOST_ATTEMPTS:
            draft.note(
                where,
                f"{retries} retries are {retries + 1} calls; this gateway makes at most {MOST_ATTEMPTS} for a request, "
                f"over all its targets and stand-ins: attempts: {MOST_ATTEMPTS}",
            )
        draft.offer(draft.defaults, "attempts", attempts, where)


def _carry_fails(value: object, where: str, draft: Draft) -> None:
    fails = a_number(value, where, draft, least=0, most=10_000, whole=True)
    if fails is not None:
        draft.offer(draft.defaults, "allowed_fails", fails if isinstance(fails, str) else max(int(fails), 1), where)
        draft.note(where, _MORE_FAILS)


def _carry_megabytes(value: object, where: str, draft: Draft) -> None:
    size = a_number(value, where, draft, least=0.001, most=1_000)
    if isinstance(size, int | float):
        draft.settings["max_body_bytes"] = str(int(size * 1_048_576))


def _carry_cache_params(value: object, where: str, draft: Draft) -> None:
    params = mapping(value)
    kinds = {"local": "memory", "redis": "redis", "disk": "sqlite"}
    kind = str(params.get("type", "redis"))
    if kind in kinds:
        draft.settings["cache_tier"] = kinds[kind]
    else:
        draft.note(f"{where}.type", f"{kind} is no place for answers here; CACHE_TIER takes memory, sqlite and redis")
    if (seconds := a_number(params.get("ttl"), f"{where}.ttl", draft, least=0.001)) is not None:
        draft.settings["cache_ttl"] = str(seconds)
    carry_redis({key: params[key] for key in ("host", "port", "password", "url", "ssl") if key in params}, where, draft)
    if params.get("mode") == "default_off":
        draft.note(f"{where}.mode", "answers are kept unless a request says otherwise (its cache parameter)")
    for key in params.keys() - {"type", "ttl", "host", "port", "password", "url", "ssl", "mode"}:
        draft.note(f"{where}.{key}", "has no counterpart; left out")


def carry_redis(params: Mapping[str, object], where: str, draft: Draft) -> None:
    """One address out of LiteLLM's parts of it."""
    url = a_text(params.get("url"))
    host = a_text(params.get("host"))
    if url is None and host is None:
        return
    if url is None and host is not None:
        password = a_text(params.get("password"))
        scheme = "rediss" if a_flag(params.get("ssl")) else "redis"
        port = within(str(params.get("port") or 6379))
        user = ""
        if password is not None:
            user = f":{within(password) if is_reference(password) else quote(password, safe='')}@"
            draft.note(f"{where}.password", "in redis_url it has %2F for /, %23 for #, %40 for @ and %3A for :")
        url = f"{scheme}://{user}{within(host)}:{port}"
    else:
        url = without_references(url or "")
    if draft.settings.setdefault("redis_url", url) != url:
        draft.note(where, "names another Redis than the rest of the file; this one is left out")


def _carry_variables(variables: Mapping[str, object], draft: Draft) -> None:
    from llm_gateway.settings import Settings

    for name, value in variables.items():
        where, setting = f"environment_variables.{name}", name.lower()
        if setting in Settings.model_fields and setting != "gateway_file" and value is not None:
            draft.settings.setdefault(setting, without_references(str(value)))
        else:
            draft.note(where, f"a file sets no variable here: set {name} in the environment, or in .env")


def _noted_if(flag: bool, said: str) -> Carry:
    def carry(value: object, where: str, draft: Draft) -> None:
        if a_flag(value) is flag:
            draft.note(where, said)

    return carry


_DEBUG = _flag("log_level", "DEBUG", None)
_ROUTER: Mapping[str, Carry] = {
    "routing_strategy": _carry_strategy,
    "num_retries": _carry_retries,
    "timeout": _seconds("timeout"),
    "allowed_fails": _carry_fails,
    "cooldown_time": _seconds("cooldown"),
    "set_verbose": _DEBUG,
    "cache_responses": _flag("cache_enabled", "true", "false"),
    "enable_pre_call_checks": _noted_if(
        False, "a model is never sent what it cannot take; there is no way to turn that off"
    ),
    "redis_url": lambda value, where, draft: carry_redis({"url": value}, where, draft),
}
_GENERAL: Mapping[str, Carry] = {
    "master_key": _secret("admin_api_key", _MASTER),
    "database_url": _secret("database_url", _DATABASE),
    "global_max_parallel_requests": _setting("max_concurrent_requests"),
    "max_parallel_requests": _setting("max_concurrent_requests", said=_PARALLEL),
    "request_timeout": _seconds("timeout"),
    "max_request_size_mb": _carry_megabytes,
}
_LITELLM: Mapping[str, Carry] = {
    "drop_params": _flag("strict_params", "false", "true"),
    "json_logs": _flag("log_format", "json", None),
    "set_verbose": _DEBUG,
    "num_retries": _carry_retries,
    "request_timeout": _seconds("timeout"),
    "allowed_fails": _carry_fails,
    "cooldown_time": _seconds("cooldown"),
    "cache": _flag("cache_enabled", "true", "false"),
    "cache_params": _carry_cache_params,
    "turn_off_message_logging": _flag("log_prompts", "false", None),
}
_FALLBACKS = ("fallbacks", "context_window_fallbacks", "default_fallbacks")
_ELSEWHERE: Mapping[str, frozenset[str]] = {
    "router_settings": frozenset(
        [
            *(*_FALLBACKS, "model_group_alias", "default_max_parallel_requests"),
            *("redis_host", "redis_port", "redis_password", "redis_ssl"),
        ]
    ),
    "general_settings": frozenset(),
    "litellm_settings": frozenset(_FALLBACKS),
}
