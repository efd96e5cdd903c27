"""``POST /v1/chat/completions``: whole answers and streams. Decode, ask, encode.

Law: nothing is sent before the model's first word, so a failure before it has its HTTP status. One send for each batch
of deltas; a slow reader holds up nobody but itself.
"""

import re
from collections.abc import Mapping, Sequence

import orjson

from llm_gateway.domain.completions import Delta, Generation
from llm_gateway.domain.errors import GatewayError, InvalidRequest, UnsupportedFeature
from llm_gateway.gateway import Gateway
from llm_gateway.surfaces.door_limits import DoorLimits
from llm_gateway.surfaces.encoding import usd
from llm_gateway.surfaces.http_headers import cache_mode, kept_headers, standing_headers
from llm_gateway.surfaces.openai_api.answers import chat_completion, cost_text
from llm_gateway.surfaces.openai_api.chat_request import ChatAsk, decode_chat
from llm_gateway.surfaces.openai_api.chunks import ChunkWriter
from llm_gateway.surfaces.openai_api.replies import Caller, header_text, send_json
from llm_gateway.surfaces.way_words import route_header

_EVENT_STREAM = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_OUR_INDEX = re.compile(r"(?<![\w.])messages\[(\d{1,9})\]", re.ASCII)


async def complete_chat(body: Mapping[str, object], caller: Caller, gateway: Gateway, limits: DoorLimits) -> None:
    """Answers one request.

    Raises:
        GatewayError: an expected failure; what was sent until then says whether the answer had begun.
    """
    try:
        ask = decode_chat(body, cache_mode(caller.headers), limits)
    except GatewayError as error:
        gateway.turn_away(error, request_id=caller.request_id)
        raise
    try:
        await (_stream if ask.stream else _whole)(ask, caller, gateway)
    except (InvalidRequest, UnsupportedFeature) as error:
        raise _by_the_callers_numbers(error, ask.origins) from error


async def _whole(ask: ChatAsk, caller: Caller, gateway: Gateway) -> None:
    generation = await gateway.generate(ask.request, request_id=caller.request_id, caller=caller.who)
    answer = chat_completion(
        generation, asked=ask.request.model, answer_id=caller.answer_id, created_s=caller.asked_at_s
    )
    await send_json(caller, 200, orjson.dumps(answer), _told(ask, generation))


async def _stream(ask: ChatAsk, caller: Caller, gateway: Gateway) -> None:
    writer = ChunkWriter(
        asked=ask.request.model,
        answer_id=caller.answer_id,
        created_s=caller.asked_at_s,
        include_usage=ask.include_usage,
    )

    standing: dict[str, str] = {}
    way: dict[str, object] = {}

    async def on_deltas(deltas: Sequence[Delta]) -> None:
        if caller.begun:
            await caller.send_piece(writer.deltas(deltas))
            return
        model = str(way.get("model") or gateway.resolve(ask.request.model).name)
        early = _known_early(ask, model, cached=False) + standing_headers(standing) + route_header(way or None)
        await caller.begin(200, [*_EVENT_STREAM, *early])
        await caller.send_piece(writer.role() + writer.deltas(deltas))

    generation = await gateway.generate(
        ask.request,
        request_id=caller.request_id,
        caller=caller.who,
        on_deltas=on_deltas,
        on_standing=standing.update,
        on_way=way.update,
    )
    last = writer.end(generation, usd(generation.cost_nano_usd))
    if not caller.begun:
        await caller.begin(200, [*_EVENT_STREAM, *_told(ask, generation)])
        last = writer.role() + writer.whole(generation.completion.blocks) + last
    await caller.send_last(last)


def _known_early(ask: ChatAsk, model: str, *, cached: bool) -> list[tuple[bytes, bytes]]:
    cache = b"bypass" if ask.request.cache == "bypass" else b"hit" if cached else b"miss"
    headers = [(b"x-llm-gateway-cache", cache), (b"x-llm-gateway-model", header_text(model))]
    if ask.dropped:
        headers.append((b"x-llm-gateway-dropped-params", ask.dropped))
    return headers


def _told(ask: ChatAsk, generation: Generation) -> list[tuple[bytes, bytes]]:
    headers = _known_early(ask, generation.model, cached=generation.cached) + kept_headers(generation)
    if generation.cost_nano_usd is not None:
        headers.append((b"x-llm-gateway-cost-usd", cost_text(generation.cost_nano_usd)))
    return headers + standing_headers(generation.standing) + route_header(generation.way)


def _by_the_callers_numbers(error: InvalidRequest | UnsupportedFeature, origins: Sequence[int]) -> GatewayError:
    """The same refusal with the caller's own index of the message: system and tool messages are counted differently."""

    def renumber(text: str) -> str:
        return _OUR_INDEX.sub(lambda found: f"messages[{_origin(int(found[1]), origins)}]", text)

    message, field = renumber(error.message), renumber(error.field) if error.field else None
    renumbered: GatewayError = InvalidRequest(message, field=field, code=error.code)
    if isinstance(error, UnsupportedFeature):
        renumbered = UnsupportedFeature(message, model=error.model, feature=error.feature, field=field)
    renumbered.way = error.way
    return renumbered


def _origin(number: int, origins: Sequence[int]) -> int:
    return origins[number] if number < len(origins) else number
