"""How the way of a request is told, wherever it is: a mapping of JSON values.

``route`` (``None`` for a model asked by its name), ``target`` and ``model`` that answered, ``why`` the first of the
``candidates`` was first, ``attempts`` (each with ``target``, ``outcome``, ``ms``, and ``error`` where it failed); where
there is something to say ``stands_in_for``, ``passed_over`` (each with its ``reason``) and ``waited_ms``.
"""

from collections.abc import Mapping, Sequence
from typing import cast

WayTold = Mapping[str, object]


def is_plain(way: WayTold | None) -> bool:
    """Whether there is nothing to tell: one model asked by its name, once."""
    if way is None:
        return True
    return way["route"] is None and len(_attempts(way)) < 2 and not way.get("passed_over")


def wordless(way: WayTold) -> dict[str, object]:
    """Without the words of errors, which may repeat a piece of what was asked: for logs and books."""
    attempts = [{name: value for name, value in each.items() if name != "error"} for each in _attempts(way)]
    return {**way, "attempts": attempts}


def _attempts(way: WayTold) -> Sequence[Mapping[str, object]]:
    return cast("Sequence[Mapping[str, object]]", way["attempts"])
