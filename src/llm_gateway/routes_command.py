"""``llm-gateway routes``: the routes of a running gateway and how their targets are; or those of a file, checked."""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from llm_gateway.domain.errors import ConfigurationError
from llm_gateway.domain.routes import Route, Target
from llm_gateway.route_desk import FileContent, read_file
from llm_gateway.settings import Settings, load_settings
from llm_gateway.usage_command import write_rows

Json = dict[str, object]
_COLUMNS = ("route", "strategy", "target", "breaker", "under_way", "tpm", "rpm", "first_token")
_WAIT_S = 10.0
_REFUSED = {
    401: "it wants the key of /admin: --key, or ADMIN_API_KEY",
    404: "it has no /admin/routes; start it with ADMIN_API_KEY",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--check", metavar="FILE", type=Path, help="check a gateway file, and say all that is wrong")
    parser.add_argument("--url", help="where the gateway listens (as LLM_GATEWAY_HOST and LLM_GATEWAY_PORT say)")
    parser.add_argument("--key", help="key of /admin (ADMIN_API_KEY)")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    """0 where there is something to show, or the file is fine.

    Raises:
        ConfigurationError: the file is wrong, or the gateway answers otherwise than expected.
    """
    if args.check is not None:
        return _check(args.check)
    settings = load_settings()
    url = (args.url or _address(settings)).rstrip("/")
    key = args.key or (settings.admin_api_key.get_secret_value() if settings.admin_api_key else "")
    told = asyncio.run(_ask(url, key))
    if told is None and args.url is not None:
        raise ConfigurationError(f"--url {url}: no gateway answers there")
    if told is None and settings.gateway_file is None:
        raise ConfigurationError(f"no gateway runs at {url}, and GATEWAY_FILE names no file")
    running = told is not None
    shown = told if told is not None else _as_told(read_file(settings))
    if args.json:
        sys.stdout.write(json.dumps({"running": running, **shown}, indent=2) + "\n")
        return 0
    sys.stdout.write(f"{url}\n" if running else f"{settings.gateway_file} (not running)\n")
    _print(shown)
    return 0


def _check(file: Path) -> int:
    try:
        settings = load_settings(gateway_file=file)
    except ConfigurationError:
        settings = load_settings(gateway_file=None)  # what is wrong with the file's settings is told with all the rest
    content = read_file(settings.model_copy(update={"gateway_file": file}))
    targets = sum(len(route.targets) for route in content.table.routes.values())
    counts = {"route": len(content.table.routes), "target": targets, "setting": len(content.settings)}
    told = ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for word, count in counts.items())
    sys.stdout.write(f"{file}: fine: {told}\n")
    return 0


def _address(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.llm_gateway_host, settings.llm_gateway_host)  # noqa: S104
    return (
        f"http://[{host}]:{settings.llm_gateway_port}" if ":" in host else f"http://{host}:{settings.llm_gateway_port}"
    )


async def _ask(url: str, key: str) -> Json | None:
    """What the gateway tells, ``None`` where none answers."""
    import aiohttp

    headers = {"X-Admin-API-Key": key} if key else {}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_WAIT_S)) as session,
            session.get(f"{url}/admin/routes", headers=headers) as response,
        ):
            if response.status != 200:
                mend = _REFUSED.get(response.status, "look whether a gateway listens there")
                raise ConfigurationError(f"{url}: answered {response.status}; {mend}")
            return cast("Json", await response.json())
    except aiohttp.ClientConnectorError:
        return None
    except (aiohttp.ClientError, TimeoutError, ValueError) as wrong:
        raise ConfigurationError(f"{url}: gives no answer of a gateway ({type(wrong).__name__})") from wrong


def _as_told(content: FileContent) -> Json:
    """The routes of a file in the form in which a gateway tells its own."""
    targets: dict[str, Json] = {}

    def shown(target: Target) -> str:
        place, limits = target.place, target.limits
        account = "" if place.account is None else f"/{place.account.name}"
        key = f"{target.model}@{place.region or ''}{account}" if place.region or account else target.model
        targets[key] = {"quota": {"tpm": limits.tpm, "rpm": limits.rpm, "max_concurrent": limits.concurrent}}
        return key

    def told(route: Route) -> Json:
        return {
            "strategy": route.strategy,
            "targets": [shown(target) for target in route.targets],
            "fallbacks": list(route.fallbacks),
            "context_fallbacks": list(route.context_fallbacks),
        }

    return {"routes": {name: told(route) for name, route in content.table.routes.items()}, "targets": targets}


def _print(shown: Json) -> None:
    routes = cast("Mapping[str, Mapping[str, object]]", shown["routes"])
    targets = cast("Mapping[str, Mapping[str, object]]", shown["targets"])
    rows: list[Json] = []
    for name, route in routes.items():
        for at, key in enumerate(cast("list[str]", route["targets"])):
            first = at == 0
            rows.append({"route": name if first else "", "strategy": route["strategy"] if first else ""})
            rows[-1] |= {"target": key, **_state(targets.get(key, {}))}
        if route.get("error"):
            rows.append({"route": name, "strategy": route["strategy"], "target": route["error"], **_state({})})
        for kind, word in (("fallbacks", "on error"), ("context_fallbacks", "when too long")):
            if names := cast("list[str]", route.get(kind) or []):
                rows.append({"route": "", "strategy": word, "target": ", ".join(names), **_state({})})
    alone = [key for key in targets if not any(key in cast("list[str]", route["targets"]) for route in routes.values())]
    rows += [{"route": "(by name)", "strategy": "", "target": key, **_state(targets[key])} for key in alone]
    for row in rows:
        row |= {name: row[name] or " " for name in ("route", "strategy")}
    if rows:
        write_rows(rows, _COLUMNS, "table", shown, words=4)
    else:
        sys.stdout.write("no routes; models are asked by their own names\n")


def _state(target: Mapping[str, object]) -> Json:
    quota = cast("Mapping[str, object]", target.get("quota") or {})
    first = target.get("first_token_ms")
    breaker = str(target.get("breaker") or "")
    if target.get("cooling_s"):
        breaker = f"{breaker}, cools for {target['cooling_s']} s"
    elif target.get("reopens_in_s"):
        breaker = f"{breaker} for {target['reopens_in_s']} s ({target.get('last_error')})"
    return {
        "breaker": breaker,
        "under_way": target.get("in_flight"),
        "tpm": _left(quota, "tpm"),
        "rpm": _left(quota, "rpm"),
        "first_token": None if first is None else f"{first} ms",
    }


def _left(quota: Mapping[str, object], limit: str) -> str | None:
    if quota.get(limit) is None:
        return None
    left = quota.get(f"{limit}_left")
    return str(quota[limit]) if left is None else f"{left} of {quota[limit]}"
