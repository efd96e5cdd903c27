"""What a model gave back: deltas while it speaks, a completion when it is whole, and what it used."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from llm_gateway.domain.content import Block

FinishReason = Literal["stop", "length", "tool_use", "content_filter"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens by class. ``input_tokens`` leaves cached tokens out, as Bedrock counts them.

    ``estimated`` is true where the model did not say and we counted characters.
    """

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    estimated: bool = False

    @property
    def cache_write_tokens(self) -> int:
        """Tokens written to the prompt cache, whatever their time to live."""
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def total_tokens(self) -> int:
        """input + cache read + cache write + output: Bedrock's own sum."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens + self.output_tokens


class TextDelta(NamedTuple):
    """A piece of the answer's text, in order. ``block`` is the block's number in the answer, from 0."""

    block: int
    text: str


class ReasoningDelta(NamedTuple):
    """A piece of the thinking: text, or the signature that ends it, or redacted base64 text."""

    block: int
    text: str | None = None
    signature: str | None = None
    redacted: str | None = None


class ToolUseStart(NamedTuple):
    """The model begins to call a tool."""

    block: int
    id: str
    name: str


class ToolInputDelta(NamedTuple):
    """A piece of the JSON text of a tool call's input."""

    block: int
    json_text: str


class CitationDelta(NamedTuple):
    """A source of its block's text, as Converse tells it."""

    block: int
    citation: Mapping[str, object]


Delta = TextDelta | ReasoningDelta | ToolUseStart | ToolInputDelta | CitationDelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A whole answer.

    ``stop_reason`` is Bedrock's own word, ``finish_reason`` ours. ``upstream_ms`` is the time from sending to the last
    byte, ``first_delta_ms`` to the first piece of content. ``service_tier`` is the tier that was used, not what was
    asked for. ``warnings`` says what was changed so that the model could take the request. ``invoked_id`` is set where
    another id than the resolved one was invoked (an inference profile): the price belongs to it.
    ``format_fault`` says why the text is not what ``response_format`` asked for. ``guardrail_trace`` is Bedrock's own.
    ``stand_in`` is the short name of the model that answered in the place of the one that was asked.
    """

    blocks: tuple[Block, ...]
    finish_reason: FinishReason
    stop_reason: str
    usage: Usage
    upstream_request_id: str | None = None
    upstream_ms: float = 0.0
    first_delta_ms: float | None = None
    service_tier: str | None = None
    warnings: tuple[str, ...] = ()
    invoked_id: str | None = None
    format_fault: str | None = None
    guardrail_trace: Mapping[str, object] | None = None
    stand_in: str | None = None


class Generation(NamedTuple):
    """What leaves the gateway for one request. ``cost_nano_usd`` is ``None`` when no price is known, never 0 then.

    ``standing`` tells how the caller stands with its rate limits, as OpenAI's ``x-ratelimit-*`` headers. ``cache_tier``
    had the answer for ``cache_age_s``: ``memory``, ``sqlite``, ``redis``, ``flight`` (an equal request brought it now),
    ``repeat`` (the same request under its idempotency key). ``way`` tells how it came to be: candidates, attempts.
    """

    request_id: str
    model: str
    model_id: str
    completion: Completion
    cached: bool
    latency_ms: float
    cost_nano_usd: int | None
    warnings: tuple[str, ...] = ()
    standing: Mapping[str, str] | None = None
    cache_tier: str | None = None
    cache_age_s: float = 0.0
    way: Mapping[str, object] | None = None
