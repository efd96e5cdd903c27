"""The settings that a gateway file gives: below the environment and ``.env``, above the defaults."""

from collections.abc import Collection, Mapping
from pathlib import Path as FilePath
from typing import cast

from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource

from llm_gateway.gateway_file.document import Document
from llm_gateway.gateway_file.problems import Problems, closest
from llm_gateway.gateway_file.references import filled

SELF = "gateway_file"


def set_above(kind: type[BaseSettings], env_file: FilePath | None) -> dict[str, object]:
    """What the environment and ``env_file`` set, by the names of the settings.

    Raises:
        OSError, UnicodeDecodeError: ``env_file`` cannot be read.
    """
    return {**DotEnvSettingsSource(kind, env_file=env_file)(), **EnvSettingsSource(kind)()}


def known_words(kind: type[BaseSettings], env_file: FilePath | None, environ: Mapping[str, str]) -> dict[str, str]:
    """What references of a file may name: the variables of ``env_file``, and above them the environment's."""
    kept = DotEnvSettingsSource(kind, env_file=env_file, case_sensitive=True).env_vars
    return {**{name: value for name, value in kept.items() if value}, **environ}


def settings_of(
    document: Document,
    environ: Mapping[str, str],
    known: Collection[str],
    problems: Problems,
    *,
    without: Collection[str] = (),
) -> dict[str, object]:
    """The settings of a file but for those set above it; what is wrong is added to ``problems``."""
    given = document.values.get("settings")
    if given is None:
        return {}
    if not isinstance(given, dict):
        problems.add(("settings",), "must be a mapping of settings to their values")
        return {}
    found: dict[str, object] = {}
    names = [name for name in known if name != SELF]
    for name, value in cast("dict[str, object]", given).items():
        path = ("settings", name)
        if name == SELF:
            problems.add(path, "cannot stand in the file itself; set GATEWAY_FILE in the environment")
        elif name not in names:
            mend = f"; write {name.lower()}" if name.lower() in names else closest(name, names)
            problems.add(path, f"there is no such setting{mend}")
        elif value is not None and name not in without:
            plain = filled(value, environ, problems, path)
            if isinstance(plain, list) and all(isinstance(item, str) for item in cast("list[object]", plain)):
                plain = ",".join(cast("list[str]", plain))
            if not isinstance(plain, str):
                problems.add(path, "must be one value, or a list of texts")
            elif plain:
                found[name] = plain
    return found
