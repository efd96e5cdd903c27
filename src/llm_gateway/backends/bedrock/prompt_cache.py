"""Where prompt-cache points stand: the caller's own, as far as the model takes them, and ours where he asked. Pure.

Bedrock reads tools, then system, then messages; a point ends the prefix that is kept. At most four in a request, none
behind a prefix below the model's minimum, and no longer time to live behind a shorter one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from llm_gateway.backends.bedrock.estimate import blocks_tokens, tools_tokens
from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.content import Block, CachePoint, Message
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import GenerateRequest, ToolSpec

MAX_CACHE_POINTS = 4
_LEAST_TOKENS = 1_024
_ONE_HOUR = "1h"

Parts = tuple[tuple[ToolSpec, ...], tuple[Block, ...], tuple[Message, ...]]
"""Tools, system, messages."""


def check_cache_points(request: GenerateRequest) -> None:
    """Raises InvalidRequest for too many points, or a longer time to live behind a shorter one."""
    points = list(_points(request.tools, request.system, request.messages))
    if not points:
        return
    if len(points) > MAX_CACHE_POINTS:
        raise InvalidRequest(
            f"the request has {len(points)} cache points; Bedrock takes at most {MAX_CACHE_POINTS}", field="messages"
        )
    short = None
    for field, point in points:
        if point.ttl != _ONE_HOUR:
            short = short or field
        elif short:
            raise InvalidRequest(
                f"{field} asks for 1h behind the 5m of {short}; in the order tools, system, messages a longer time "
                "may not follow a shorter one",
                field=field,
            )


def has_cache_points(request: GenerateRequest) -> bool:
    """Whether the caller has set any himself."""
    return next(_points(request.tools, request.system, request.messages), None) is not None


def fit_cache_points(parts: Parts, card: ModelCard | None, *, place: bool, warnings: list[str]) -> Parts:
    """The parts with the points this model takes; with ``place`` ours are added."""
    if card is not None and not card.can("prompt_cache"):
        if place or next(_points(*parts), None) is not None:
            warnings.append(f"prompt caching was left out: {card.name} is not known to have it")
        return _without_points(parts)
    if card is not None and card.provider == "amazon":
        parts = _as_nova_takes_them(parts, card, warnings)
    if not place:
        return parts
    if card is None:
        warnings.append("cache_prompt was left out: it is not known whether this model has a prompt cache")
        return parts
    return _placed(parts, card)


def _points(
    tools: Sequence[ToolSpec], system: Sequence[Block], messages: Sequence[Message]
) -> Iterator[tuple[str, CachePoint]]:
    """Each point with its place, in the order in which Bedrock reads them."""
    for at, tool in enumerate(tools):
        if tool.cache_point is not None:
            yield f"tools[{at}].cache_point", tool.cache_point
    for at, block in enumerate(system):
        if isinstance(block, CachePoint):
            yield f"system[{at}]", block
    for at, message in enumerate(messages):
        for place, block in enumerate(message.content):
            if isinstance(block, CachePoint):
                yield f"messages[{at}].content[{place}]", block


def _without_points(parts: Parts) -> Parts:
    tools, system, messages = parts
    return (
        tuple([replace(tool, cache_point=None) if tool.cache_point else tool for tool in tools]),
        tuple([block for block in system if not isinstance(block, CachePoint)]),
        tuple([_changed(message, None) for message in messages]),
    )


def _changed(message: Message, point: CachePoint | None) -> Message:
    """Every point of the message replaced by this one, or left out."""
    if not any([isinstance(block, CachePoint) for block in message.content]):
        return message
    blocks = [point if isinstance(block, CachePoint) else block for block in message.content]
    return replace(message, content=tuple([block for block in blocks if block is not None]))


def _as_nova_takes_them(parts: Parts, card: ModelCard, warnings: list[str]) -> Parts:
    """Nova keeps no tools, and everything for five minutes."""
    tools, system, messages = parts
    if any([tool.cache_point for tool in tools]):
        warnings.append(f"the cache point of the tools was left out: {card.name} keeps system and messages only")
        tools = tuple([replace(tool, cache_point=None) for tool in tools])
    if any([point.ttl == _ONE_HOUR for _, point in _points(tools, system, messages)]):
        warnings.append(f"the time to live of cache points was left out: {card.name} keeps a prompt for 5 minutes")
        plain = CachePoint()
        system = tuple([plain if isinstance(block, CachePoint) else block for block in system])
        messages = tuple([_changed(message, plain) for message in messages])
    return tools, system, messages


# --- ours -------------------------------------------------------------------------------------------------------------


def _placed(parts: Parts, card: ModelCard) -> Parts:
    """After the tools, after the system, and after the last two user turns of a conversation that goes on: this turn
    reads what the turn before has written, and writes for the next one."""
    tools, system, messages = parts
    room = MAX_CACHE_POINTS - len(list(_points(*parts)))
    least = card.cache_min_tokens or _LEAST_TOKENS
    last_long = _last_of_one_hour(parts)
    size = tools_tokens(tools)
    wants_tool_point = bool(tools) and card.provider == "anthropic" and size >= least and tools[-1].cache_point is None
    size += blocks_tokens(system)
    if room and system and size >= least and not isinstance(system[-1], CachePoint):
        system = (*system, _point(1, last_long))
        room -= 1
    users = [at for at, message in enumerate(messages) if message.role == "user"]
    turns = list(messages)
    for at in (users[-1:] + users[-2:-1]) if len(users) > 1 else ():
        before = size + sum([blocks_tokens(message.content) for message in messages[: at + 1]])
        if room and before >= least and not isinstance(messages[at].content[-1], CachePoint):
            turns[at] = replace(messages[at], content=(*messages[at].content, _point(2 + at, last_long)))
            room -= 1
    if room and wants_tool_point:
        tools = (*tools[:-1], replace(tools[-1], cache_point=_point(0, last_long)))
    return tools, system, tuple(turns)


def _last_of_one_hour(parts: Parts) -> int:
    """The section (0 tools, 1 system, 2 and up messages) of the caller's last point of one hour; -1 for none."""
    tools, system, messages = parts
    found = -1
    if any([tool.cache_point is not None and tool.cache_point.ttl == _ONE_HOUR for tool in tools]):
        found = 0
    if any([isinstance(block, CachePoint) and block.ttl == _ONE_HOUR for block in system]):
        found = 1
    for at, message in enumerate(messages):
        if any([isinstance(block, CachePoint) and block.ttl == _ONE_HOUR for block in message.content]):
            found = 2 + at
    return found


def _point(section: int, last_long: int) -> CachePoint:
    """Ours is of one hour where one of the caller's follows."""
    return CachePoint(_ONE_HOUR if section < last_long else None)
