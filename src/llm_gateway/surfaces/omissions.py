"""Parameters that are not honoured: dropped and told in a header, or refused when STRICT_PARAMS is set."""

import re
from collections.abc import Iterable

from llm_gateway.domain.errors import InvalidRequest

_UNSAFE = re.compile(r"[^A-Za-z0-9_.\-\[\]]")
_MOST_TOLD = 32
_LONGEST = 64


class Omissions:
    """Collects them, each once, while one request is decoded."""

    __slots__ = ("_names", "_strict")

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._names: dict[str, None] = {}

    def drop(self, name: str, *, field: str | None = None) -> None:
        """``name`` is what the header tells, ``field`` the exact place.

        Raises:
            InvalidRequest: nothing may be dropped.
        """
        if self._strict:
            where = (field or name)[:200]
            raise InvalidRequest(
                f"{where!r} cannot be honoured here; leave it out, or set STRICT_PARAMS=false to have it dropped",
                field=where,
            )
        self._names[name] = None

    def drop_all(self, names: Iterable[str], *, inside: str = "", field: str = "") -> None:
        """Members nobody reads; ``inside`` goes before their names in the header, ``field`` is the exact place."""
        for name in sorted(names):
            self.drop(f"{inside}{name}", field=f"{field}.{name}" if field else name)

    def header(self) -> bytes:
        """The names as a header's value; empty when nothing was dropped."""
        if not self._names:
            return b""
        told = [_UNSAFE.sub("_", name[:_LONGEST]) for name in list(self._names)[:_MOST_TOLD]]
        return ", ".join(told).encode("ascii")
