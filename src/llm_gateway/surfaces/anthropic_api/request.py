"""A request of ``POST /v1/messages`` as it is asked for, to a domain request. Pure; knows no model's card."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

from llm_gateway.domain.content import Block, CachePoint, Message, Reasoning, Text
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import CacheMode, GenerateRequest, ReasoningWish, ResponseFormat
from llm_gateway.surfaces.anthropic_api.blocks import TEXT_BLOCK, Reader
from llm_gateway.surfaces.anthropic_api.tools import read_tool_choice, read_tools
from llm_gateway.surfaces.call_arguments import decode_more
from llm_gateway.surfaces.door_limits import DoorLimits
from llm_gateway.surfaces.json_values import (
    a_count,
    a_list,
    a_number,
    a_string,
    a_word,
    an_object,
    filled_text,
    kind_of,
    plain_json,
)
from llm_gateway.surfaces.omissions import Omissions

Body = Mapping[str, object]
Effort = Literal["none", "minimal", "low", "medium", "high", "max"]
Tier = Literal["default", "priority", "flex", "reserved"]

_MOST_TOKENS = 2**31 - 1
_MOST_STOPS = 2500  # Converse's own limit
_LONGEST_MODEL = 2048  # Converse's own limit
_BLOCKS_PER_MESSAGE = 20  # on average: a limit on what a small body can grow into
_OWN = ("guardrail", "latency", "cache_prompt")  # Bedrock's own, as the tool generate takes them
_KNOWN = frozenset(
    {
        *("model", "max_tokens", "messages", "system", "temperature", "top_p", "top_k", "stop_sequences", "stream"),
        *("tools", "tool_choice", "thinking", "output_config", "metadata", "service_tier", "cache_control"),
        *_OWN,
    }
)
_EFFORTS: Mapping[str, Effort] = {"low": "low", "medium": "medium", "high": "high", "xhigh": "max", "max": "max"}
_TIERS: Mapping[str, Tier | None] = {
    "auto": None,
    "standard_only": "default",
    **{tier: tier for tier in get_args(Tier)},  # Bedrock's own words
}
_PAIR_VALUE = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{1,256}", re.ASCII)  # of Converse's requestMetadata
_BILLING_NOTE = "x-anthropic-billing-header:"


@dataclass(frozen=True, slots=True)
class Asked:
    """``dropped`` is the value of the header that names what was not honoured; empty where all was."""

    request: GenerateRequest
    stream: bool
    dropped: bytes


def decode_messages(body: Body, cache: CacheMode, limits: DoorLimits, *, counting: bool = False) -> Asked:
    """One request; when it is for ``counting`` only, ``max_tokens`` may be missing.

    Raises:
        InvalidRequest: names the parameter and what belongs there.
    """
    omissions = Omissions(strict=limits.strict_params)
    reader = Reader(omissions, _BLOCKS_PER_MESSAGE * limits.max_messages)
    _drop_unknown(body, omissions)
    temperature, top_p = body.get("temperature"), body.get("top_p")
    model = _model(body.get("model"))
    max_tokens = None if counting and body.get("max_tokens") is None else _max_tokens(body.get("max_tokens"))
    early, messages = _conversation(body, reader, limits.max_messages)
    choice, parallel = read_tool_choice(body.get("tool_choice"), reader)
    request = GenerateRequest(
        model=model,
        messages=messages,
        system=_system(body.get("system"), reader) + early,
        temperature=None if temperature is None else a_number(temperature, "temperature", 0, 1),
        top_p=None if top_p is None else a_number(top_p, "top_p", 0, 1),
        max_tokens=max_tokens,
        stop_sequences=_stop_sequences(body.get("stop_sequences")),
        tools=read_tools(body.get("tools"), reader, limits.max_tools),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        reasoning=_reasoning(body, max_tokens, omissions),
        response_format=_response_format(body, omissions),
        service_tier=_service_tier(body.get("service_tier")),
        metadata=_metadata(body.get("metadata"), omissions),
        extra_fields=_extra_fields(body.get("top_k")),
        cache=cache,
        **decode_more({name: body[name] for name in _OWN if name in body}),
    )
    _check_choice(request)
    return Asked(request, a_flag(body.get("stream"), "stream"), omissions.header())


def a_flag(value: object, field: str) -> bool:
    """``true`` or ``false``; null counts as false."""
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidRequest(f"{field} must be true or false; got {kind_of(value)}", field=field)


def _drop_unknown(body: Body, omissions: Omissions) -> None:
    strange = body.keys() - _KNOWN
    if strange:
        omissions.drop_all([name for name in strange if body[name] is not None])


def _model(value: object) -> str:
    if value is None:
        raise InvalidRequest("model is missing; name one, such as 'claude-haiku-4-5'", field="model")
    model = filled_text(value, "model").strip()
    if len(model) > _LONGEST_MODEL:
        raise InvalidRequest(f"model is longer than {_LONGEST_MODEL} characters", field="model")
    return model


def _max_tokens(value: object) -> int:
    if value is None:
        raise InvalidRequest("max_tokens is missing; say how long the answer may be, such as 1024", field="max_tokens")
    return a_count(value, "max_tokens", 1, _MOST_TOKENS)


# --- the conversation -------------------------------------------------------------------------------------------------


def _conversation(body: Body, reader: Reader, most: int) -> tuple[tuple[Block, ...], tuple[Message, ...]]:
    """System texts that stand among the messages, and the turns of user and assistant."""
    value = body.get("messages")
    if value is None:
        raise InvalidRequest(
            'messages is missing; send at least [{"role": "user", "content": "..."}]', field="messages"
        )
    items = a_list(value, "messages", "{role, content} objects")
    if len(items) > most:
        raise InvalidRequest(f"messages holds {len(items)}, more than {most} (MAX_MESSAGES)", field="messages")
    system: list[Block] = []
    turns: list[Message] = []
    for number, item in enumerate(items):
        field = f"messages[{number}]"
        message = an_object(item, field)
        role = a_word(message.get("role"), f"{field}.role", ("user", "assistant", "system"))
        reader.known_only(message, frozenset({"role", "content"}), field, "messages")
        if role == "system":
            system += _system(message.get("content"), reader, f"{field}.content")
        elif role == "user":
            turns.append(Message("user", reader.content(message.get("content"), f"{field}.content", "user")))
        else:
            turns.append(Message("assistant", reader.content(message.get("content"), f"{field}.content", "assistant")))
    if not turns:
        raise InvalidRequest("messages holds no user message; add one with role 'user'", field="messages")
    point = reader.cache_point(body, "")
    if point is not None:
        turns[-1] = _ended(turns[-1], point)
    return tuple(system), tuple(turns)


def _ended(turn: Message, point: CachePoint) -> Message:
    """``cache_control`` of the whole request: the prefix ends with the last block that may end one."""
    if isinstance(turn.content[-1], CachePoint | Reasoning):
        return turn
    return replace(turn, content=(*turn.content, point))


def _system(value: object, reader: Reader, field: str = "system") -> tuple[Block, ...]:
    """Texts and cache points; blank texts are left out, and the note that Claude Code writes to Anthropic's billing:
    it changes from call to call and would spoil every prompt cache."""
    if value is None:
        return ()
    if isinstance(value, str):
        text = a_string(value, field)
        return (Text(text),) if text and not text.isspace() else ()
    found: list[Block] = []
    for block in reader.blocks(value, field, TEXT_BLOCK):
        noted = isinstance(block, Text) and block.text.startswith(_BILLING_NOTE)
        if not noted and (found or not isinstance(block, CachePoint)):
            found.append(block)
    return tuple(found)


# --- how to answer ----------------------------------------------------------------------------------------------------


def _stop_sequences(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    stops = a_list(value, "stop_sequences", "strings")
    if len(stops) > _MOST_STOPS:
        raise InvalidRequest(f"stop_sequences holds more than {_MOST_STOPS} strings", field="stop_sequences")
    for number, stop in enumerate(stops):
        filled_text(stop, f"stop_sequences[{number}]")
    return tuple(cast("list[str]", stops))


def _reasoning(body: Body, max_tokens: int | None, omissions: Omissions) -> ReasoningWish | None:
    """``thinking`` and ``output_config.effort`` as one wish."""
    output = an_object({} if body.get("output_config") is None else body["output_config"], "output_config")
    told = output.get("effort")
    effort = None if told is None else _EFFORTS[a_word(told, "output_config.effort", tuple(_EFFORTS))]
    if body.get("thinking") is None:
        return None if effort is None else ReasoningWish(effort=effort)
    thinking = an_object(body["thinking"], "thinking")
    kind = a_word(thinking.get("type"), "thinking.type", ("enabled", "adaptive", "disabled"))
    if thinking.get("display") not in (None, "summarized"):
        omissions.drop("thinking.display")
    omissions.drop_all(thinking.keys() - {"type", "budget_tokens", "display"}, inside="thinking.", field="thinking")
    if kind == "disabled":
        if effort is not None:
            omissions.drop("output_config.effort")
        return ReasoningWish(effort="none")
    if kind == "adaptive":
        return ReasoningWish(effort=effort)
    budget = a_count(thinking.get("budget_tokens"), "thinking.budget_tokens", 1024, _MOST_TOKENS)
    if max_tokens is not None and budget >= max_tokens:
        raise InvalidRequest(
            f"thinking.budget_tokens is {budget} and must be less than max_tokens, which is {max_tokens}",
            field="thinking.budget_tokens",
        )
    return ReasoningWish(effort=effort, budget_tokens=budget)


def _response_format(body: Body, omissions: Omissions) -> ResponseFormat | None:
    output = body.get("output_config")
    if output is None:
        return None
    told = an_object(output, "output_config")
    omissions.drop_all(told.keys() - {"effort", "format"}, inside="output_config.", field="output_config")
    if told.get("format") is None:
        return None
    form = an_object(told["format"], "output_config.format")
    a_word(form.get("type"), "output_config.format.type", ("json_schema",))
    schema = an_object(form.get("schema"), "output_config.format.schema")
    plain_json(schema, "output_config.format.schema")
    return ResponseFormat("json_schema", schema=schema)


def _service_tier(value: object) -> Tier | None:
    return None if value is None else _TIERS[a_word(value, "service_tier", tuple(_TIERS))]


def _metadata(value: object, omissions: Omissions) -> Mapping[str, str] | None:
    """The user, for AWS's invocation logs; an id that Bedrock does not take is dropped."""
    if value is None:
        return None
    told = an_object(value, "metadata")
    omissions.drop_all(told.keys() - {"user_id"}, inside="metadata.", field="metadata")
    if told.get("user_id") is None:
        return None
    user = a_string(told["user_id"], "metadata.user_id")
    if not _PAIR_VALUE.fullmatch(user):
        omissions.drop("metadata.user_id")
        return None
    return {"user": user}


def _extra_fields(top_k: object) -> Mapping[str, object] | None:
    return None if top_k is None else {"top_k": a_count(top_k, "top_k", 0, 2**31 - 1)}


def _check_choice(request: GenerateRequest) -> None:
    """A choice that needs tools has them."""
    choice = request.tool_choice
    if choice is None or choice.kind in ("auto", "none"):
        return
    if not request.tools:
        raise InvalidRequest("tool_choice asks for a tool, but there are none; send tools", field="tool_choice")
    if choice.kind == "tool" and not any([tool.name == choice.name for tool in request.tools]):
        raise InvalidRequest(
            f"tool_choice.name is {str(choice.name)[:80]!r}, which no tool in tools is called", field="tool_choice.name"
        )
