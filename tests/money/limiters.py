"""Rate limiters to test, each with a way to let time pass: in one process, and shared through a real Redis."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol

from llm_gateway.access.bounds import LimitsOf
from llm_gateway.access.contract import Demand, Limiter
from llm_gateway.access.memory_limiter import MemoryLimiter
from llm_gateway.access.redis_limiter import RedisLimiter
from llm_gateway.domain.callers import Caller
from llm_gateway.domain.money import Limits
from llm_gateway.storage.redis_server import RedisServer
from redis_here import RedisHere

PATIENT_S = 20.0  # a machine that runs other tests


def nobody(_: str, __: str) -> Limits | None:
    return None


def demand(limits: Limits, tokens: tuple[int, int] = (10, 90), key: str = "k", team: str = "t") -> Demand:
    return Demand(Caller(key_id=key, team=team, limits=limits), "nova-lite", lambda: tokens)


class Clocked(Protocol):
    """A limiter whose past can be moved away."""

    limiter: Limiter

    def pass_s(self, seconds: int) -> None:
        """Everything counted so far was counted that much earlier."""

    def second(self) -> int:
        """The second that it counts in now."""
        ...


class InOneProcess:
    def __init__(self, limits_of: LimitsOf, max_wait_s: float) -> None:
        self._passed = 0
        self.limiter = MemoryLimiter(limits_of, max_wait_s=max_wait_s, clock=self._clock)

    def _clock(self) -> float:
        return time.monotonic() + self._passed

    def pass_s(self, seconds: int) -> None:
        self._passed += seconds

    def second(self) -> int:
        return int(self._clock())


class OverRedis:
    """Redis's clock cannot be moved, so what it counted is: each second of each window to an earlier one."""

    def __init__(self, redis: RedisHere, server: RedisServer, limits_of: LimitsOf, max_wait_s: float) -> None:
        self._redis = redis
        self._passed = 0
        self.limiter = RedisLimiter(server, limits_of, max_wait_s=max_wait_s)

    def pass_s(self, seconds: int) -> None:
        self._passed += seconds
        for name in self._redis.ask("KEYS", "*pm:*"):
            slots = self._redis.ask("HGETALL", name)
            self._redis.ask("DEL", name)
            for at, amount in slots.items():
                self._redis.ask("HSET", name, str(int(at) - seconds), amount)

    def second(self) -> int:
        return int(self._redis.ask("TIME")[0]) + self._passed


@asynccontextmanager
async def opened(
    kind: str, redis: RedisHere, limits_of: LimitsOf = nobody, max_wait_s: float = 0.0
) -> AsyncGenerator[Clocked]:
    """One of the two; Redis is empty then."""
    if kind == "memory":
        yield InOneProcess(limits_of, max_wait_s)
        return
    redis.ask("FLUSHALL")
    server = RedisServer(redis.url, timeout_s=PATIENT_S)
    over = OverRedis(redis, server, limits_of, max_wait_s)
    try:
        yield over
    finally:
        await over.limiter.aclose()
        await server.aclose()
