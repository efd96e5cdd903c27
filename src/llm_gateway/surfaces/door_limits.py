"""How much one HTTP request of a caller may hold, how long its body may take to arrive, how many sessions there are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """``body_read_s`` is for the whole body. ``strict_params`` refuses parameters that cannot be honoured.
    ``max_mcp_sessions`` of 0: no sessions."""

    max_body_bytes: int = 16 * 1024 * 1024
    max_json_depth: int = 64
    max_messages: int = 10_000
    max_tools: int = 512
    body_read_s: float = 30.0
    strict_params: bool = False
    max_mcp_sessions: int = 10_000
    mcp_session_idle_s: float = 1800.0
