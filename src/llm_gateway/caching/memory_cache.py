"""Answers in this process's memory: bounded in number and in bytes, each for a limited time. And the cache that keeps
nothing."""

import time
from collections.abc import Callable
from typing import NamedTuple

from cachetools import TLRUCache

from llm_gateway.caching.codec import pack
from llm_gateway.caching.contract import CacheState, Entry, Hit, Label, Which
from llm_gateway.domain.completions import Completion

_MAX_BYTES = 67_108_864


class _Kept(NamedTuple):
    completion: Completion
    label: Label
    size_bytes: int
    kept_at: float


class MemoryCache:
    """At most ``max_size`` answers and ``max_bytes``, each for ``ttl_s`` seconds; the least used lately leave."""

    def __init__(
        self,
        *,
        max_size: int,
        ttl_s: float,
        max_bytes: int = _MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_size = max_size
        self._ttl_s = ttl_s
        self._clock = clock
        self._answers: TLRUCache[bytes, _Kept] = TLRUCache(
            maxsize=max_bytes,
            ttu=lambda _, kept, __: kept.kept_at + ttl_s,
            timer=clock,
            getsizeof=lambda kept: kept.size_bytes,
        )

    async def get(self, fingerprint: bytes) -> Hit | None:
        """See :class:`~llm_gateway.caching.contract.AnswerCache`."""
        kept = self._answers.get(fingerprint)
        return None if kept is None else Hit(kept.completion, "memory", self._clock() - kept.kept_at)

    async def put(self, fingerprint: bytes, completion: Completion, label: Label) -> None:
        """See :class:`~llm_gateway.caching.contract.AnswerCache`."""
        self.keep(fingerprint, completion, label, size_bytes=len(pack(completion)))

    def keep(
        self, fingerprint: bytes, completion: Completion, label: Label, *, size_bytes: int, age_s: float = 0.0
    ) -> None:
        """Keeps an answer of that age, unless it alone is too large."""
        self._answers.pop(fingerprint, None)
        if size_bytes > self._answers.maxsize or age_s >= self._ttl_s:
            return
        self._answers.expire()
        while len(self._answers) >= self._max_size:
            self._answers.popitem()
        self._answers[fingerprint] = _Kept(completion, label, size_bytes, self._clock() - age_s)

    def state(self) -> CacheState:
        """Size after the outdated ones are dropped."""
        self._answers.expire()
        return CacheState(
            current_size=len(self._answers),
            max_size=self._max_size,
            ttl_s=self._ttl_s,
            enabled=True,
            current_bytes=int(self._answers.currsize),
            max_bytes=int(self._answers.maxsize),
            tiers=("memory",),
        )

    async def entries(self, most: int) -> list[Entry]:
        """See :class:`~llm_gateway.caching.contract.AnswerCache`."""
        self._answers.expire()
        now = self._clock()
        return [
            Entry(fingerprint.hex(), kept.label, now - kept.kept_at, kept.size_bytes, "memory")
            for fingerprint, kept in list(self._answers.items())[:most]
        ]

    async def flush(self, which: Which) -> int:
        """See :class:`~llm_gateway.caching.contract.AnswerCache`."""
        self._answers.expire()
        gone = [fingerprint for fingerprint, kept in self._answers.items() if which.fits(kept.label)]
        for fingerprint in gone:
            self._answers.pop(fingerprint, None)
        return len(gone)

    async def aclose(self) -> None:
        """There is nothing to close."""


class NoCache:
    """Keeps nothing."""

    async def get(self, fingerprint: bytes) -> Hit | None:
        """Never finds anything."""
        return None

    async def put(self, fingerprint: bytes, completion: Completion, label: Label) -> None:
        """Forgets at once."""

    def state(self) -> CacheState:
        """Off."""
        return CacheState(current_size=0, max_size=0, ttl_s=0, enabled=False)

    async def entries(self, most: int) -> list[Entry]:
        """There are none."""
        return []

    async def flush(self, which: Which) -> int:
        """There is nothing to forget."""
        return 0

    async def aclose(self) -> None:
        """There is nothing to close."""
