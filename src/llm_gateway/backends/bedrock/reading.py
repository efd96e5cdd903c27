"""How an answer is to be read back so that the caller sees what he asked for, not what was sent. Pure.

Tool names that Bedrock refuses went out under other ones; a wish for JSON may have gone out as a tool. What was done to
the request is undone here: in whole answers by :func:`read_blocks`, in streams by ``reading_transcript.py``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import orjson

from llm_gateway.backends.bedrock.format_check import format_fault
from llm_gateway.domain.completions import Completion
from llm_gateway.domain.content import Block, Text, ToolUse, text_of
from llm_gateway.domain.requests import ResponseFormat

_NO_NAMES: Mapping[str, str] = MappingProxyType({})
_FENCE = re.compile(r"```[a-zA-Z]*\s*\n(.*?)\n?\s*```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reading:
    """``names`` is from the name on the wire to the caller's. ``text_tool`` is the tool whose input is the answer's
    text. ``format`` is what the text must be; with ``bare`` the model was only told so, and may write around it."""

    names: Mapping[str, str] = field(default_factory=lambda: _NO_NAMES)
    text_tool: str | None = None
    format: ResponseFormat | None = None
    bare: bool = False

    @property
    def changes_blocks(self) -> bool:
        """Whether blocks must be read differently from how they came."""
        return bool(self.names) or self.text_tool is not None or self.bare

    @property
    def holds_text(self) -> bool:
        """Whether text may turn out not to belong to the answer."""
        return self.text_tool is not None or self.bare


PLAIN = Reading()


def read_blocks(blocks: Sequence[Block], reading: Reading) -> tuple[Block, ...]:
    """The blocks of a whole answer as the caller should see them."""
    if not reading.changes_blocks:
        return tuple(blocks)
    found: list[Block] = []
    is_answered = any([isinstance(block, ToolUse) and block.name == reading.text_tool for block in blocks])
    has_text = False
    for block in blocks:
        if isinstance(block, ToolUse):
            if block.name != reading.text_tool:
                found.append(replace(block, name=reading.names.get(block.name, block.name)))
            elif not has_text:
                found.append(Text(orjson.dumps(block.input, default=dict).decode()))
                has_text = True
        elif not isinstance(block, Text):
            found.append(block)
        elif not is_answered:
            found.append(Text(bare_json(block.text)) if reading.bare else block)
    return tuple(found)


def starts_as_json(text: str) -> bool:
    """Whether the text begins as an object or a list does."""
    return text.lstrip()[:1] in ("{", "[")


def bare_json(text: str) -> str:
    """The JSON that stands in a fence or between words; the text itself where none can be read."""
    if _is_json(text):
        return text
    candidates = [found[1] for found in _FENCE.finditer(text)]
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        candidates.append(text[start : end + 1])
    return next((each.strip() for each in candidates if _is_json(each)), text)


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def settled(completion: Completion, reading: Reading) -> Completion:
    """The completion with the end the caller expects, and what is wrong with its form."""
    if reading.format is None:
        return completion
    if any([isinstance(block, ToolUse) and block.type is None for block in completion.blocks]):
        return completion
    fault, notes = format_fault(text_of(completion.blocks), reading.format)
    if fault is not None:
        notes = (*notes, f"the answer is not what response_format asked for: {fault}")
    return replace(
        completion,
        finish_reason="stop" if completion.finish_reason == "tool_use" else completion.finish_reason,
        format_fault=fault,
        warnings=completion.warnings + notes,
    )
