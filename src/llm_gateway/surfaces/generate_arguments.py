"""The arguments of ``generate``, to a request. Pure; checks what does not need the model's card."""

from collections.abc import Mapping
from dataclasses import replace

from llm_gateway.domain.callers import Caller
from llm_gateway.domain.content import Block, CachePoint, Message, Text
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import CacheMode, GenerateRequest
from llm_gateway.surfaces.call_arguments import MORE_ARGUMENTS, decode_more
from llm_gateway.surfaces.content_blocks import decode_content
from llm_gateway.surfaces.identity import a_name, an_idempotency_key
from llm_gateway.surfaces.json_values import (
    a_count,
    a_list,
    a_number,
    a_string,
    a_word,
    an_object,
    filled_text,
    only,
)

_ARGUMENTS = (
    *("model", "messages", "temperature", "max_tokens", "top_p"),
    *("stop_sequences", "system", "cache"),
)
_ALL_ARGUMENTS = _ARGUMENTS + MORE_ARGUMENTS
_PLAIN = frozenset(_ARGUMENTS)
TERMS = ("idempotency_key", "run_id", "parent_run_id", "agent")
_CACHE_MODES: Mapping[str, CacheMode] = {"use": "use", "refresh": "refresh", "bypass": "bypass"}
_MOST_TOKENS = 2**31 - 1
_MOST_STOPS = 2500  # Converse's own limit
_LONGEST_MODEL = 2048  # Converse's own limit


def decode_generate(arguments: Mapping[str, object]) -> GenerateRequest:
    """One request.

    Raises:
        InvalidRequest: names the argument and what belongs there.
    """
    is_plain = arguments.keys() <= _PLAIN
    if not is_plain:
        only(arguments, _ALL_ARGUMENTS, "")
    system, messages = _conversation(arguments.get("messages"))
    top_p, temperature = arguments.get("top_p"), arguments.get("temperature")
    max_tokens = arguments.get("max_tokens")
    cache = arguments.get("cache")
    return GenerateRequest(
        model=_model(arguments.get("model")),
        messages=messages,
        system=_system(arguments.get("system")) + system,
        temperature=None if temperature is None else a_number(temperature, "temperature", 0, 2),
        top_p=None if top_p is None else a_number(top_p, "top_p", 0, 1),
        max_tokens=None if max_tokens is None else a_count(max_tokens, "max_tokens", 1, _MOST_TOKENS),
        stop_sequences=_stop_sequences(arguments.get("stop_sequences")),
        cache="use" if cache is None else _CACHE_MODES[a_word(cache, "cache", tuple(_CACHE_MODES))],
        **({} if is_plain else decode_more(arguments)),
    )


def take_terms(arguments: Mapping[str, object], caller: Caller) -> tuple[Mapping[str, object], Caller]:
    """The arguments without those that say on what terms is asked, and the caller with them.

    Raises:
        InvalidRequest: names the argument and what belongs there.
    """
    if arguments.keys().isdisjoint(TERMS):
        return arguments, caller
    told: dict[str, str] = {}
    if arguments.get("idempotency_key") is not None:
        told["idempotency_key"] = an_idempotency_key(arguments["idempotency_key"], "idempotency_key")
    for name in ("run_id", "parent_run_id", "agent"):
        if arguments.get(name) is not None:
            told[name] = a_name(arguments[name], name)
    rest = {name: value for name, value in arguments.items() if name not in TERMS}
    return rest, replace(caller, **told)


def _model(value: object) -> str:
    if value is None:
        raise InvalidRequest("model is missing; name one that list_models shows, such as 'nova-lite'", field="model")
    model = filled_text(value, "model").strip()
    if len(model) > _LONGEST_MODEL:
        raise InvalidRequest(f"model is longer than {_LONGEST_MODEL} characters", field="model")
    return model


def _system(value: object) -> tuple[Block, ...]:
    return () if value is None else (Text(filled_text(value, "system")),)


def _stop_sequences(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    stops = a_list(value, "stop_sequences", "strings")
    if len(stops) > _MOST_STOPS:
        raise InvalidRequest(f"stop_sequences holds more than {_MOST_STOPS} strings", field="stop_sequences")
    for number, stop in enumerate(stops):
        if not a_string(stop, f"stop_sequences[{number}]"):
            raise InvalidRequest(f"stop_sequences[{number}] is empty", field=f"stop_sequences[{number}]")
    return tuple([str(stop) for stop in stops])


def _conversation(value: object) -> tuple[tuple[Block, ...], tuple[Message, ...]]:
    """System blocks in their order, and the turns of user and assistant."""
    if value is None:
        raise InvalidRequest(
            'messages is missing; send at least [{"role": "user", "content": "..."}]', field="messages"
        )
    system: list[Block] = []
    messages: list[Message] = []
    for number, item in enumerate(a_list(value, "messages", "{role, content} objects")):
        field = f"messages[{number}]"
        message = an_object(item, field)
        only(message, ("role", "content"), field)
        role = a_word(message.get("role"), f"{field}.role", ("system", "user", "assistant"))
        content = decode_content(message.get("content"), f"{field}.content")
        if role == "system":
            system += _system_blocks(content, f"{field}.content")
        else:
            messages.append(Message("user" if role == "user" else "assistant", content))
    if not messages:
        raise InvalidRequest("messages holds no user message; add one with role 'user'", field="messages")
    return tuple(system), tuple(messages)


def _system_blocks(blocks: tuple[Block, ...], field: str) -> tuple[Block, ...]:
    for block in blocks:
        if not isinstance(block, Text | CachePoint):
            raise InvalidRequest(f"{field} of a system message may hold text and cache points only", field=field)
    return blocks
