"""The way of a request as a header. Pure."""

import orjson

from llm_gateway.domain.ways import WayTold, wordless

_TOLD = ("route", "target", "why", "attempts", "stands_in_for", "waited_ms")
_LONGEST = 4_000


def route_header(way: WayTold | None) -> list[tuple[bytes, bytes]]:
    """``x-llm-gateway-route``: JSON of ASCII, without the words of errors."""
    if way is None:
        return []
    told = wordless(way)
    brief = {name: told[name] for name in _TOLD if name in told}
    written = orjson.dumps(brief)
    if not written.isascii():  # a name from the file
        written = orjson.dumps({**brief, "route": ascii(way["route"])[1:-1]})
    return [(b"x-llm-gateway-route", written)] if len(written) <= _LONGEST else []
