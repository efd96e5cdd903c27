"""Where answers are kept, as the settings want it: in memory, and behind that in a file or in Redis."""

from typing import TYPE_CHECKING

from llm_gateway.caching.contract import AnswerCache
from llm_gateway.caching.memory_cache import MemoryCache, NoCache
from llm_gateway.domain.errors import ConfigurationError
from llm_gateway.settings import Settings

if TYPE_CHECKING:
    from llm_gateway.storage.redis_server import RedisServer


def open_cache(settings: Settings, redis: "RedisServer | None") -> AnswerCache:
    """The cache; nothing is opened yet.

    Raises:
        ConfigurationError: answers shall be kept in a Redis that is not named.
    """
    if not settings.cache_enabled:
        return NoCache()
    tier = settings.cache_tier
    if tier == "redis" and redis is None:
        raise ConfigurationError("CACHE_TIER=redis needs REDIS_URL")
    ttl_s, size, weight = settings.cache_ttl, settings.cache_max_size, settings.cache_max_bytes
    near = MemoryCache(max_size=size, ttl_s=ttl_s, max_bytes=weight)
    if tier == "memory" or (tier == "auto" and redis is None):
        return near
    from llm_gateway.caching.tiered_cache import TieredCache

    if tier == "sqlite" or redis is None:
        from llm_gateway.caching.sqlite_answers import ANSWER_TABLES, SqliteAnswers
        from llm_gateway.storage.sqlite_file import SqliteFile

        file = SqliteFile(settings.home / "cache.db", (ANSWER_TABLES,))
        return TieredCache(near, SqliteAnswers(file, ttl_s=ttl_s, max_size=size, max_bytes=weight))
    from llm_gateway.caching.redis_answers import RedisAnswers

    return TieredCache(near, RedisAnswers(redis, ttl_s=ttl_s))
