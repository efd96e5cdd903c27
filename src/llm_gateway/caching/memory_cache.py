"""Answers in this process's memory: bounded in number, each for a limited time. And the cache that keeps nothing."""

import time
from collections import OrderedDict
from collections.abc import Callable

from llm_gateway.caching.contract import CacheState
from llm_gateway.domain.completions import Completion


class MemoryCache:
    """At most ``max_size`` answers, each for ``ttl_s`` seconds; the least recently used leaves first."""

    def __init__(self, *, max_size: int, ttl_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_size = max_size
        self._ttl_s = ttl_s
        self._clock = clock
        self._answers: OrderedDict[bytes, tuple[float, Completion]] = OrderedDict()  # with the end of its time

    async def get(self, fingerprint: bytes) -> Completion | None:
        """The kept answer, or ``None``."""
        kept = self._answers.get(fingerprint)
        if kept is None:
            return None
        if kept[0] <= self._clock():
            del self._answers[fingerprint]
            return None
        self._answers.move_to_end(fingerprint)
        return kept[1]

    async def put(self, fingerprint: bytes, completion: Completion) -> None:
        """Keeps an answer, over an older one if there is one."""
        self._answers[fingerprint] = (self._clock() + self._ttl_s, completion)
        self._answers.move_to_end(fingerprint)
        if len(self._answers) > self._max_size:
            self._answers.popitem(last=False)

    def state(self) -> CacheState:
        """Size after the outdated ones are dropped."""
        now = self._clock()
        for fingerprint in [each for each, (ends_at, _) in self._answers.items() if ends_at <= now]:
            del self._answers[fingerprint]
        return CacheState(current_size=len(self._answers), max_size=self._max_size, ttl_s=self._ttl_s, enabled=True)


class NoCache:
    """Keeps nothing."""

    async def get(self, fingerprint: bytes) -> Completion | None:
        """Never finds anything."""
        return None

    async def put(self, fingerprint: bytes, completion: Completion) -> None:
        """Forgets at once."""

    def state(self) -> CacheState:
        """Off."""
        return CacheState(current_size=0, max_size=0, ttl_s=0, enabled=False)
