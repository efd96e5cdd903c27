"""``POST /v1/embeddings``: decode, ask, encode. Vectors leave as numbers, or as base64 of little-endian floats."""

import sys
from array import array
from base64 import b64encode
from collections.abc import Mapping, Sequence

import orjson

from llm_gateway.domain.embeddings import EmbedPurpose, EmbedRequest, EmbedResult
from llm_gateway.domain.errors import GatewayError, InvalidRequest
from llm_gateway.gateway import Gateway
from llm_gateway.surfaces.door_limits import DoorLimits
from llm_gateway.surfaces.json_values import a_count, a_list, a_word, filled_text
from llm_gateway.surfaces.omissions import Omissions
from llm_gateway.surfaces.openai_api.answers import cost_text
from llm_gateway.surfaces.openai_api.chat_request import decode_model
from llm_gateway.surfaces.openai_api.replies import Caller, header_text, send_json

_KNOWN = frozenset({"model", "input", "dimensions", "encoding_format", "input_type"})
_MOST_TEXTS = 2048  # as OpenAI
_MOST_DIMENSIONS = 65_536
_PURPOSES: Mapping[str, EmbedPurpose] = {
    "search_document": "search_document",
    "search_query": "search_query",
    "classification": "classification",
    "clustering": "clustering",
}


async def make_embeddings(body: Mapping[str, object], caller: Caller, gateway: Gateway, limits: DoorLimits) -> None:
    """Answers one request.

    Raises:
        GatewayError: an expected failure; nothing was sent.
    """
    omissions = Omissions(strict=limits.strict_params)
    try:
        request, as_text = _decode(body, omissions)
    except GatewayError as error:
        gateway.turn_away(error, request_id=caller.request_id)
        raise
    result = await gateway.embed(request, request_id=caller.request_id, caller=caller.who)
    headers = [(b"x-llm-gateway-model", header_text(result.model))]
    if result.cost_nano_usd is not None:
        headers.append((b"x-llm-gateway-cost-usd", cost_text(result.cost_nano_usd)))
    if dropped := omissions.header():
        headers.append((b"x-llm-gateway-dropped-params", dropped))
    await send_json(caller, 200, orjson.dumps(_encode(result, request.model, as_text)), headers)


def _decode(body: Mapping[str, object], omissions: Omissions) -> tuple[EmbedRequest, bool]:
    """The request, and whether its vectors are wanted as base64."""
    omissions.drop_all([name for name in body.keys() - _KNOWN if body[name] is not None])
    dimensions, form, purpose = body.get("dimensions"), body.get("encoding_format"), body.get("input_type")
    request = EmbedRequest(
        model=decode_model(body.get("model")),
        texts=_texts(body.get("input")),
        dimensions=None if dimensions is None else a_count(dimensions, "dimensions", 1, _MOST_DIMENSIONS),
        purpose=_PURPOSES["search_document" if purpose is None else a_word(purpose, "input_type", tuple(_PURPOSES))],
    )
    return request, form is not None and a_word(form, "encoding_format", ("float", "base64")) == "base64"


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (filled_text(value, "input"),)
    if value is None:
        raise InvalidRequest("input is missing; send a text or a list of texts", field="input")
    items = a_list(value, "input", "texts")
    if not items or len(items) > _MOST_TEXTS:
        raise InvalidRequest(f"input holds {len(items)} texts; send 1 to {_MOST_TEXTS}", field="input")
    if isinstance(items[0], int | list):
        raise InvalidRequest(
            "input holds tokens, which only OpenAI's models read; send texts "
            "(with LangChain: check_embedding_ctx_length=False)",
            field="input",
        )
    return tuple([filled_text(item, f"input[{number}]") for number, item in enumerate(items)])


def _encode(result: EmbedResult, asked: str, as_text: bool) -> dict[str, object]:
    shown = _base64 if as_text else _numbers
    usage = result.embeddings.usage
    encoded: dict[str, object] = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": number, "embedding": shown(vector)}
            for number, vector in enumerate(result.embeddings.vectors)
        ],
        "model": asked,
        "usage": {"prompt_tokens": usage.input_tokens, "total_tokens": usage.total_tokens},
    }
    notes: dict[str, object] = {"warnings": list(result.warnings)} if result.warnings else {}
    if usage.estimated:
        notes["usage_estimated"] = True
    return encoded | {"llm_gateway": notes} if notes else encoded


def _numbers(vector: Sequence[float]) -> object:
    return vector


def _base64(vector: Sequence[float]) -> object:
    floats = array("f", vector)
    if sys.byteorder == "big":
        floats.byteswap()
    return b64encode(floats.tobytes()).decode("ascii")
