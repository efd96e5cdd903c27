"""What a caller asked for and cannot have: left out and named in a response header, or refused when that is wanted.

Shared by the doors of ``/v1``. Law: nothing is left out without its name being written down here.
"""

import re

from llm_gateway.domain.errors import InvalidRequest

_POSITION = re.compile(r"\[\d+\]")
_UNSENDABLE = re.compile(r"[^A-Za-z0-9_.\-]")
_LONGEST_NAME = 80
_LONGEST_HEADER = 2000


class DroppedParams:
    """The names, each once, in the order they were met. ``strict`` refuses the first one instead."""

    __slots__ = ("_names", "_strict")

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._names: dict[str, None] = {}

    def drop(self, field: str, because: str = "it is not known here") -> None:
        """Leaves ``field`` (its whole path) out.

        Raises:
            InvalidRequest: parameters are not to be dropped.
        """
        shown = field.encode("utf-8", "backslashreplace").decode()[:200]
        if self._strict:
            raise InvalidRequest(
                f"{shown} cannot be honoured: {because}; leave it out (STRICT_PARAMS=true refuses it)", field=shown
            )
        self._names[_UNSENDABLE.sub("?", _POSITION.sub("", shown))[:_LONGEST_NAME]] = None

    @property
    def header(self) -> str | None:
        """The names with commas between, as a header takes them; ``None`` when nothing was left out."""
        if not self._names:
            return None
        told = ", ".join(self._names)
        return told if len(told) <= _LONGEST_HEADER else told[:_LONGEST_HEADER].rpartition(", ")[0] + ", ..."
