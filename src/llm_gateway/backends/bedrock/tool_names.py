"""Tool names that Bedrock refuses, as names it takes, and back. Pure.

Bedrock takes 1 to 64 letters, digits, underscores and hyphens. Any other name goes out as what is left of it and a part
of its hash: the same name always gives the same one, so that prompt caches and histories stay what they were.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256

from llm_gateway.domain.content import Block, Message, ToolUse
from llm_gateway.domain.requests import ToolChoice, ToolSpec

_TAKEN = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)
_REFUSED_CHARACTERS = re.compile(r"[^a-zA-Z0-9_-]+", re.ASCII)
_LONGEST = 64
_HASH_DIGITS = 8


def wire_names(names: Iterable[str]) -> dict[str, str]:
    """From each name that Bedrock refuses to the one it goes out under; the others are not in it."""
    wanted = list(dict.fromkeys(names))
    refused = [name for name in wanted if not _TAKEN.fullmatch(name)]
    if not refused:
        return {}
    used = set(wanted)
    found: dict[str, str] = {}
    for name in refused:
        found[name] = wire = _wire_name(name, used)
        used.add(wire)
    return found


def _wire_name(name: str, used: set[str]) -> str:
    readable = _REFUSED_CHARACTERS.sub("_", name).strip("_")[: _LONGEST - _HASH_DIGITS - 1] or "tool"
    seed, wire = name, ""
    while not wire or wire in used:
        wire = f"{readable}_{sha256(seed.encode()).hexdigest()[:_HASH_DIGITS]}"
        seed += "\0"
    return wire


def names_in(tools: Iterable[ToolSpec], messages: Iterable[Message]) -> list[str]:
    """Every tool name of a request."""
    called = [block.name for message in messages for block in message.content if isinstance(block, ToolUse)]
    return [tool.name for tool in tools] + called


def renamed_tools(tools: tuple[ToolSpec, ...], names: Mapping[str, str]) -> tuple[ToolSpec, ...]:
    """The definitions under the names that go out."""
    return tuple([replace(tool, name=names[tool.name]) if tool.name in names else tool for tool in tools])


def renamed_choice(choice: ToolChoice | None, names: Mapping[str, str]) -> ToolChoice | None:
    """The choice, of the tool under the name that goes out."""
    if choice is None or choice.name is None:
        return choice
    return replace(choice, name=names.get(choice.name, choice.name))


def renamed_calls(messages: tuple[Message, ...], names: Mapping[str, str]) -> tuple[Message, ...]:
    """The history, with calls under the names that go out."""
    return tuple([replace(message, content=_renamed(message.content, names)) for message in messages])


def _renamed(content: tuple[Block, ...], names: Mapping[str, str]) -> tuple[Block, ...]:
    return tuple(
        [
            replace(block, name=names[block.name]) if isinstance(block, ToolUse) and block.name in names else block
            for block in content
        ]
    )
