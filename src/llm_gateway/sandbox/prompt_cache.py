"""Prompt caching as Bedrock counts it: a prefix is written when first seen and read from then on, until its time is up.

The order is tools, system, messages; a cachePoint ends a prefix. Only hashes are kept, at most `size` of them.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from llm_gateway.sandbox.models import ModelId
from llm_gateway.sandbox.tokens import block_tokens, message_tokens, tool_tokens
from llm_gateway.sandbox.wire_json import Json, as_object, as_text, canonical, objects

_LIFE_S = {"5m": 300.0, "1h": 3600.0}


@dataclass(frozen=True, slots=True)
class CacheCount:
    """Tokens of one request; `written` by ttl. Empty for a request without (large enough) prefixes."""

    read: int = 0
    written: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(slots=True)
class PromptCache:
    size: int = 10_000
    clock: Callable[[], float] = time.monotonic
    _kept_until: OrderedDict[bytes, float] = field(default_factory=OrderedDict[bytes, float])

    def count(self, model: ModelId, body: Json) -> CacheCount:
        """What this request reads and writes; remembers its prefixes."""
        prefixes = list(_prefixes(model, body))
        now = self.clock()
        known = [self._kept_until.get(key, 0.0) > now for key, _, _ in prefixes]
        read = max((tokens for (_, tokens, _), seen in zip(prefixes, known, strict=True) if seen), default=0)
        written: dict[str, int] = {}
        reached = read
        for key, tokens, ttl in prefixes:
            self._keep(key, now + _LIFE_S[ttl])
            if tokens > reached:
                written[ttl] = written.get(ttl, 0) + tokens - reached
                reached = tokens
        return CacheCount(read, written)

    def known_tokens(self, model: ModelId, body: Json) -> int:
        """What this request would read; remembers nothing."""
        now = self.clock()
        return max(
            (tokens for key, tokens, _ in _prefixes(model, body) if self._kept_until.get(key, 0.0) > now), default=0
        )

    def clear(self) -> None:
        self._kept_until.clear()

    def _keep(self, key: bytes, until: float) -> None:
        self._kept_until[key] = until
        self._kept_until.move_to_end(key)
        while len(self._kept_until) > self.size:
            self._kept_until.popitem(last=False)


def has_cache_point(body: Json) -> bool:
    return b'"cachePoint"' in canonical(body)


def _prefixes(model: ModelId, body: Json) -> Iterator[tuple[bytes, int, str]]:
    """(key, tokens so far, ttl) of each cache point behind a prefix that is large enough for the model."""
    digest = blake2b(model.bare.encode(), digest_size=16)
    tokens = 0
    for part, its_tokens in _parts(model, body):
        point = as_object(part.get("cachePoint"))
        if not point:
            digest.update(canonical(part))
            tokens += its_tokens
        elif tokens >= max(1, model.facts.cache_min_tokens):
            yield digest.copy().digest(), tokens, as_text(point.get("ttl")) or "5m"


def _parts(model: ModelId, body: Json) -> Iterator[tuple[Json, int]]:
    for tool in objects(as_object(body.get("toolConfig")).get("tools")):
        if model.facts.cache_tools or "cachePoint" not in tool:
            yield tool, tool_tokens(tool)
    for block in objects(body.get("system")):
        yield block, block_tokens(block)
    for message in objects(body.get("messages")):
        yield {"role": message.get("role")}, message_tokens({})
        for block in objects(message.get("content")):
            yield block, block_tokens(block)
