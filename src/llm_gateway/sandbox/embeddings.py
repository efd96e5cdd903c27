"""InvokeModel for embeddings: vectors made of a hash, of the size and in the shape of each family's. Pure.

Equal texts have equal vectors, other texts others; nearness means nothing here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from llm_gateway.sandbox.asked import Asked
from llm_gateway.sandbox.models import ModelId
from llm_gateway.sandbox.refusals import invalid
from llm_gateway.sandbox.tokens import text_tokens
from llm_gateway.sandbox.wire_json import Json, as_list, as_object, as_text
from llm_gateway.sandbox.words import Dice

_TITAN_V1_SIZE = 1536
_TITAN_V2_SIZES = (256, 512, 1024)
_TITAN_IMAGE_SIZES = (256, 384, 1024)
_NOVA_SIZES = (256, 384, 1024, 3072)
_COHERE_SIZE = 1024
_COHERE_V4_SIZES = (256, 512, 1024, 1536)
_COHERE_TEXTS = 96


@dataclass(frozen=True, slots=True)
class Embedded:
    answer: Json
    input_tokens: int


def embed(asked: Asked, model: ModelId) -> Embedded:
    """Raises Refused: another model, or a body it does not take."""
    maker = _MAKERS.get(model.facts.name)
    if maker is None:
        raise invalid(
            "The sandbox serves InvokeModel for embeddings only (Titan, Nova, Cohere); use Converse for chat models."
        )
    return maker(asked.body)


def _titan(body: Json) -> Embedded:
    return _titan_of(body, _TITAN_V1_SIZE)


def _titan_v2(body: Json) -> Embedded:
    size = body.get("dimensions", 1024)
    if size not in _TITAN_V2_SIZES:
        raise _malformed(f"#/dimensions: {size} is not a valid enum value")
    return _titan_of(body, size)


def _titan_image(body: Json) -> Embedded:
    size = as_object(body.get("embeddingConfig")).get("outputEmbeddingLength", 1024)
    if size not in _TITAN_IMAGE_SIZES:
        raise _malformed(f"#/embeddingConfig/outputEmbeddingLength: {size} is not a valid enum value")
    return _titan_of(body, size)


def _nova(body: Json) -> Embedded:
    asked = as_object(body.get("singleEmbeddingParams"))
    size, text = asked.get("embeddingDimension", 3072), as_text(as_object(asked.get("text")).get("value"))
    if body.get("taskType") != "SINGLE_EMBEDDING" or not text:
        raise _malformed("#/singleEmbeddingParams/text/value: expected minLength: 1, actual: 0")
    if size not in _NOVA_SIZES:
        raise _malformed(f"#/singleEmbeddingParams/embeddingDimension: {size} is not a valid enum value")
    return Embedded({"embeddings": [{"embeddingType": "TEXT", "embedding": _vector(text, size)}]}, text_tokens(text))


def _titan_of(body: Json, size: int) -> Embedded:
    text = as_text(body.get("inputText"))
    if not text:
        raise _malformed("#/inputText: expected minLength: 1, actual: 0")
    vector = _vector(text, size)
    answer: Json = {"embedding": vector, "inputTextTokenCount": text_tokens(text)}
    if "embeddingTypes" in body:
        answer["embeddingsByType"] = {"float": vector}
    return Embedded(answer, text_tokens(text))


def _cohere_v4(body: Json) -> Embedded:
    size = body.get("output_dimension", 1536)
    if size not in _COHERE_V4_SIZES:
        raise _malformed(f"#/output_dimension: {size} is not a valid enum value")
    return _cohere_of(body, size)


def _cohere(body: Json) -> Embedded:
    return _cohere_of(body, _COHERE_SIZE)


def _cohere_of(body: Json, size: int) -> Embedded:
    texts = [as_text(text) for text in as_list(body.get("texts"))]
    if not 1 <= len(texts) <= _COHERE_TEXTS:
        raise _malformed(f"#/texts: expected 1 to {_COHERE_TEXTS} items, actual: {len(texts)}")
    if not body.get("input_type"):
        raise _malformed("#: required key [input_type] not found")
    vectors = [_vector(text, size) for text in texts]
    by_type = "embedding_types" in body
    answer: Json = {
        "id": "00000000-0000-4000-8000-000000000000",
        "texts": texts,
        "response_type": "embeddings_by_type" if by_type else "embeddings_floats",
        "embeddings": {"float": vectors} if by_type else vectors,
    }
    return Embedded(answer, sum(text_tokens(text) for text in texts))


_MAKERS: dict[str, Callable[[Json], Embedded]] = {
    "titan-embed": _titan,
    "titan-embed-v2": _titan_v2,
    "titan-embed-image": _titan_image,
    "nova-embed": _nova,
    "cohere-embed": _cohere,
    "cohere-embed-v4": _cohere_v4,
}


def _malformed(what: str) -> Exception:
    return invalid(f"Malformed input request: {what}, please reformat your input and try again.")


def _vector(text: str, size: int) -> list[float]:
    """Of length 1."""
    dice = Dice(text.encode(), str(size).encode())
    raw = [dice.number(2001) / 1000 - 1 for _ in range(size)]
    length = math.sqrt(sum(each * each for each in raw)) or 1.0
    return [round(each / length, 8) for each in raw]
