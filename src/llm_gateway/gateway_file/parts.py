"""The parts of a gateway file held to their shape, each by itself, so that all that is wrong is told at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from llm_gateway.gateway_file.document import Document
from llm_gateway.gateway_file.problems import Path, Problems, closest, short
from llm_gateway.gateway_file.references import Referred, filled
from llm_gateway.gateway_file.shape import (
    TOP,
    WORDS,
    AccountShape,
    DefaultsShape,
    RouteShape,
    TargetShape,
)

Shape = TypeVar("Shape", bound=BaseModel)
_LONGEST_NAME = 200
_HIDDEN = ("external_id",)


@dataclass(frozen=True, slots=True)
class Parts:
    """What of a file has its shape. ``told`` are the names of routes and accounts that stand there, sound or not."""

    accounts: Mapping[str, AccountShape]
    defaults: DefaultsShape
    routes: Mapping[str, RouteShape]
    told_accounts: Sequence[str]
    told_routes: Sequence[str]


def read_parts(document: Document, environ: Mapping[str, str], problems: Problems) -> Parts:
    """The parts but for ``settings``; what is wrong is added to ``problems``."""
    values = document.values
    for key in values.keys() - set(TOP):
        problems.add((key,), f"there is no such key{closest(key, TOP)}")
    accounts = _mapping(values, "accounts", problems)
    routes = _mapping(values, "routes", problems)
    defaults = _mapping(values, "defaults", problems)

    def read(shape: type[Shape], given: object, path: Path) -> Shape | None:
        return _read(shape, filled(given, environ, problems, path), path, problems)

    sound_accounts = {name: read(AccountShape, given, ("accounts", name)) for name, given in accounts.items()}
    sound_routes = {
        name: read(RouteShape, _with_long_targets(given), ("routes", name)) for name, given in routes.items()
    }
    _check_names(routes, problems)
    return Parts(
        accounts={name: account for name, account in sound_accounts.items() if account is not None},
        defaults=read(DefaultsShape, defaults, ("defaults",)) or DefaultsShape(),
        routes={name: route for name, route in sound_routes.items() if route is not None},
        told_accounts=tuple(accounts),
        told_routes=tuple(routes),
    )


def _mapping(values: Mapping[str, object], key: str, problems: Problems) -> dict[str, object]:
    given = values.get(key)
    if given is None:
        return {}
    if not isinstance(given, dict):
        problems.add((key,), f"must be {WORDS[key]}")
        return {}
    return cast("dict[str, object]", given)


def _with_long_targets(given: object) -> object:
    """A target that is a mere name stands for its model."""
    if not isinstance(given, dict):
        return given
    route = cast("dict[str, object]", given)
    targets = route.get("targets")
    if not isinstance(targets, list):
        return route
    items = cast("list[object]", targets)
    return {**route, "targets": [{"model": item} if isinstance(item, str) else item for item in items]}


def _check_names(routes: Mapping[str, object], problems: Problems) -> None:
    seen: dict[str, str] = {}
    for name in routes:
        path = ("routes", name)
        if not name or len(name) > _LONGEST_NAME or not name.isprintable() or " " in name:
            problems.add(path, f"the name of a route has 1 to {_LONGEST_NAME} characters and no spaces")
        other = seen.setdefault(name.lower(), name)
        if other != name:
            problems.add(path, f"differs from the route {short(other)} in upper and lower case only; rename one")


def _read(shape: type[Shape], given: object, path: Path, problems: Problems) -> Shape | None:
    if not isinstance(given, dict):
        problems.add(path, f"must be a mapping with {', '.join(shape.model_fields)}")
        return None
    members = cast("dict[str, object]", given)
    blamed = {problem.path for problem in problems.found}
    try:
        return shape.model_validate(members)
    except ValidationError as refused:
        wrongs = refused.errors(include_url=False, include_context=False)
    for wrong in wrongs:
        at: Path = (*path, *[part for part in wrong["loc"] if part != "[key]"])
        if at not in blamed:
            problems.add(at, _said(shape, wrong["type"], tuple(wrong["loc"]), _found(members, wrong["loc"])))
    try:  # the rest of it is looked at too, so that nothing is told only after this is mended
        return shape.model_validate(_pruned(members, [tuple(wrong["loc"]) for wrong in wrongs]))
    except ValidationError:
        return None


def _found(given: Any, loc: Sequence[str | int]) -> object:
    """What stands there; ``None`` where nothing does."""
    for part in loc:
        try:
            given = given[part]
        except (KeyError, IndexError, TypeError):
            return None
    return given


def _pruned(given: object, wrong: Sequence[Path], path: Path = ()) -> object:
    """Without what is wrong within mappings."""
    if isinstance(given, dict):
        members = cast("dict[str, object]", given)
        return {
            name: _pruned(member, wrong, (*path, name))
            for name, member in members.items()
            if (*path, name) not in wrong
        }
    if isinstance(given, list):
        return [_pruned(item, wrong, (*path, at)) for at, item in enumerate(cast("list[object]", given))]
    return given


def _said(shape: type[BaseModel], kind: str, loc: Path, given: Any) -> str:
    key = next((part for part in reversed(loc) if isinstance(part, str)), "")
    if kind == "extra_forbidden":
        known = list(TargetShape.model_fields if "targets" in loc[:1] and len(loc) > 1 else shape.model_fields)
        return f"there is no such key{closest(key, known)}"
    words = WORDS.get(key, "something else")
    if kind == "missing":
        return f"is missing; it is {words}"
    if loc and isinstance(loc[-1], int) and key == "targets":
        return "must be a model's name, or a mapping with model"
    if key in _HIDDEN or isinstance(given, Referred | dict | list) or given is None:
        return f"must be {words}"
    return f"is {_shown(given)}; it must be {words}"


def _shown(given: object) -> str:
    if isinstance(given, bool):
        return str(given).lower()
    return f"{short(given)!r}" if isinstance(given, str) else short(str(given))
