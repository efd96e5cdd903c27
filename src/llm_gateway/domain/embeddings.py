"""Texts to vectors: what is asked for, and what comes back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from llm_gateway.domain.completions import Usage
from llm_gateway.domain.requests import ResolvedModel
from llm_gateway.domain.routes import HERE, Place

EmbedPurpose = Literal["search_document", "search_query", "classification", "clustering"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedRequest:
    """``texts`` is never empty, nor is one of them blank. ``dimensions`` is the length of a vector, ``None`` the
    model's own. ``purpose`` is what the vectors are for, where a model makes a difference."""

    model: str
    texts: tuple[str, ...]
    dimensions: int | None = None
    purpose: EmbedPurpose = "search_document"


@dataclass(frozen=True, slots=True)
class EmbedCall:
    """A request bound to the one model that is asked, and to its place."""

    request: EmbedRequest
    model: ResolvedModel
    place: Place = HERE
    session_tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector for each text, in their order. ``usage`` sums all calls it took."""

    vectors: tuple[Sequence[float], ...]
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedResult:
    """What leaves the gateway for one request. ``cost_nano_usd`` is ``None`` when no price is known, never 0 then."""

    request_id: str
    model: str
    model_id: str
    embeddings: Embeddings
    latency_ms: float
    cost_nano_usd: int | None
    warnings: tuple[str, ...] = ()
