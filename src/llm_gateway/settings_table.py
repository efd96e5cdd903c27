"""The settings as a person reads them: what each means, and the values in force."""

from dataclasses import dataclass

from pydantic import SecretStr

from llm_gateway.settings import Settings, allowed_words


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as a person reads it."""

    variable: str
    default: str
    meaning: str
    allowed: str


def describe_settings() -> list[SettingRow]:
    """All settings in the order of their importance, for ``llm-gateway settings`` and the README."""
    rows: list[SettingRow] = []
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = "" if default is None or default == () else str(default)
        shown = shown.lower() if isinstance(default, bool) else shown
        allowed = allowed_words(field).removeprefix("must be ").removeprefix("one of ")
        rows.append(SettingRow(name.upper(), shown, field.description or "", allowed))
    return rows


def shown_values(settings: Settings) -> dict[str, str]:
    """The values in force, by variable; secrets as ``(set)``."""
    values: dict[str, str] = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            values[name.upper()] = "(set)"
        elif isinstance(value, bool):
            values[name.upper()] = str(value).lower()
        elif name in ("allowed_hosts", "allowed_origins", "fetch_hosts"):
            values[name.upper()] = ",".join(value)
        else:
            values[name.upper()] = "" if value is None else str(value)
    return values
