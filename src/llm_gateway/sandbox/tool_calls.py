"""Whether the sandbox calls tools, which, and with what arguments. Pure.

It calls when it must (toolChoice any or tool; rather what it has not called yet), when the last user text names a tool,
or when a marker asks for it: `[[tool]]` the first tool, `[[tools]]` all of them at once, `[[tool:NAME]]`,
`[[tool:NAME {"city": "Paris"}]]`.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

import orjson

from llm_gateway.sandbox.from_schema import value_for
from llm_gateway.sandbox.wire_json import Json, as_object, as_text, objects
from llm_gateway.sandbox.words import Dice

_MARKER = re.compile(r"\[\[tool(s)?(?::([a-zA-Z0-9_-]+)\s*(\{.*?\})?)?\]\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call to make; `given` are arguments that somebody has written, None lets the schema decide."""

    name: str
    given: Json | None = None


def wanted_calls(config: Json, asked: str, *, after_results: bool, called: Collection[str] = ()) -> list[Wanted]:
    """No calls is the empty list. After tool results only a forced choice or a marker calls again; ``called``: what the
    conversation has called already, which a model that must call something would not call for ever."""
    names = [as_text(spec.get("name")) for spec in _specs(config)]
    if not names:
        return []
    marked = _marked(names, asked)
    choice = as_object(config.get("toolChoice"))
    if "tool" in choice:
        forced = as_text(as_object(choice["tool"]).get("name"))
        return [each for each in marked if each.name == forced] or [Wanted(forced)]
    if marked:
        return marked
    named = [] if after_results else [Wanted(name) for name in names if _names(name, asked)]
    if named or "any" not in choice:
        return named
    return [Wanted(next((name for name in names if name not in called), names[0]))]


def called_so_far(messages: list[Json]) -> set[str]:
    """The names of the tools that the conversation has called."""
    blocks = [block for message in messages for block in objects(message.get("content")) if "toolUse" in block]
    return {as_text(as_object(block["toolUse"]).get("name")) for block in blocks}


def takes_one_call(body: Json) -> bool:
    """Whether the request wants no parallel calls, as Claude is told."""
    choice = as_object(as_object(body.get("additionalModelRequestFields")).get("tool_choice"))
    return choice.get("disable_parallel_tool_use") is True


def tool_use(wanted: Wanted, config: Json, dice: Dice) -> Json:
    """The content block of a call; its id looks like those that Bedrock makes."""
    schema: Json = {}
    for spec in _specs(config):
        if spec.get("name") == wanted.name:
            schema = as_object(as_object(spec.get("inputSchema")).get("json"))
    given = value_for({"type": "object", **schema}, dice) if wanted.given is None else wanted.given
    return {"toolUse": {"toolUseId": f"tooluse_{dice.word(22)}", "name": wanted.name, "input": given}}


def results_told(last_message: Json) -> str:
    """What the tools gave back, as one line to quote; empty when the message holds no results."""
    told: list[str] = []
    for block in objects(last_message.get("content")):
        result = as_object(block.get("toolResult"))
        for part in objects(result.get("content")):
            told.append(as_text(part.get("text")) or orjson.dumps(part.get("json", list(part))).decode())
    return "; ".join(told)


def _specs(config: Json) -> list[Json]:
    return [as_object(tool["toolSpec"]) for tool in objects(config.get("tools")) if "toolSpec" in tool]


def _marked(names: list[str], asked: str) -> list[Wanted]:
    calls: list[Wanted] = []
    for found in _MARKER.finditer(asked) if "[[tool" in asked else ():
        everything, name, written = found.groups()
        if everything:
            calls += [Wanted(each) for each in names]
        elif name is None:
            calls.append(Wanted(names[0]))
        elif name in names:
            calls.append(Wanted(name, _arguments(written)))
    return calls


def _arguments(written: str | None) -> Json | None:
    try:
        return as_object(orjson.loads(written)) if written else None
    except orjson.JSONDecodeError:
        return None


def _names(name: str, asked: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", asked) is not None
