"""The tool ``embed``: texts to vectors. Decode, ask, encode."""

from mcp.types import ToolAnnotations

from llm_gateway.domain.embeddings import EmbedPurpose, EmbedRequest
from llm_gateway.domain.errors import GatewayError, InvalidRequest
from llm_gateway.gateway import Gateway
from llm_gateway.surfaces.asking import Arguments, Asking, Json, Offer
from llm_gateway.surfaces.encoding import usd
from llm_gateway.surfaces.generate_arguments import take_terms
from llm_gateway.surfaces.json_values import a_count, a_list, a_word, filled_text, only

_PURPOSES: tuple[EmbedPurpose, ...] = ("search_document", "search_query", "classification", "clustering")
_MOST_TEXTS = 2048
_MOST_DIMENSIONS = 65_536

EMBED = (
    "Turns texts into vectors (embeddings) by an Amazon Bedrock model, for search, clustering or comparison. Give "
    "search queries and documents with their own purpose. Returns one vector a text, in order, and what it cost."
)
_MAYBE = {"type": ["string", "null"]}
EMBED_INPUT = {
    "type": "object",
    "properties": {
        "model": {
            "type": "string",
            "description": "A model that makes vectors, such as titan-embed-v2 (list_models, capability embeddings).",
        },
        "texts": {
            "type": ["array", "string"],
            "items": {"type": "string"},
            "description": f"1 to {_MOST_TEXTS} texts, or a single one; none may be blank.",
        },
        "dimensions": {
            "type": ["integer", "null"],
            "minimum": 1,
            "description": "Length of a vector, where the model lets it be chosen; its own if left out.",
        },
        "purpose": {"type": ["string", "null"], "enum": [*_PURPOSES, None], "default": "search_document"},
        "run_id": {**_MAYBE, "description": "The run this call belongs to."},
        "agent": {**_MAYBE, "description": "The agent that asks."},
    },
    "required": ["model", "texts"],
    "additionalProperties": False,
}
EMBED_OUTPUT = {
    "type": "object",
    "properties": {
        "vectors": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        "dimensions": {"type": "integer"},
        "model": {"type": "string"},
        "model_id": {"type": "string"},
        "usage": {
            "type": "object",
            "properties": {"input_tokens": {"type": "integer"}, "estimated": {"type": "boolean"}},
            "required": ["input_tokens", "estimated"],
        },
        "latency_ms": {"type": "number"},
        "estimated_cost_usd": {"type": ["number", "null"], "description": "null: no price is known, never 0."},
        "request_id": {"type": "string"},
        "warnings": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["vectors", "dimensions", "model", "model_id", "usage", "estimated_cost_usd", "request_id", "warnings"],
}


def embed_tool(gateway: Gateway) -> Offer:
    """The tool over a gateway."""

    async def embed(arguments: Arguments, asking: Asking) -> Json:
        try:
            arguments, caller = take_terms(arguments, asking.caller)
            request = _decode(arguments)
        except GatewayError as error:
            gateway.turn_away(error, request_id=asking.request_id)
            raise
        result = await gateway.embed(request, request_id=asking.request_id, caller=caller)
        vectors = [list(vector) for vector in result.embeddings.vectors]
        usage = result.embeddings.usage
        return {
            "vectors": vectors,
            "dimensions": len(vectors[0]),
            "model": result.model,
            "model_id": result.model_id,
            "usage": {"input_tokens": usage.input_tokens, "estimated": usage.estimated},
            "latency_ms": round(result.latency_ms, 3),
            "estimated_cost_usd": usd(result.cost_nano_usd),
            "request_id": result.request_id,
            "warnings": list(result.warnings),
        }

    asks = ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=True)
    return "embed", EMBED, (EMBED_INPUT, EMBED_OUTPUT), embed, asks


def _decode(arguments: Arguments) -> EmbedRequest:
    only(arguments, ("model", "texts", "dimensions", "purpose"), "")
    dimensions, purpose = arguments.get("dimensions"), arguments.get("purpose")
    if arguments.get("model") is None:
        raise InvalidRequest("model is missing; name one that makes vectors", field="model")
    word = "search_document" if purpose is None else a_word(purpose, "purpose", _PURPOSES)
    return EmbedRequest(
        model=filled_text(arguments["model"], "model").strip(),
        texts=_texts(arguments.get("texts")),
        dimensions=None if dimensions is None else a_count(dimensions, "dimensions", 1, _MOST_DIMENSIONS),
        purpose=next(each for each in _PURPOSES if each == word),
    )


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (filled_text(value, "texts"),)
    if value is None:
        raise InvalidRequest("texts is missing; send a list of texts", field="texts")
    items = a_list(value, "texts", "texts")
    if not 1 <= len(items) <= _MOST_TEXTS:
        raise InvalidRequest(f"texts holds {len(items)} texts; send 1 to {_MOST_TEXTS}", field="texts")
    return tuple([filled_text(item, f"texts[{number}]") for number, item in enumerate(items)])
