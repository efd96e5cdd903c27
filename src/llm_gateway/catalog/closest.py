"""Which names somebody may have meant. Pure; for error messages, not for choosing a model."""

import re
from collections.abc import Mapping
from difflib import SequenceMatcher

_LONGEST = 64
_FLOOR = 0.6
_VENDOR = re.compile(r"^(?:(?:us-gov|[a-z]{2}|apac|global)\.)?(?:[a-z]{3,}|ai21)\.(?=[a-z])")
_VERSION = re.compile(r"(-v\d+)?(:\d+)?$")
_BREAK = re.compile(r"[^a-z0-9]+|(?<=[a-z])(?=\d)")


def closest(word: str, names: Mapping[str, float], n: int = 3) -> tuple[str, ...]:
    """The ``n`` likeliest names, best first; fewer, or none, where nothing is alike.

    ``names`` gives each name a handicap, taken from its likeness: what is going out of use should be named last.
    """
    asked = _plain(word)
    if not asked:
        return ()
    scored = [
        (_likeness(asked, _plain(name)) - handicap, -place, name)
        for place, (name, handicap) in enumerate(names.items())
    ]
    best = sorted((entry for entry in scored if entry[0] >= _FLOOR), reverse=True)
    return tuple(name for _, _, name in best[:n])


def _plain(word: str) -> str:
    """``us.amazon.Nova_Pro-v1:0`` as ``nova-pro``, ``llama3`` as ``llama-3``."""
    lowered = word[:_LONGEST].strip().lower()
    bare = _VERSION.sub("", _VENDOR.sub("", lowered)) or lowered
    return "-".join(part for part in _BREAK.split(bare) if part)


def _likeness(asked: str, name: str) -> float:
    """0 to about 1.8: how many letters run alike, plus shared words, plus a shared beginning."""
    parts, name_parts = asked.split("-"), name.split("-")
    words = {part for part in parts if not part.isdigit()}
    shared = words & set(name_parts)
    whole = 0.3 if words and shared == words else 0.0
    begins = 0.2 if name.startswith(asked) else 0.1 if parts[0] == name_parts[0] else 0.0
    alike = SequenceMatcher(None, asked, name, autojunk=False).ratio()
    return alike + 0.4 * len(shared) / max(len(parts), len(name_parts)) + whole + begins
