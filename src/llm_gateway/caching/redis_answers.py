"""Answers in Redis, for all replicas: a hash each, with an end of its own. Redis bounds them by its ``maxmemory``."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from redis.exceptions import ResponseError

from llm_gateway.caching.contract import CacheUnavailable, Entry, Label, Which
from llm_gateway.caching.tiered_cache import Packed
from llm_gateway.storage.redis_server import RedisServer, RedisUnavailable, Script, Word

_PREFIX = "llm-gateway:answer:"
_MARK = "llm-gateway:answers-flushed"
_AT_ONCE = 200
_FIELDS = ("model", "scope", "key", "kept_at", "size")
_KEEP = Script("""
local time = redis.call('TIME')
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'model', ARGV[2], 'scope', ARGV[3], 'key', ARGV[4], 'size', #ARGV[5], 'answer', ARGV[5],
  'kept_at', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
""")


class RedisAnswers:
    """The far tier that replicas share. The server is not closed with it."""

    name = "redis"

    def __init__(self, server: RedisServer, *, ttl_s: float) -> None:
        self._server = server
        self._ttl_ms = max(1, round(ttl_s * 1000))

    async def get(self, fingerprint: bytes) -> Packed | None:
        """See :class:`~llm_gateway.caching.tiered_cache.FarStore`."""
        try:
            answer, *label = await self._ask("HMGET", _name(fingerprint), "answer", *_FIELDS)
        except ResponseError:  # something else stands there
            return None
        told = _label(label)
        return None if answer is None or told is None else Packed(answer, *told[:2])

    async def put(self, fingerprint: bytes, sealed: bytes, label: Label) -> None:
        """See :class:`~llm_gateway.caching.tiered_cache.FarStore`."""
        try:
            await self._server.run(_KEEP, [_name(fingerprint)], self._ttl_ms, *label, sealed)
        except RedisUnavailable as failed:
            raise CacheUnavailable(str(failed)) from failed

    async def entries(self, most: int) -> list[Entry]:
        """See :class:`~llm_gateway.caching.tiered_cache.FarStore`."""
        found: list[Entry] = []
        async for names in self._names():
            for name, told in zip(names, await self._labels(names), strict=True):
                if told is not None and len(found) < most:
                    label, age_s, size = told
                    found.append(Entry(name.decode().removeprefix(_PREFIX), label, age_s, size, self.name))
            if len(found) >= most:
                break
        return found

    async def flush(self, which: Which) -> int:
        """See :class:`~llm_gateway.caching.tiered_cache.FarStore`."""
        gone = 0
        async for names in self._names():
            told = await self._labels(names)
            fit = [name for name, label in zip(names, told, strict=True) if label is None or which.fits(label[0])]
            if fit:
                gone += await self._ask("UNLINK", *fit)
        await self._ask("SET", _MARK, secrets.token_hex(8))
        return gone

    async def mark(self) -> bytes:
        """See :class:`~llm_gateway.caching.tiered_cache.FarStore`."""
        return await self._ask("GET", _MARK) or b""

    async def aclose(self) -> None:
        """There is nothing of its own to close."""

    async def _names(self) -> AsyncGenerator[list[bytes]]:
        cursor: Word = 0
        while True:
            cursor, names = await self._ask("SCAN", cursor, "MATCH", f"{_PREFIX}*", "COUNT", _AT_ONCE)
            if names:
                yield names
            if int(cursor) == 0:
                return

    async def _labels(self, names: Sequence[bytes]) -> list[tuple[Label, float, int] | None]:
        asked = [self._server.ask("HMGET", name, *_FIELDS) for name in names]
        told = await asyncio.gather(*asked, return_exceptions=True)
        for answer in told:
            if isinstance(answer, RedisUnavailable):
                raise CacheUnavailable(str(answer)) from answer
        return [None if isinstance(answer, BaseException) else _label(answer) for answer in told]

    async def _ask(self, *command: Word) -> Any:
        try:
            return await self._server.ask(*command)
        except RedisUnavailable as failed:
            raise CacheUnavailable(str(failed)) from failed


def _name(fingerprint: bytes) -> str:
    return _PREFIX + fingerprint.hex()


def _label(told: Sequence[bytes | None]) -> tuple[Label, float, int] | None:
    """``None`` where it is nothing of ours."""
    try:
        model, scope, key_id, kept_at, size = [(value or b"").decode() for value in told]
        return Label(model, scope, key_id), max(0.0, time.time() - int(kept_at) / 1000), int(size)
    except ValueError:
        return None
