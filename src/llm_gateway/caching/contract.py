"""What the gateway asks of a cache of answers."""

from dataclasses import dataclass
from typing import Protocol

from llm_gateway.domain.completions import Completion


@dataclass(frozen=True, slots=True)
class CacheState:
    """How full a cache is. ``ttl_s`` in seconds; sizes count answers."""

    current_size: int
    max_size: int
    ttl_s: float
    enabled: bool


class AnswerCache(Protocol):
    """Keeps whole, released answers under a fingerprint; may forget any of them at any time."""

    async def get(self, fingerprint: bytes) -> Completion | None:
        """The kept answer, or ``None`` when there is none or it is too old."""
        ...

    async def put(self, fingerprint: bytes, completion: Completion) -> None:
        """Keeps an answer; the caller promises that it is whole and was released."""
        ...

    def state(self) -> CacheState:
        """How full it is now."""
        ...
