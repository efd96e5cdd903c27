"""Where replicas meet: the Redis that the settings name. Nothing of its package is loaded without it."""

from typing import TYPE_CHECKING

import structlog

from llm_gateway.domain.errors import ConfigurationError
from llm_gateway.settings import Settings

if TYPE_CHECKING:
    from llm_gateway.storage.redis_server import RedisServer


def open_redis(settings: Settings) -> "RedisServer | None":
    """That server, connected when first asked; ``None`` where none is named.

    Raises:
        ConfigurationError: its client is not installed, or what follows the ``?`` in its address is not known.
    """
    if settings.redis_url is None:
        return None
    try:
        from llm_gateway.storage.redis_server import RedisServer
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            "REDIS_URL needs the package redis: pip install 'bedrock-llm-gateway[redis]'"
        ) from missing
    url = settings.redis_url.get_secret_value()
    try:
        return RedisServer(url, timeout_s=settings.redis_timeout, on_change=_tell)
    except (ValueError, TypeError):
        raise ConfigurationError("REDIS_URL: an option after its ? is not one that the client knows") from None


def _tell(is_back: bool, reason: str) -> None:
    """Once for each outage, not for each request that goes on without it."""
    if is_back:
        structlog.get_logger().info("redis_back")
    else:
        structlog.get_logger().warning("redis_unavailable", reason=reason)
