"""Headers over HTTP: what a caller wants of the cache, what a call cost, when and whether to ask again. Pure.

Shared by the doors of ``/v1``.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from math import ceil

from starlette.types import Scope

from llm_gateway.domain.completions import Generation
from llm_gateway.domain.errors import BackendError, GatewayError
from llm_gateway.domain.requests import CacheMode
from llm_gateway.surfaces.json_values import a_word
from llm_gateway.surfaces.way_words import route_header
from llm_gateway.surfaces.wire_errors import status_of_error

Headers = list[tuple[bytes, bytes]]
_READ = "llm_gateway.headers"

_CACHE_MODES: Mapping[str, CacheMode] = {"use": "use", "refresh": "refresh", "bypass": "bypass"}
_NANO = Decimal(10**9)
_ASK_AGAIN_S = 1.0
_UNSENDABLE = re.compile(r"[^ -~]+", re.ASCII)
_LONGEST_WARNING = 2_000
_WAITED_FOR = frozenset({429, 503})
_RETRIED_BY_CLIENTS = frozenset({408, 409, 429})


def headers_of(scope: Scope) -> Mapping[bytes, bytes]:
    """The headers of a request by their names; read once for all who look at them."""
    read: Mapping[bytes, bytes] | None = scope.get(_READ)
    if read is None:
        read = scope[_READ] = dict(scope["headers"])
    return read


def cache_mode(headers: Mapping[bytes, bytes]) -> CacheMode:
    """What the caller wants of the cache: our own header, else ``Cache-Control``.

    Raises:
        InvalidRequest: a word that is none.
    """
    asked = headers.get(b"x-llm-gateway-cache")
    if asked is not None:
        word = asked.decode("latin-1").strip().lower()
        return _CACHE_MODES[a_word(word, "x-llm-gateway-cache", tuple(_CACHE_MODES))]
    control = headers.get(b"cache-control", b"")
    return "bypass" if b"no-store" in control else "refresh" if b"no-cache" in control else "use"


def early_headers(cache: CacheMode, model: str, *, cached: bool = False) -> Headers:
    """What is known before the answer is whole: ``bypass``, ``hit`` or ``miss``, and the model's short name."""
    told = b"bypass" if cache == "bypass" else b"hit" if cached else b"miss"
    return [(b"x-llm-gateway-cache", told), (b"x-llm-gateway-model", model.encode("latin-1", "replace"))]


def generation_headers(generation: Generation, cache: CacheMode) -> Headers:
    """Those, the cost (none where no price is known) and the warnings of a whole answer."""
    headers = early_headers(cache, generation.model, cached=generation.cached) + kept_headers(generation)
    if generation.cost_nano_usd is not None:
        cost = Decimal(generation.cost_nano_usd) / _NANO
        headers.append((b"x-llm-gateway-cost-usd", f"{cost.normalize():f}".encode()))
    headers += standing_headers(generation.standing) + route_header(generation.way)
    if generation.warnings:
        told = _UNSENDABLE.sub("?", "; ".join(generation.warnings))[:_LONGEST_WARNING]
        headers.append((b"x-llm-gateway-warnings", told.encode("ascii")))
    return headers


def kept_headers(generation: Generation) -> Headers:
    """Of a kept answer: which tier had it, and for how long."""
    if generation.cache_tier is None:
        return []
    age = str(int(generation.cache_age_s)).encode()
    return [(b"x-llm-gateway-cache-tier", generation.cache_tier.encode()), (b"age", age)]


def standing_headers(standing: Mapping[str, str] | None) -> Headers:
    """How the caller stands with its rate limits."""
    return [(name.encode(), told.encode()) for name, told in (standing or {}).items()]


def error_headers(error: GatewayError) -> Headers:
    """``retry-after`` (whole seconds) and ``retry-after-ms`` with every 429 and 503; ``x-should-retry: false`` where a
    client would ask again by the status alone, but in vain or for money that may already be spent."""
    status, after_s = status_of_error(error), error.retry_after_s
    headers: Headers = []
    if after_s is not None or status in _WAITED_FOR:
        wait_s = _ASK_AGAIN_S if after_s is None else after_s
        headers.append((b"retry-after", str(max(1, ceil(wait_s))).encode()))
        headers.append((b"retry-after-ms", str(round(wait_s * 1000)).encode()))
    may_be_paid = isinstance(error, BackendError) and error.spent is not None
    headers += route_header(error.way)
    if (status in _RETRIED_BY_CLIENTS or status >= 500) and (may_be_paid or not error.retryable):
        headers.append((b"x-should-retry", b"false"))
    return headers
