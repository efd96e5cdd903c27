"""Which target answered a conversation last, and how much of it is in a prompt cache there. Bounded, by the hour."""

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

import orjson

from llm_gateway.domain.completions import Usage
from llm_gateway.domain.requests import GenerateRequest

_MOST = 10_000
_SHORT_S, _LONG_S = 300.0, 3_600.0  # a prompt cache's two times to live


class Last(NamedTuple):
    """The target by its key. ``warm_tokens`` hold until ``warm_until``, monotonic seconds; 0 when that has passed."""

    key: str
    warm_tokens: int
    warm_until: float


def conversation_of(request: GenerateRequest, scope: str) -> bytes:
    """A conversation keeps its system prompt and its first turn, however long it grows. ``scope`` is whose it is."""
    start = (scope, request.system, request.messages[:1], request.tools)
    return sha256(orjson.dumps(start, default=_as_text)).digest()


def _as_text(strange: object) -> str:
    return repr(strange)


class Conversations:
    """Of one process."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[bytes, Last] = OrderedDict()

    def last(self, conversation: bytes) -> Last | None:
        """Where it was answered last; ``None`` for a new one, or after an hour."""
        found = self._kept.get(conversation)
        if found is None:
            return None
        if found.warm_until - _SHORT_S + _LONG_S < self._clock():
            del self._kept[conversation]
            return None
        return found if found.warm_until >= self._clock() else found._replace(warm_tokens=0)

    def answered(self, conversation: bytes, key: str, usage: Usage) -> None:
        """The target answered it."""
        lasts_s = _LONG_S if usage.cache_write_1h_tokens else _SHORT_S
        warm = usage.cache_read_tokens + usage.cache_write_tokens
        self._kept[conversation] = Last(key, warm, self._clock() + lasts_s)
        self._kept.move_to_end(conversation)
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)
