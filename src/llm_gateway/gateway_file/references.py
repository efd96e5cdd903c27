"""References to the environment within a file: ``os.environ/NAME``, ``${NAME}`` and ``${NAME:-default}``.

``$${`` is a ``${`` that is none. What came from the environment is never repeated in a message.
"""

import re
from collections.abc import Mapping
from typing import cast

from llm_gateway.gateway_file.problems import Path, Problems

_WHOLE = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")
_WITHIN = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_NAMED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


class Referred(str):
    """A text that came, wholly or in part, from the environment."""

    __slots__ = ()


def filled(value: object, environ: Mapping[str, str], problems: Problems, path: Path) -> object:
    """The value with all its references replaced; what is not set is told by its name."""
    if isinstance(value, str):
        return _filled_text(value, environ, problems, path)
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [filled(item, environ, problems, (*path, at)) for at, item in enumerate(items)]
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {name: filled(member, environ, problems, (*path, name)) for name, member in members.items()}
    return value


def _filled_text(text: str, environ: Mapping[str, str], problems: Problems, path: Path) -> str:
    whole = _WHOLE.fullmatch(text)
    if whole is not None:
        return _looked_up(whole[1], None, environ, problems, path)
    if text.startswith("os.environ/"):
        problems.add(path, "names no variable after os.environ/; write os.environ/NAME")
        return Referred()
    referred = False

    def replaced(found: re.Match[str]) -> str:
        nonlocal referred
        if found[0] == "$${":
            return "${"
        referred = True
        named = _NAMED.fullmatch(found[1])
        if named is None:
            problems.add(path, "names no variable between ${ and }; write ${NAME} or ${NAME:-default}")
            return ""
        return _looked_up(named[1], named[2], environ, problems, path)

    result = _WITHIN.sub(replaced, text)
    return Referred(result) if referred else result


def _looked_up(name: str, default: str | None, environ: Mapping[str, str], problems: Problems, path: Path) -> Referred:
    given = environ.get(name) or default
    if given is None:
        problems.add(path, f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
        return Referred()
    return Referred(given)
