"""A chat completion as it is asked for, to a domain request. Pure; checks what does not need the model's card."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, NamedTuple, TypeVar, cast

from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import CacheMode, GenerateRequest, GuardrailWish, ReasoningWish
from llm_gateway.surfaces.door_limits import DoorLimits
from llm_gateway.surfaces.json_values import (
    a_count,
    a_list,
    a_number,
    a_string,
    a_word,
    an_object,
    filled_text,
    only,
    shown,
)
from llm_gateway.surfaces.omissions import Omissions
from llm_gateway.surfaces.openai_api.content_parts import Reader
from llm_gateway.surfaces.openai_api.messages import decode_messages
from llm_gateway.surfaces.openai_api.tools import a_flag, decode_response_format, decode_tool_choice, decode_tools

Body = Mapping[str, object]
Effort = Literal["none", "minimal", "low", "medium", "high", "max"]
Tier = Literal["priority", "flex", "reserved"]
Latency = Literal["standard", "optimized"]
Trace = Literal["enabled", "disabled", "enabled_full"]
StreamMode = Literal["sync", "async"]
Word = TypeVar("Word")

_MOST_TOKENS = 2**31 - 1
_MOST_STOPS = 2500  # Converse's own limit
_LONGEST_MODEL = 2048  # Converse's own limit
_MOST_PAIRS = 16
_EFFORTS: Mapping[str, Effort] = {
    "none": "none",
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "max": "max",
}
_TIERS: Mapping[str, Tier | None] = {
    "auto": None,
    "default": None,
    "priority": "priority",
    "flex": "flex",
    "reserved": "reserved",
}
_LATENCIES: Mapping[str, Latency] = {"standard": "standard", "optimized": "optimized"}
_TRACES: Mapping[str, Trace] = {"enabled": "enabled", "disabled": "disabled", "enabled_full": "enabled_full"}
_STREAM_MODES: Mapping[str, StreamMode] = {"sync": "sync", "async": "async"}
_PAIR_KEY = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{1,256}", re.ASCII)
_PAIR_VALUE = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}", re.ASCII)

_RARE = frozenset(
    {
        *("n", "tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "reasoning"),
        *("user", "metadata", "service_tier", "modalities"),
        *("guardrail", "latency", "extra_fields", "cache_prompt"),  # Bedrock's own, by our names
    }
)
_KNOWN = _RARE | {
    *("model", "messages", "temperature", "top_p", "max_tokens", "max_completion_tokens", "stop"),
    *("stream", "stream_options"),
}
# Parameters of OpenAI's that change nothing at these values; at others they are dropped.
_IDLE: Mapping[str, tuple[object, ...]] = {
    "frequency_penalty": (0, 0.0),
    "presence_penalty": (0, 0.0),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "store": (False,),
    "functions": ([],),
    "function_call": ("none",),
}


class ChatAsk(NamedTuple):
    """``origins``: see :class:`~llm_gateway.surfaces.openai_api.messages.Conversation`. ``dropped`` is the value of the
    header that names what was not honoured; empty where all was."""

    request: GenerateRequest
    stream: bool
    include_usage: bool
    origins: tuple[int, ...]
    dropped: bytes


def decode_chat(body: Body, cache: CacheMode, limits: DoorLimits) -> ChatAsk:
    """One request.

    Raises:
        InvalidRequest: names the parameter and what belongs there.
    """
    omissions = Omissions(strict=limits.strict_params)
    if not body.keys() <= _KNOWN:
        _drop_unknown(body, omissions)
    model = decode_model(body.get("model"))
    conversation = decode_messages(body.get("messages"), Reader(omissions), limits.max_messages)
    temperature, top_p, stop = body.get("temperature"), body.get("top_p"), body.get("stop")
    stream = a_flag(body.get("stream"), "stream")
    request = GenerateRequest(
        model=model,
        messages=conversation.messages,
        system=conversation.system,
        temperature=None if temperature is None else a_number(temperature, "temperature", 0, 2),
        top_p=None if top_p is None else a_number(top_p, "top_p", 0, 1),
        max_tokens=_max_tokens(body),
        stop_sequences=() if stop is None else _stop(stop),
        cache=cache,
    )
    if not _RARE.isdisjoint(body):
        request = _with_rare(request, body, limits.max_tools, omissions)
    options = body.get("stream_options")
    include_usage = False if options is None else _include_usage(options, stream, omissions)
    return ChatAsk(request, stream, include_usage, conversation.origins, omissions.header())


def _with_rare(request: GenerateRequest, body: Body, most_tools: int, omissions: Omissions) -> GenerateRequest:
    """The members most requests leave out."""
    _check_singular(body, omissions)
    tools = decode_tools(body.get("tools"), most_tools, omissions)
    parallel, extra = body.get("parallel_tool_calls"), body.get("extra_fields")
    return replace(
        request,
        tools=tools,
        tool_choice=decode_tool_choice(body.get("tool_choice"), tools),
        parallel_tool_calls=None if parallel is None else a_flag(parallel, "parallel_tool_calls"),
        reasoning=_reasoning(body),
        response_format=decode_response_format(body.get("response_format"), omissions),
        guardrail=_guardrail(body.get("guardrail")),
        service_tier=_service_tier(body.get("service_tier"), omissions),
        latency=_one_of(body.get("latency"), "latency", _LATENCIES),
        metadata=_metadata(body.get("metadata"), body.get("user"), omissions),
        extra_fields=None if extra is None else an_object(extra, "extra_fields") or None,
        cache_prompt=a_flag(body.get("cache_prompt"), "cache_prompt"),
    )


def _drop_unknown(body: Body, omissions: Omissions) -> None:
    strange = body.keys() - _KNOWN
    omissions.drop_all([name for name in strange if not _is_idle(name, body[name])])


def _is_idle(name: str, value: object) -> bool:
    return value is None or any([value == idle and type(value) is type(idle) for idle in _IDLE.get(name, ())])


def decode_model(value: object) -> str:
    """The caller's word for a model."""
    if value is None:
        raise InvalidRequest("model is missing; name one that GET /v1/models shows, such as 'nova-lite'", field="model")
    model = filled_text(value, "model").strip()
    if len(model) > _LONGEST_MODEL:
        raise InvalidRequest(f"model is longer than {_LONGEST_MODEL} characters", field="model")
    return model


def _check_singular(body: Body, omissions: Omissions) -> None:
    """``n`` must be 1, ``modalities`` text."""
    n = body.get("n")
    if n is not None and a_count(n, "n", 1, 128) != 1:
        raise InvalidRequest("n must be 1: a model answers once here; send the request again for more", field="n")
    modalities = body.get("modalities")
    if modalities is not None and a_list(modalities, "modalities", "words") != ["text"]:
        omissions.drop("modalities")


def _max_tokens(body: Body) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is not None:
            return a_count(value, name, 1, _MOST_TOKENS)
    return None


def _stop(value: object) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else a_list(value, "stop", "strings")
    if len(stops) > _MOST_STOPS:
        raise InvalidRequest(f"stop holds more than {_MOST_STOPS} strings", field="stop")
    for number, stop in enumerate(stops):
        if not a_string(stop, f"stop[{number}]"):
            raise InvalidRequest(f"stop[{number}] is empty", field=f"stop[{number}]")
    return tuple(cast("list[str]", stops))


def _reasoning(body: Body) -> ReasoningWish | None:
    """``reasoning_effort``, or ``reasoning`` with ``effort`` or ``max_tokens``."""
    effort, told = body.get("reasoning_effort"), body.get("reasoning")
    budget: object = None
    field = "reasoning_effort"
    if told is not None:
        wish = an_object(told, "reasoning")
        only(wish, ("effort", "max_tokens"), "reasoning")
        budget = wish.get("max_tokens")
        if effort is None:
            effort, field = wish.get("effort"), "reasoning.effort"
    if effort is None and budget is None:
        return None if told is None else ReasoningWish()
    return ReasoningWish(
        effort=_one_of(effort, field, _EFFORTS),
        budget_tokens=None if budget is None else a_count(budget, "reasoning.max_tokens", 1, _MOST_TOKENS),
    )


def _guardrail(value: object) -> GuardrailWish | None:
    if value is None:
        return None
    told = an_object(value, "guardrail")
    only(told, ("id", "version", "trace", "stream_mode"), "guardrail")
    return GuardrailWish(
        id=filled_text(told.get("id"), "guardrail.id"),
        version=filled_text(told.get("version"), "guardrail.version"),
        trace=_one_of(told.get("trace"), "guardrail.trace", _TRACES),
        stream_mode=_one_of(told.get("stream_mode"), "guardrail.stream_mode", _STREAM_MODES),
    )


def _service_tier(value: object, omissions: Omissions) -> Tier | None:
    tier = "auto" if value is None else a_string(value, "service_tier")
    if tier not in _TIERS:
        omissions.drop("service_tier")
    return _TIERS.get(tier)


def _one_of(value: object, field: str, words: Mapping[str, Word]) -> Word | None:
    return None if value is None else words[a_word(value, field, tuple(words))]


def _metadata(value: object, user: object, omissions: Omissions) -> Mapping[str, str] | None:
    """Pairs for AWS's invocation logs; the user stands among them. What Bedrock does not take is dropped."""
    if value is None and user is None:
        return None
    pairs: dict[str, str] = {}
    for key, given in an_object({} if value is None else value, "metadata").items():
        field = f"metadata.{shown(key)}"
        text = a_string(given, field)
        if _PAIR_KEY.fullmatch(key) and _PAIR_VALUE.fullmatch(text) and len(pairs) < _MOST_PAIRS:
            pairs[key] = text
        else:
            omissions.drop("metadata", field=field)
    if user is not None:
        name = a_string(user, "user")
        if name and _PAIR_VALUE.fullmatch(name) and len(pairs) < _MOST_PAIRS:
            pairs.setdefault("user", name)
        elif name:
            omissions.drop("user")
    return pairs or None


def _include_usage(value: object, stream: bool, omissions: Omissions) -> bool:
    if not stream:
        raise InvalidRequest("stream_options is for streams only; send stream: true with it", field="stream_options")
    options = an_object(value, "stream_options")
    strange = options.keys() - {"include_usage", "include_obfuscation"}
    if strange:
        omissions.drop_all(strange, inside="stream_options.", field="stream_options")
    return a_flag(options.get("include_usage"), "stream_options.include_usage")
