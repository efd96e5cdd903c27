"""Embeddings to each family's InvokeModel body and back. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from llm_gateway.catalog.ids import split_profile
from llm_gateway.domain.embeddings import EmbedCall, EmbedPurpose, EmbedRequest
from llm_gateway.domain.errors import InvalidRequest, UnsupportedFeature

Json = dict[str, Any]
Vectors = Sequence[Sequence[float]]

_NOVA_PURPOSES: Mapping[EmbedPurpose, str] = {
    "search_document": "GENERIC_INDEX",
    "search_query": "GENERIC_RETRIEVAL",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}


@dataclass(frozen=True, slots=True)
class EmbedFamily:
    """How a family is asked. ``at_once`` is how many texts one call takes; ``sizes`` the lengths of vectors it makes,
    the first of them unasked. ``render`` and ``parse`` are of one call."""

    ids: tuple[str, ...]
    at_once: int
    sizes: tuple[int, ...]
    render: Callable[[Sequence[str], EmbedRequest], Json]
    parse: Callable[[Json], object]


def _titan(texts: Sequence[str], _: EmbedRequest) -> Json:
    return {"inputText": texts[0]}


def _titan_2(texts: Sequence[str], request: EmbedRequest) -> Json:
    size: Json = {} if request.dimensions is None else {"dimensions": request.dimensions}
    return {"inputText": texts[0], **size, "normalize": True}


def _titan_image(texts: Sequence[str], request: EmbedRequest) -> Json:
    size: Json = (
        {} if request.dimensions is None else {"embeddingConfig": {"outputEmbeddingLength": request.dimensions}}
    )
    return {"inputText": texts[0], **size}


def _cohere(texts: Sequence[str], request: EmbedRequest) -> Json:
    return {"texts": list(texts), "input_type": request.purpose, "truncate": "NONE"}


def _cohere_4(texts: Sequence[str], request: EmbedRequest) -> Json:
    size: Json = {} if request.dimensions is None else {"output_dimension": request.dimensions}
    return {**_cohere(texts, request), **size, "embedding_types": ["float"]}


def _nova(texts: Sequence[str], request: EmbedRequest) -> Json:
    parameters: Json = {
        "embeddingPurpose": _NOVA_PURPOSES[request.purpose],
        "text": {"truncationMode": "NONE", "value": texts[0]},
    }
    if request.dimensions is not None:
        parameters["embeddingDimension"] = request.dimensions
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": parameters}


def _of_titan(answer: Json) -> object:
    return [answer.get("embedding")]


def _of_cohere(answer: Json) -> object:
    """Bare vectors, vectors by type, or (seen in recordings) items of ``data``."""
    vectors = answer.get("embeddings")
    if vectors is None:
        return _embeddings(answer.get("data"))
    return cast("Json", vectors).get("float") if isinstance(vectors, dict) else vectors


def _of_nova(answer: Json) -> object:
    return _embeddings(answer.get("embeddings"))


def _embeddings(found: object) -> list[object]:
    items = cast("list[object]", found) if isinstance(found, list) else []
    return [cast("Json", item).get("embedding") if isinstance(item, dict) else None for item in items]


# bedrock.md 10 for Titan and Cohere 3; sizes, Cohere 4 and Nova by AWS's documentation.
_FAMILIES = (
    EmbedFamily(("amazon.titan-embed-text-v2",), 1, (1024, 512, 256), _titan_2, _of_titan),
    EmbedFamily(("amazon.titan-embed-text-v1", "amazon.titan-embed-g1-text"), 1, (1536,), _titan, _of_titan),
    EmbedFamily(("amazon.titan-embed-image-v1",), 1, (1024, 384, 256), _titan_image, _of_titan),
    EmbedFamily(("cohere.embed-v4",), 96, (1536, 1024, 512, 256), _cohere_4, _of_cohere),
    EmbedFamily(
        ("cohere.embed-english-light-v3", "cohere.embed-multilingual-light-v3"), 96, (384,), _cohere, _of_cohere
    ),
    EmbedFamily(("cohere.embed-english-v3", "cohere.embed-multilingual-v3"), 96, (1024,), _cohere, _of_cohere),
    EmbedFamily(("amazon.nova-2-multimodal-embeddings",), 1, (3072, 1024, 384, 256), _nova, _of_nova),
)
_EXAMPLE = "titan-embed-v2"


def family_of(call: EmbedCall) -> EmbedFamily:
    """The family of the model that is asked.

    Raises:
        UnsupportedFeature: it makes no vectors, or we don't know how.
        InvalidRequest: not vectors of this length.
    """
    base_id = split_profile(call.model.invoked_id.lower()).base_id
    for family in _FAMILIES:
        if base_id.startswith(family.ids):
            _check_size(call.request, family)
            return family
    raise UnsupportedFeature(
        f"{call.model.name[:80]} makes no embeddings that are known here; ask one that does, such as {_EXAMPLE}",
        model=call.model.name,
        feature="embeddings",
        field="model",
    )


def _check_size(request: EmbedRequest, family: EmbedFamily) -> None:
    if request.dimensions is None or request.dimensions in family.sizes:
        return
    allowed = ", ".join([str(size) for size in sorted(family.sizes)])
    raise InvalidRequest(
        f"dimensions is {request.dimensions}; this model makes vectors of {allowed}", field="dimensions"
    )


def vectors_of(family: EmbedFamily, answer: object, count: int) -> Vectors | None:
    """The vectors of one answer; ``None`` where it does not hold ``count`` of them."""
    found = family.parse(cast("Json", answer)) if isinstance(answer, dict) else None
    vectors = cast("list[object]", found) if isinstance(found, list) else []
    if len(vectors) != count or not all([_is_vector(vector) for vector in vectors]):
        return None
    return cast("Vectors", vectors)


def _is_vector(vector: object) -> bool:
    if not isinstance(vector, list) or not vector:
        return False
    return all([isinstance(number, int | float) for number in cast("list[object]", vector)])
