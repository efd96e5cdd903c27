"""The draft as the text of a gateway file, with its notes as comments at the head."""

import re
from collections.abc import Iterable, Mapping
from textwrap import wrap

import orjson

from llm_gateway.gateway_file.plain_values import plain_value
from llm_gateway.litellm_import.draft import Draft, Value

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./@-]*(?::[A-Za-z0-9_./@-]+)*")
_WIDTH = 120
_ORDER = ("strategy", "attempts", "timeout", "allowed_fails", "cooldown", "max_wait", "fallbacks", "context_fallbacks")


def written(draft: Draft, source: str) -> str:
    """The file's text. ``source`` is the name of LiteLLM's."""
    lines = [
        f"# Made of {source} by `llm-gateway import litellm`. Name this file in GATEWAY_FILE.",
        "# docs/gateway-file.md tells every key, `llm-gateway routes --check` whether all is well.",
    ]
    if draft.notes:
        lines += ["#", "# Not as it was, and what to do instead:"]
        for note in draft.notes:
            lines += wrap(
                note,
                _WIDTH,
                initial_indent="# - ",
                subsequent_indent="#   ",
                break_long_words=False,
                break_on_hyphens=False,
            )
    if draft.settings:
        lines += ["", "settings:", *[f"  {key}: {_setting(value)}" for key, value in sorted(draft.settings.items())]]
    if draft.accounts:
        lines += [
            "",
            "accounts:",
            *[f"  {_scalar(name)}: {_flow(account)}" for name, account in draft.accounts.items()],
        ]
    if draft.defaults:
        lines += ["", "defaults:", *[f"  {line}" for line in _members(draft.defaults)]]
    if draft.routes:
        lines += ["", "routes:"]
        for name, route in draft.routes.items():
            lines += [f"  {_scalar(name)}:", "    targets:"]
            lines += [f"      - {_flow(target.values)}" for target in route.targets]
            lines += [f"    {line}" for line in _members(route.values)]
    return "\n".join(lines) + "\n"


def _members(values: Mapping[str, Value]) -> Iterable[str]:
    return [f"{key}: {_flow(values[key])}" for key in sorted(values, key=_ORDER.index)]


def _setting(value: Value) -> str:
    """Settings are texts; one that reads as a number or a boolean needs no quotes there."""
    text = str(value)
    return text if text in ("true", "false") or isinstance(plain_value(text), int | float) else _scalar(text)


def _flow(value: object) -> str:
    if isinstance(value, Mapping):
        members: Mapping[str, object] = value  # pyright: ignore[reportUnknownVariableType]
        return "{" + ", ".join(f"{key}: {_flow(member)}" for key, member in members.items()) + "}"
    if isinstance(value, list):
        items: list[object] = value  # pyright: ignore[reportUnknownVariableType]
        return "[" + ", ".join(_flow(item) for item in items) + "]"
    return _scalar(value)


def _scalar(value: object) -> str:
    if not isinstance(value, str):
        return str(value)
    if _PLAIN.fullmatch(value) and isinstance(plain_value(value), str):
        return value
    quoted = orjson.dumps(value).decode()
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)  # YAML has line breaks of its own
