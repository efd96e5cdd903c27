"""Tools that look before they leap: count_tokens, estimate_cost, and compare, which asks several models at once."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import structlog
from mcp.types import ToolAnnotations

from llm_gateway.domain.errors import GatewayError, InvalidRequest
from llm_gateway.domain.forecasts import TokenCount
from llm_gateway.domain.requests import GenerateRequest
from llm_gateway.gateway import Gateway
from llm_gateway.surfaces import forecast_schemas as s
from llm_gateway.surfaces.asking import Arguments, Asking, Offer
from llm_gateway.surfaces.encoding import Json, encode_generation, usd
from llm_gateway.surfaces.generate_arguments import decode_generate
from llm_gateway.surfaces.json_values import a_list, filled_text
from llm_gateway.surfaces.wire_errors import error_body, internal_error_body

_MOST_MODELS = 10


def forecast_tools(gateway: Gateway) -> list[Offer]:
    """What :class:`~llm_gateway.surfaces.mcp_tools.GatewayTool` offers beside the first three."""

    async def count_tokens(arguments: Arguments, _: Asking) -> Json:
        return _encode_count(await gateway.forecasts.count_tokens(decode_generate(_with_prompt(arguments))))

    async def estimate_cost(arguments: Arguments, _: Asking) -> Json:
        forecast = await gateway.forecasts.forecast(decode_generate(_with_prompt(arguments)))
        return {
            **_encode_count(forecast.count),
            "max_tokens": forecast.max_tokens,
            "low_usd": usd(forecast.least_nano_usd),
            "high_usd": usd(forecast.most_nano_usd),
        }

    async def compare(arguments: Arguments, asking: Asking) -> Json:
        try:
            requests = _decode_compare(arguments)
        except GatewayError as error:
            gateway.turn_away(error, request_id=asking.request_id)
            raise
        rows = await asyncio.gather(
            *[
                _row(gateway, request, replace(asking, request_id=f"{asking.request_id}_{number}"))
                for number, request in enumerate(requests, 1)
            ]
        )
        return _side_by_side(rows)

    looking = ToolAnnotations(read_only_hint=True, idempotent_hint=True, destructive_hint=False, open_world_hint=True)
    asking = ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=True)
    return [
        ("count_tokens", s.COUNT_TOKENS, (s.COUNT_INPUT, s.COUNT_OUTPUT), count_tokens, looking),
        ("estimate_cost", s.ESTIMATE_COST, (s.COST_INPUT, s.COST_OUTPUT), estimate_cost, looking),
        ("compare", s.COMPARE, (s.COMPARE_INPUT, s.COMPARE_OUTPUT), compare, asking),
    ]


def _with_prompt(arguments: Arguments) -> Arguments:
    """``prompt`` as the one user message it stands for."""
    prompt = arguments.get("prompt")
    if prompt is None:
        return {name: value for name, value in arguments.items() if name != "prompt"}
    if arguments.get("messages") is not None:
        raise InvalidRequest("give either prompt or messages, not both", field="prompt")
    text = filled_text(prompt, "prompt")
    return {**_without(arguments, "prompt"), "messages": [{"role": "user", "content": text}]}


def _without(arguments: Arguments, *names: str) -> dict[str, object]:
    return {name: value for name, value in arguments.items() if name not in names}


def _encode_count(count: TokenCount) -> Json:
    return {
        "model": count.model,
        "model_id": count.model_id,
        "input_tokens": count.input_tokens,
        "estimated": count.estimated,
    }


# --- compare ----------------------------------------------------------------------------------------------------------


def _decode_compare(arguments: Arguments) -> list[GenerateRequest]:
    if "model" in arguments:
        raise InvalidRequest("model is not known; name the models to compare in models", field="model")
    names = a_list(arguments.get("models"), "models", "model names")
    if not 1 <= len(names) <= _MOST_MODELS:
        raise InvalidRequest(f"models must hold 1 to {_MOST_MODELS} names; got {len(names)}", field="models")
    models = [filled_text(name, f"models[{number}]").strip() for number, name in enumerate(names)]
    request = decode_generate({**_without(_with_prompt(arguments), "models"), "model": models[0]})
    return [replace(request, model=model) for model in dict.fromkeys(models)]


async def _row(gateway: Gateway, request: GenerateRequest, asking: Asking) -> Json:
    """One model's answer, or its error; only leaving ends it otherwise."""
    request_id = asking.request_id
    try:
        generation = await gateway.generate(request, request_id=request_id, caller=asking.caller)
    except GatewayError as error:
        return {"asked": request.model, "error": error_body(error, request_id)}
    except Exception:  # noqa: BLE001 - as at the top of this surface: the other models' answers are paid for
        structlog.get_logger().exception("internal_error", request_id=request_id, tool="compare")
        return {"asked": request.model, "error": internal_error_body(request_id)}
    return {"asked": request.model, **encode_generation(generation, has_format=request.response_format is not None)}


def _side_by_side(rows: list[Json]) -> Json:
    answered = [row for row in rows if "error" not in row]
    costs = [Decimal(str(row["estimated_cost_usd"])) for row in answered if row["estimated_cost_usd"] is not None]
    return {
        "rows": rows,
        "cheapest": _best(answered, "estimated_cost_usd"),
        "fastest": _best([row for row in answered if not row["cached"]], "latency_ms"),
        "total_cost_usd": float(sum(costs)) if len(costs) == len(answered) else None,
    }


def _best(rows: list[Json], member: str) -> object:
    """Who has the least of it; ``None`` where nobody tells."""
    measured = [(float(str(row[member])), str(row["asked"])) for row in rows if row[member] is not None]
    return min(measured)[1] if measured else None
