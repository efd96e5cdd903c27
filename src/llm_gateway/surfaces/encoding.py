"""What the tools give back, as JSON objects. Pure; money becomes a float here and nowhere earlier."""

from datetime import date
from decimal import Decimal

from llm_gateway.domain.cards import ModelCard, PriceList
from llm_gateway.domain.completions import Generation, Usage
from llm_gateway.domain.content import text_of
from llm_gateway.reports import Stats
from llm_gateway.surfaces.answer_blocks import encode_more

_NANO = Decimal(10**9)
Json = dict[str, object]


def usd(nano_usd: int | None) -> float | None:
    """Nano-US-dollars as US dollars; ``None`` stays ``None``."""
    return None if nano_usd is None else float(nano_usd / _NANO)


def encode_usage(usage: Usage) -> Json:
    """Token counts; the prompt cache's only where there are any."""
    encoded: Json = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
    if usage.cache_read_tokens:
        encoded["cache_read_tokens"] = usage.cache_read_tokens
    if usage.cache_write_tokens:
        encoded["cache_write_tokens"] = usage.cache_write_tokens
    if usage.estimated:
        encoded["estimated"] = True
    return encoded


def encode_generation(generation: Generation, *, has_format: bool = False) -> Json:
    """The result of ``generate``; ``has_format``: a ``response_format`` was asked for."""
    completion = generation.completion
    encoded: Json = {
        "content": text_of(completion.blocks),
        "model": generation.model,
        "model_id": generation.model_id,
        "usage": encode_usage(completion.usage),
        "finish_reason": completion.finish_reason,
        "cached": generation.cached,
        **_kept(generation),
        "latency_ms": round(generation.latency_ms, 3),
        "estimated_cost_usd": usd(generation.cost_nano_usd),
        "request_id": generation.request_id,
        "warnings": list(generation.warnings),
        **({"route": generation.way} if generation.way is not None else {}),
        **encode_more(completion.blocks),
    }
    if has_format and completion.finish_reason != "tool_use":
        encoded["format_valid"] = completion.format_fault is None
    if completion.format_fault is not None:
        encoded["format_fault"] = completion.format_fault
    if completion.guardrail_trace is not None:
        encoded["guardrail_trace"] = completion.guardrail_trace
    return encoded


def _kept(generation: Generation) -> Json:
    """Of a kept answer: which tier had it, and for how many seconds."""
    if generation.cache_tier is None:
        return {}
    return {"cache_tier": generation.cache_tier, "cache_age_s": int(generation.cache_age_s)}


def _per_1k(per_mtok: Decimal | None) -> float | None:
    return None if per_mtok is None else float(per_mtok / 1000)


def _profile_prices(prices: PriceList | None, prefix: str) -> Json:
    """What the model costs through an inference profile; ``None`` where that price is not known."""
    price = None if prices is None or prefix not in prices.profiles else prices.profiles[prefix] or prices.base
    return {
        "input_cost_per_1k": _per_1k(price.input_per_mtok) if price else None,
        "output_cost_per_1k": _per_1k(price.output_per_mtok) if price else None,
    }


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def encode_card(card: ModelCard) -> Json:
    """One entry of ``list_models``; prices in US dollars per 1,000 tokens, ``None`` where unknown."""
    prices, life = card.prices, card.lifecycle
    return {
        "name": card.name,
        "model_id": card.id,
        "description": card.description,
        "provider": card.provider,
        "context_window": card.context_window_tokens,
        "max_tokens": card.max_output_tokens,
        "input_cost_per_1k": _per_1k(prices.base.input_per_mtok) if prices else None,
        "output_cost_per_1k": _per_1k(prices.base.output_per_mtok) if prices else None,
        "cache_read_cost_per_1k": _per_1k(prices.cache_read_per_mtok) if prices else None,
        "cache_write_cost_per_1k": _per_1k(prices.cache_write_5m_per_mtok) if prices else None,
        "supports_system": card.can("system"),
        "input_modalities": list(card.input_modalities),
        "output_modalities": list(card.output_modalities),
        "capabilities": sorted(card.capabilities),
        "profiles": {prefix: _profile_prices(prices, prefix) for prefix in card.profiles},
        "lifecycle": {
            "status": life.status,
            "ends_on": _day(life.ends_on),
            "successor": life.successor,
            "note": life.note,
        },
        "price_source": prices.source if prices else None,
        "price_checked_on": _day(prices.checked_on) if prices else None,
    }


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def _ms(value: float | None) -> float:
    return round(value, 3) if value is not None else 0.0


def encode_stats(stats: Stats) -> Json:
    """The result of ``get_stats``."""
    metrics, cache = stats.metrics, stats.cache
    ttl = int(cache.ttl_s) if float(cache.ttl_s).is_integer() else cache.ttl_s
    return {
        "metrics": {
            "enabled": metrics.enabled,
            "since": metrics.since,
            "total_requests": metrics.total_requests,
            "successful_requests": metrics.successful_requests,
            "errors": metrics.errors,
            "error_rate_percent": _percent(metrics.errors, metrics.total_requests),
            "total_tokens": metrics.total_tokens,
            "total_cost_usd": usd(metrics.total_cost_nano_usd),
            "unpriced_calls": metrics.unpriced_calls,
            "cache_hits": metrics.cache_hits,
            "cache_misses": metrics.cache_misses,
            "cache_hit_rate_percent": _percent(metrics.cache_hits, metrics.cache_hits + metrics.cache_misses),
            "average_latency_ms": _ms(metrics.average_latency_ms),
            "latency_ms": {
                "p50": _ms(metrics.latency_p50_ms),
                "p95": _ms(metrics.latency_p95_ms),
                "p99": _ms(metrics.latency_p99_ms),
            },
            "requests_by_model": metrics.requests_by_model,
            "tokens_by_model": metrics.tokens_by_model,
            "cost_by_model": {name: usd(cost) for name, cost in metrics.cost_nano_usd_by_model.items()},
            "errors_by_code": metrics.errors_by_code,
        },
        "cache": {
            "current_size": cache.current_size,
            "max_size": cache.max_size,
            "ttl": ttl,
            "enabled": cache.enabled,
        },
        "workers": stats.workers,
    }
