"""The place of this process among several that serve one port of one machine, and what the settings mean there."""

from dataclasses import dataclass

from llm_gateway.board import Board
from llm_gateway.settings import Settings
from llm_gateway.worker_line import WorkerLine


@dataclass(frozen=True, slots=True)
class Crew:
    """``seat`` of ``workers``; ``line`` leads to the process that started it."""

    board: Board
    seat: int
    workers: int
    line: WorkerLine


def as_of_a_worker(settings: Settings, workers: int) -> Settings:
    """What is shared is shared out, or kept where all find it; a session cannot be kept with one worker."""
    tier = settings.cache_tier
    if tier == "auto" and settings.redis_url is None:
        tier = "sqlite"
    more = {"replicas": settings.replicas * workers, "mcp_max_sessions": 0, "cache_tier": tier, "health_port": 0}
    return settings.model_copy(update=more)
