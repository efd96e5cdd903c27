"""Two tiers: this process's memory, and behind it a store that other processes share.

Law: nobody waits for the far tier longer than ``FAR_S``, and where it fails memory goes on alone. What the far tier
gives is checked: an answer that was changed, cut, or put under another fingerprint is a miss.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import NamedTuple, Protocol, TypeVar

from llm_gateway.caching.codec import pack, unpack
from llm_gateway.caching.contract import CacheState, CacheUnavailable, Entry, Hit, Label, Which
from llm_gateway.caching.memory_cache import MemoryCache
from llm_gateway.domain.completions import Completion

FAR_S = 0.25
_LOOK_S = 1.0  # how long this process may not know that another one forgot answers
_SEAL_BYTES = 16
_Told = TypeVar("_Told")


class Packed(NamedTuple):
    """An answer as a store gives it."""

    sealed: bytes
    label: Label
    age_s: float


class FarStore(Protocol):
    """Keeps packed answers, each for a limited time. Everything here raises ``CacheUnavailable``."""

    name: str

    async def get(self, fingerprint: bytes) -> Packed | None:
        """What is kept there, if it is not too old."""
        ...

    async def put(self, fingerprint: bytes, sealed: bytes, label: Label) -> None:
        """Keeps it, over what was there."""
        ...

    async def entries(self, most: int) -> list[Entry]:
        """Some of what is kept."""
        ...

    async def flush(self, which: Which) -> int:
        """Forgets; how many. The mark is another one then."""
        ...

    async def mark(self) -> bytes:
        """Changes when somebody flushes."""
        ...

    async def aclose(self) -> None:
        """Closes what it opened; raises nothing."""
        ...


class TieredCache:
    """``near`` before ``far``."""

    def __init__(
        self,
        near: MemoryCache,
        far: FarStore,
        *,
        far_s: float = FAR_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._near = near
        self._far = far
        self._far_s = far_s
        self._clock = clock
        self._mark: bytes | None = None
        self._looked_at: float | None = None

    async def get(self, fingerprint: bytes) -> Hit | None:
        """See :class:`~llm_gateway.caching.contract.AnswerCache`."""
        await self._heed_others()
        hit = await self._near.get(fingerprint)
        if hit is not None:
            return hit
        packed = await self._in_time(self._far.get(fingerprint))
        completion = None if packed is None else opened(fingerprint, packed.sealed)
        if packed is None or completion is None:
            return None
        size = len(packed.sealed)
        self._near.keep(fingerprint, completion, packed.label, size_bytes=size, age_s=packed.age_s)
        return Hit(completion, self._far.name, packed.age_s)

    async def put(self, fingerprint: bytes, completion: Completion, label: Label) -> None:
        """See :class:`~llm_gateway.caching.contract.AnswerCache`."""
        sealed = seal(fingerprint, completion)
        self._near.keep(fingerprint, completion, label, size_bytes=len(sealed))
        await self._in_time(self._far.put(fingerprint, sealed, label))

    def state(self) -> CacheState:
        """Of the near tier."""
        near = self._near.state()
        return CacheState(
            current_size=near.current_size,
            max_size=near.max_size,
            ttl_s=near.ttl_s,
            enabled=True,
            current_bytes=near.current_bytes,
            max_bytes=near.max_bytes,
            tiers=(*near.tiers, self._far.name),
        )

    async def entries(self, most: int) -> list[Entry]:
        """Those of the far tier: the near one has no others, but while the far one fails."""
        return await self._far.entries(most)

    async def flush(self, which: Which) -> int:
        """See :class:`~llm_gateway.caching.contract.AnswerCache`."""
        near = await self._near.flush(which)
        return max(near, await self._far.flush(which))

    async def aclose(self) -> None:
        """See :class:`~llm_gateway.caching.contract.AnswerCache`."""
        await self._far.aclose()

    async def _heed_others(self) -> None:
        now = self._clock()
        if self._looked_at is not None and now - self._looked_at < _LOOK_S:
            return
        self._looked_at = now
        mark = await self._in_time(self._far.mark())
        if mark is None or mark == self._mark:
            return
        if self._mark is not None:
            await self._near.flush(Which())
        self._mark = mark

    async def _in_time(self, asked: Awaitable[_Told]) -> _Told | None:
        try:
            async with asyncio.timeout(self._far_s):
                return await asked
        except (CacheUnavailable, TimeoutError):
            return None


def seal(fingerprint: bytes, completion: Completion) -> bytes:
    """A packed answer that can be told from a broken or a foreign one."""
    packed = pack(completion)
    return _sum(fingerprint, packed) + packed


def opened(fingerprint: bytes, sealed: bytes) -> Completion | None:
    """The answer in it, if it is whole, and of this fingerprint."""
    packed = sealed[_SEAL_BYTES:]
    if sealed[:_SEAL_BYTES] != _sum(fingerprint, packed):
        return None
    try:
        return unpack(packed)
    except (ValueError, TypeError, KeyError, AttributeError):  # of another version of ours
        return None


def _sum(fingerprint: bytes, packed: bytes) -> bytes:
    return blake2b(packed, key=fingerprint, digest_size=_SEAL_BYTES).digest()
