"""Questions for what was spent, and the lines of the answer. Amounts are whole nano-US-dollars."""

from dataclasses import dataclass
from datetime import date

USAGE_GROUPS = ("day", "key", "team", "agent", "model", "model_id", "region", "outcome", "run")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuestion:
    """``by`` are words of ``USAGE_GROUPS``; the days are UTC's, both counted in. The others narrow it down."""

    by: tuple[str, ...] = ("model",)
    since: date | None = None
    until: date | None = None
    key_id: str | None = None
    team: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """One line of the answer. ``group`` is in the order of the question's ``by``; an empty word means "none"."""

    group: tuple[str, ...]
    calls: int
    estimated_calls: int
    unpriced_calls: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    cost_nano_usd: int

    @property
    def total_tokens(self) -> int:
        """Tokens of all classes."""
        cached = self.cache_read_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens
        return self.input_tokens + self.output_tokens + cached
