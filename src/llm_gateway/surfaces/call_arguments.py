"""What ``generate`` takes beside the conversation: tools, form, thinking, guardrail, tier and the like. Pure.

One function an argument; an argument that is null is as good as left out.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import GuardrailWish, ReasoningWish
from llm_gateway.surfaces.json_values import a_count, a_string, a_word, an_object, filled_text, only, plain_json
from llm_gateway.surfaces.tool_arguments import a_flag, decode_response_format, decode_tool_choice, decode_tools

_EFFORTS = ("none", "minimal", "low", "medium", "high", "max")
_TRACES = ("enabled", "disabled", "enabled_full")
_MOST_TOKENS = 2**31 - 1
_MOST_METADATA = 16  # Converse's own limit


def decode_more(arguments: Mapping[str, object]) -> dict[str, Any]:
    """The members of a request that these arguments are.

    Raises:
        InvalidRequest: names the argument and what belongs there.
    """
    found: dict[str, Any] = {}
    for name, (member, decode) in _DECODERS.items():
        value = arguments.get(name)
        if value is not None:
            found[member] = decode(value)
    return found


def _reasoning(value: object) -> ReasoningWish:
    told = an_object(value, "reasoning")
    only(told, ("effort", "budget_tokens"), "reasoning")
    effort, budget = told.get("effort"), told.get("budget_tokens")
    if effort is not None and budget is not None:
        raise InvalidRequest("reasoning takes either effort or budget_tokens, not both", field="reasoning")
    return ReasoningWish(
        effort=None if effort is None else cast("Any", a_word(effort, "reasoning.effort", _EFFORTS)),
        budget_tokens=None if budget is None else a_count(budget, "reasoning.budget_tokens", 1, _MOST_TOKENS),
    )


def _guardrail(value: object) -> GuardrailWish:
    told = an_object(value, "guardrail")
    only(told, ("id", "version", "trace", "stream_mode"), "guardrail")
    trace, mode, version = told.get("trace"), told.get("stream_mode"), told.get("version")
    if isinstance(version, int) and not isinstance(version, bool):
        version = str(a_count(version, "guardrail.version", 1, 99_999_999))
    return GuardrailWish(
        id=filled_text(told.get("id"), "guardrail.id"),
        version=filled_text(version, "guardrail.version"),
        trace=None if trace is None else cast("Any", a_word(trace, "guardrail.trace", _TRACES)),
        stream_mode=None if mode is None else cast("Any", a_word(mode, "guardrail.stream_mode", ("sync", "async"))),
    )


def _metadata(value: object) -> dict[str, str]:
    told = an_object(value, "metadata")
    if len(told) > _MOST_METADATA:
        raise InvalidRequest(f"metadata holds {len(told)} pairs; at most {_MOST_METADATA} are taken", field="metadata")
    return {a_string(name, "metadata"): a_string(text, f"metadata.{name}"[:200]) for name, text in told.items()}


def _one_of(field: str, *words: str) -> Callable[[object], str]:
    return lambda value: a_word(value, field, words)


def _flag(field: str) -> Callable[[object], bool]:
    return lambda value: a_flag(value, field)


def _fields(value: object) -> Mapping[str, object]:
    name = "additional_model_request_fields"
    return an_object(plain_json(value, name), name)


_DECODERS: Mapping[str, tuple[str, Callable[[object], object]]] = {
    "tools": ("tools", decode_tools),
    "tool_choice": ("tool_choice", decode_tool_choice),
    "parallel_tool_calls": ("parallel_tool_calls", _flag("parallel_tool_calls")),
    "response_format": ("response_format", decode_response_format),
    "reasoning": ("reasoning", _reasoning),
    "guardrail": ("guardrail", _guardrail),
    "service_tier": ("service_tier", _one_of("service_tier", "default", "priority", "flex", "reserved")),
    "latency": ("latency", _one_of("latency", "standard", "optimized")),
    "metadata": ("metadata", _metadata),
    "additional_model_request_fields": ("extra_fields", _fields),
    "cache_prompt": ("cache_prompt", _flag("cache_prompt")),
}
MORE_ARGUMENTS = tuple(_DECODERS)
