"""An answer written down while it is spoken: stream events in, deltas out, and a completion at the end. Pure.

Blocks are told apart by their index. Only tool calls, tool results and images announce themselves; a text or reasoning
block begins with its first delta. Members and events we do not know are passed over.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, cast

import orjson

from llm_gateway.backends.bedrock.converse_json import call_type
from llm_gateway.backends.bedrock.estimate import blocks_tokens
from llm_gateway.backends.bedrock.json_shape import as_count, as_list, as_object, as_text
from llm_gateway.backends.bedrock.usage_json import read_usage
from llm_gateway.domain.completions import (
    CitationDelta,
    Delta,
    ReasoningDelta,
    TextDelta,
    ToolInputDelta,
    ToolUseStart,
    Usage,
)
from llm_gateway.domain.content import Block, Native, Reasoning, Text, ToolUse

Json = dict[str, Any]
"""Decoded and not trusted: everything taken from it is looked at first."""


class GarbledEvent(ValueError):
    """An event that says nothing that could be understood."""


class _Part:
    """One block as it grows."""

    __slots__ = ("kind", "name", "notes", "pieces", "redacted", "signature", "tool_id", "tool_type")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.pieces: list[str] = []
        self.notes: list[object] = []
        self.tool_id = ""
        self.name = ""
        self.tool_type: str | None = None
        self.signature: str | None = None
        self.redacted: str | None = None


class Transcript:
    """What a stream has said so far."""

    __slots__ = ("_last", "_last_index", "_parts", "guardrail_trace", "service_tier", "stop_reason", "usage")

    def __init__(self) -> None:
        self._parts: dict[int, _Part] = {}
        self._last = _NO_PART
        self._last_index = -1
        self.stop_reason: str | None = None
        self.usage: Usage | None = None
        self.service_tier: str | None = None
        self.guardrail_trace: Mapping[str, object] | None = None

    def take(self, name: str, payload: bytes, deltas: list[Delta]) -> None:
        """Writes one event down and adds what the caller should see to ``deltas``.

        Raises:
            GarbledEvent: the payload is no JSON object, or misses what the event is for.
        """
        reader = _EVENTS.get(name)
        if reader is None:
            return
        try:
            event: Any = orjson.loads(payload)
        except orjson.JSONDecodeError as fault:
            raise GarbledEvent(f"a {name} event is no JSON") from fault
        if not isinstance(event, dict):
            raise GarbledEvent(f"a {name} event is no JSON object")
        reader(self, cast("Json", event), deltas)

    @property
    def is_whole(self) -> bool:
        """Everything an answer needs has been said: how it ended and what it used."""
        return self.stop_reason is not None and self.usage is not None

    def output_tokens(self) -> int:
        """Tokens of what has arrived, by its size."""
        return blocks_tokens(self.blocks_so_far())

    def blocks(self) -> tuple[Block, ...]:
        """All blocks in the order of their indexes; empty texts are left out.

        Raises:
            GarbledEvent: a tool's input is no JSON.
        """
        found = [_finished(part) for _, part in sorted(self._parts.items())]
        return tuple([block for block in found if block is not None])

    def blocks_so_far(self) -> tuple[Block, ...]:
        """As :meth:`blocks`, without tool calls whose input is not whole."""
        return self._settled()[0]

    def blocks_of_cut_answer(self) -> tuple[tuple[Block, ...], list[str]]:
        """The blocks, and the names of tools whose call was cut."""
        return self._settled()

    def _settled(self) -> tuple[tuple[Block, ...], list[str]]:
        found: list[Block] = []
        lost: list[str] = []
        for _, part in sorted(self._parts.items()):
            try:
                block = _finished(part)
            except GarbledEvent:
                lost.append(part.name)
            else:
                if block is not None:
                    found.append(block)
        return tuple(found), lost

    def _part(self, index: int, kind: str) -> _Part:
        if index == self._last_index:
            return self._last
        part = self._parts.get(index)
        if part is None:
            part = self._parts[index] = _Part(kind)
        self._last, self._last_index = part, index
        return part

    def on_delta(self, event: Json, deltas: list[Delta]) -> None:
        """A piece of a block."""
        index, delta = event.get("contentBlockIndex"), event.get("delta")
        if not isinstance(index, int) or index < 0 or not isinstance(delta, dict):
            raise GarbledEvent("a contentBlockDelta event without index or delta")
        told = cast("Json", delta)
        text = told.get("text")
        if isinstance(text, str):
            if text:  # Nova sends empty ones
                part = self._last if index == self._last_index else self._part(index, "text")
                part.pieces.append(text)
                deltas.append(TextDelta(index, text))
            return
        for kind, reader in _DELTAS.items():
            if kind in told:
                reader(self._part(index, kind), index, told[kind], deltas)

    def on_start(self, event: Json, deltas: list[Delta]) -> None:
        """A block announces itself."""
        index, start = as_count(event.get("contentBlockIndex")), as_object(event.get("start"))
        if index is None:
            raise GarbledEvent("a contentBlockStart event without an index")
        if "toolUse" in start:
            told = as_object(start["toolUse"])
            part = self._part(index, "toolUse")
            part.tool_id, part.name = as_text(told.get("toolUseId")) or "", as_text(told.get("name")) or ""
            part.tool_type = call_type(told)
            if not part.tool_id or not part.name:
                raise GarbledEvent("a tool call without an id or a name")
            if part.tool_type is None:  # nobody but the model's own server answers the others
                deltas.append(ToolUseStart(index, part.tool_id, part.name))
            return
        for kind, told in start.items():
            self._part(index, kind).notes.append(told)

    def on_stop(self, event: Json, _deltas: list[Delta]) -> None:
        """The model says why it stopped."""
        self.stop_reason = as_text(event.get("stopReason"))
        if not self.stop_reason:
            raise GarbledEvent("a messageStop event without a stop reason")

    def on_metadata(self, event: Json, _deltas: list[Delta]) -> None:
        """What it used; should it come twice, the last one counts."""
        self.usage = read_usage(event.get("usage")) or self.usage
        self.service_tier = as_text(as_object(event.get("serviceTier")).get("type")) or self.service_tier
        if "trace" in event:
            self.guardrail_trace = as_object(as_object(event["trace"]).get("guardrail")) or self.guardrail_trace


_NO_PART = _Part("")

_EVENTS = {
    "contentBlockDelta": Transcript.on_delta,
    "contentBlockStart": Transcript.on_start,
    "messageStop": Transcript.on_stop,
    "metadata": Transcript.on_metadata,
}


# --- deltas other than text -------------------------------------------------------------------------------------------


def _tool_input(part: _Part, index: int, told: object, deltas: list[Delta]) -> None:
    piece = as_text(as_object(told).get("input"))
    if piece:
        part.pieces.append(piece)
        if part.tool_type is None:
            deltas.append(ToolInputDelta(index, piece))


def _reasoning(part: _Part, index: int, told: object, deltas: list[Delta]) -> None:
    said = as_object(told)
    text, signature = as_text(said.get("text")), as_text(said.get("signature"))
    redacted = as_text(said.get("redactedContent"))
    part.kind = "reasoningContent"
    if text:
        part.pieces.append(text)
    if signature:
        part.signature = (part.signature or "") + signature
    if redacted:
        part.redacted = redacted if part.redacted is None else _joined(part.redacted, redacted)
    if text or signature or redacted:
        deltas.append(ReasoningDelta(index, text or None, signature or None, redacted or None))


def _joined(first: str, second: str) -> str:
    """Two pieces of base64 as one."""
    try:
        return b64encode(b64decode(first) + b64decode(second)).decode()
    except ValueError as fault:
        raise GarbledEvent("a redacted thought that is no base64") from fault


def _citation(part: _Part, index: int, told: object, deltas: list[Delta]) -> None:
    part.kind = "citation"
    part.notes.append(told)
    deltas.append(CitationDelta(index, as_object(told)))


def _tool_result(part: _Part, _index: int, told: object, _deltas: list[Delta]) -> None:
    part.notes.extend(as_list(told))


def _image(part: _Part, _index: int, told: object, _deltas: list[Delta]) -> None:
    part.notes.append(told)


_DELTAS = {
    "toolUse": _tool_input,
    "reasoningContent": _reasoning,
    "citation": _citation,
    "toolResult": _tool_result,
    "image": _image,
}


# --- finished blocks --------------------------------------------------------------------------------------------------


def _finished(part: _Part) -> Block | None:
    text = "".join(part.pieces)
    if part.kind == "text":
        return Text(text) if text else None
    if part.kind == "toolUse":
        return ToolUse(part.tool_id, part.name, _tool_json(part.name, text), part.tool_type)
    if part.kind == "reasoningContent":
        if part.redacted is not None:
            return Reasoning(redacted=part.redacted)
        return Reasoning(text=text, signature=part.signature)
    if part.kind == "citation":
        return Native("citationsContent", {"content": [{"text": text}] if text else [], "citations": part.notes})
    if part.kind == "toolResult":
        announced = dict(as_object(part.notes[0])) if part.notes else {}
        return Native("toolResult", {**announced, "content": part.notes[1:]})
    body: dict[str, object] = {}
    for note in part.notes:
        body.update(as_object(note))
    return Native(part.kind, body)


def _tool_json(name: str, text: str) -> object:
    if not text or text.isspace():
        return {}
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as fault:
        raise GarbledEvent(f"the input of the call of the tool {name!r} is no JSON") from fault
