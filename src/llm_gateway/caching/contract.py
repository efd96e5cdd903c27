"""What the gateway asks of a cache of answers."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from llm_gateway.domain.completions import Completion


class CacheUnavailable(Exception):
    """The place where answers are kept for all does not answer now."""


class Label(NamedTuple):
    """Whose an answer is: the model's short name, the scope that may see it, and the key that paid for it."""

    model: str = ""
    scope: str = ""
    key_id: str = ""


class Hit(NamedTuple):
    """A kept answer, the tier that had it, and its age in seconds."""

    completion: Completion
    tier: str
    age_s: float


class Entry(NamedTuple):
    """A kept answer as a person may see it: without what was asked and answered."""

    fingerprint: str
    label: Label
    age_s: float
    size_bytes: int
    tier: str


class Which(NamedTuple):
    """Some of the kept answers: those of a key, of a model, of both; of neither means all."""

    key_id: str | None = None
    model: str | None = None

    def fits(self, label: Label) -> bool:
        """Whether such an answer is meant."""
        return self.key_id in (None, label.key_id) and self.model in (None, label.model)


@dataclass(frozen=True, slots=True)
class CacheState:
    """How full this process's part of a cache is. ``ttl_s`` in seconds; sizes count answers. ``tiers`` from near to
    far."""

    current_size: int
    max_size: int
    ttl_s: float
    enabled: bool
    current_bytes: int = 0
    max_bytes: int = 0
    tiers: tuple[str, ...] = ()


class AnswerCache(Protocol):
    """Keeps whole, released answers under a fingerprint; may forget any of them at any time."""

    async def get(self, fingerprint: bytes) -> Hit | None:
        """The kept answer, or ``None`` when there is none or it is too old."""
        ...

    async def put(self, fingerprint: bytes, completion: Completion, label: Label) -> None:
        """Keeps an answer; the caller promises that it is whole and was released."""
        ...

    def state(self) -> CacheState:
        """How full it is now."""
        ...

    async def entries(self, most: int) -> list[Entry]:
        """What is kept for all who share it; at most so many.

        Raises:
            CacheUnavailable: that cannot be told now.
        """
        ...

    async def flush(self, which: Which) -> int:
        """Forgets answers, for all who share them; how many.

        Raises:
            CacheUnavailable: this process has forgotten them, the others may not have.
        """
        ...

    async def aclose(self) -> None:
        """Closes what it opened."""
        ...
