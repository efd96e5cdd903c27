"""Answers in this process's memory: bounded in number, each for a limited time. And the cache that keeps nothing."""

import time
from collections.abc import Callable

from cachetools import TTLCache

from llm_gateway.caching.contract import CacheState
from llm_gateway.domain.completions import Completion


class MemoryCache:
    """At most ``max_size`` answers, each for ``ttl_s`` seconds; the least recently used leaves first."""

    def __init__(self, *, max_size: int, ttl_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl_s = ttl_s
        self._answers: TTLCache[bytes, Completion] = TTLCache(maxsize=max_size, ttl=ttl_s, timer=clock)

    async def get(self, fingerprint: bytes) -> Completion | None:
        """The kept answer, or ``None``."""
        return self._answers.get(fingerprint)

    async def put(self, fingerprint: bytes, completion: Completion) -> None:
        """Keeps an answer, over an older one if there is one."""
        self._answers[fingerprint] = completion

    def state(self) -> CacheState:
        """Size after the outdated ones are dropped."""
        self._answers.expire()
        return CacheState(
            current_size=len(self._answers), max_size=int(self._answers.maxsize), ttl_s=self._ttl_s, enabled=True
        )


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
