"""What a caller asks for, and the form it has when one model is about to be asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.content import Block, CachePoint, Message
from llm_gateway.domain.routes import HERE, Place

CacheMode = Literal["use", "refresh", "bypass"]

DEFAULT_TEMPERATURE = 0.7
DEFAULT_MAX_TOKENS = 2000


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool the model may call; ``input_schema`` is a JSON Schema object. A ``cache_point`` stands right after it.
    ``is_system``: one of the model's own servers, which is known by its name alone and answers itself."""

    name: str
    input_schema: Mapping[str, object]
    description: str | None = None
    strict: bool | None = None
    cache_point: CachePoint | None = None
    is_system: bool = False


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """``auto`` the model decides, ``any`` it must call one, ``tool`` it must call ``name``, ``none`` it may not."""

    kind: Literal["auto", "any", "tool", "none"]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ReasoningWish:
    """How much the model should think before it answers: an ``effort``, a budget in tokens, or neither (its default).

    ``effort`` ``none`` means no thinking where the model lets it be switched off.
    """

    effort: Literal["none", "minimal", "low", "medium", "high", "max"] | None = None
    budget_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """The answer's text shall be JSON: any object (``json_object``), or what ``schema`` allows (``json_schema``)."""

    kind: Literal["json_object", "json_schema"]
    schema: Mapping[str, object] | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class GuardrailWish:
    """A Bedrock guardrail by id (or ARN) and version; ``stream_mode`` ``async`` lets text out before it is checked."""

    id: str
    version: str
    trace: Literal["enabled", "disabled", "enabled_full"] | None = None
    stream_mode: Literal["sync", "async"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest:
    """One request as a surface decoded it. ``None`` means "the caller did not say".

    ``temperature`` 0.0 to 2.0; ``top_p`` 0.0 to 1.0; ``max_tokens`` from 1. ``system`` is in the caller's order: each
    :class:`~llm_gateway.domain.content.Text` is one system message. ``extra_fields`` go to the model unread
    (Converse's ``additionalModelRequestFields``). ``parallel_tool_calls`` False asks for at most one call a turn.
    ``cache_prompt`` puts prompt-cache points where the model takes them. ``metadata`` goes to AWS's invocation logs
    (Converse's ``requestMetadata``, at most 16 pairs).
    """

    model: str
    messages: tuple[Message, ...]
    system: tuple[Block, ...] = ()
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop_sequences: tuple[str, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning: ReasoningWish | None = None
    response_format: ResponseFormat | None = None
    guardrail: GuardrailWish | None = None
    service_tier: Literal["default", "priority", "flex", "reserved"] | None = None
    latency: Literal["standard", "optimized"] | None = None
    metadata: Mapping[str, str] | None = None
    extra_fields: Mapping[str, object] | None = None
    cache_prompt: bool = False
    cache: CacheMode = "use"


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """What a caller's word for a model stands for.

    ``invoked_id`` is the id or ARN that goes to Bedrock and that the price belongs to; ``card`` is ``None`` for a
    model the catalog has never seen. ``warnings`` tells of a legacy model or a successor asked instead. ``region`` is
    where it is asked, ``None`` for the gateway's own; the price belongs to that too.
    """

    asked: str
    invoked_id: str
    card: ModelCard | None
    warnings: tuple[str, ...] = ()
    region: str | None = None

    @property
    def name(self) -> str:
        """The short name, or the invoked id where the catalog has no card."""
        return self.card.name if self.card else self.invoked_id


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A request bound to the one model that is asked. ``answer_cap_tokens`` is what the purses can pay: the longest
    answer that may be asked for, whatever else would make it longer. ``session_tags`` tell AWS who asks, where the
    place is another account; ``time_left_s`` is what may still be waited for this call, seconds."""

    request: GenerateRequest
    model: ResolvedModel
    answer_cap_tokens: int | None = None
    place: Place = HERE
    session_tags: tuple[tuple[str, str], ...] = ()
    time_left_s: float | None = None
