"""What a request would take and cost, told before anything is spent."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Input tokens of a request. ``estimated``: Bedrock does not count for this model, so characters were counted."""

    model: str
    model_id: str
    input_tokens: int
    estimated: bool


@dataclass(frozen=True, slots=True)
class CostForecast:
    """The cost of one call before it is made: from no answer at all to one of ``max_tokens``.

    In nano-US-dollars; ``None`` where no price is known. Prompt caches of Bedrock and our own cache may lower it.
    """

    count: TokenCount
    max_tokens: int
    least_nano_usd: int | None
    most_nano_usd: int | None
