"""A YAML or TOML file as plain values, and the line of each."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import cast

from llm_gateway.gateway_file.problems import Path, Problems, refusal, short

MOST_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Document:
    """A file read. ``file`` is its name as it was given; settings are texts as they were written, as in the
    environment, where ``off`` is a word."""

    file: str
    values: dict[str, object]
    lines: Mapping[Path, int]

    def problems(self) -> Problems:
        """A fresh collection of what is wrong with it."""
        return Problems(self.file, self.lines)


def read_document(path: FilePath) -> Document:
    """The file's values.

    Raises:
        GatewayFileError: it cannot be read, is too large, or is neither YAML nor TOML.
    """
    file = str(path)
    ending = path.suffix.lower()
    if ending not in (".yaml", ".yml", ".toml"):
        raise refusal(file, None, "its name must end in .yaml, .yml or .toml")
    text = _text(path)
    return parse_toml(file, text) if ending == ".toml" else parse_yaml(file, text)


def _text(path: FilePath) -> str:
    try:
        with path.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise refusal(str(path), None, f"is larger than {MOST_BYTES} bytes")
        return content.decode("utf-8-sig")
    except OSError as fault:
        raise refusal(str(path), None, f"cannot be read ({fault.strerror})") from fault
    except UnicodeDecodeError as fault:
        raise refusal(str(path), None, f"is no UTF-8 text (byte {fault.start})") from None


def parse_toml(file: str, text: str) -> Document:
    """A TOML text. Raises GatewayFileError."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        found = re.search(r"(.*) \(at line (\d+)", str(fault))
        said, line = (found[1], int(found[2])) if found else (str(fault), None)
        raise refusal(file, line, f"is no TOML: {short(said)}") from None
    except RecursionError:
        raise refusal(file, None, "is nested too deeply") from None
    from llm_gateway.gateway_file.toml_lines import toml_lines

    settings = values.get("settings")
    if isinstance(settings, dict):
        values["settings"] = {name: _as_text(value) for name, value in cast("dict[str, object]", settings).items()}
    return Document(file, values, toml_lines(text))


def _as_text(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def parse_yaml(file: str, text: str) -> Document:
    """A YAML text. Raises GatewayFileError."""
    from llm_gateway.gateway_file.yaml_values import yaml_values

    values, lines = yaml_values(file, text)
    if values is None:
        return Document(file, {}, {})
    if not isinstance(values, dict):
        raise refusal(file, 1, "must be a mapping of keys to values")
    return Document(file, cast("dict[str, object]", values), lines)
