"""An answer as Anthropic's event stream, written while it comes. Pure: deltas in, bytes out.

Blocks are numbered anew: a block of Bedrock's that holds nothing to show has no number here.
"""

from collections.abc import Callable, Sequence

import orjson

from llm_gateway.domain.completions import (
    CitationDelta,
    Delta,
    Generation,
    ReasoningDelta,
    TextDelta,
    ToolInputDelta,
    ToolUseStart,
)
from llm_gateway.domain.content import Block, Native, Reasoning, Text, ToolUse, citations_of, cited_texts
from llm_gateway.surfaces.anthropic_api.answers import Json, ending_json, message_id, tokens_json
from llm_gateway.surfaces.anthropic_api.citations import citation_json
from llm_gateway.surfaces.notes import notes_json

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_TEXT, _THINKING, _REDACTED, _TOOL = "text", "thinking", "redacted_thinking", "tool_use"


def event(name: str, body: Json) -> bytes:
    """One event; ``type`` comes first in its data."""
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps({"type": name, **body}) + b"\n\n"


def spoken(blocks: Sequence[Block]) -> list[Delta]:
    """A whole answer as the deltas that would have made it."""
    deltas: list[Delta] = []
    for at, block in enumerate(blocks):
        if isinstance(block, Text):
            deltas.append(TextDelta(at, block.text))
        elif isinstance(block, Reasoning):
            deltas.append(ReasoningDelta(at, block.text, block.signature, block.redacted))
        elif isinstance(block, ToolUse) and block.type is None:
            deltas.append(ToolUseStart(at, block.id, block.name))
            deltas += [ToolInputDelta(at, orjson.dumps(block.input).decode())] if block.input else []
        elif isinstance(block, Native):
            deltas += [TextDelta(at, text) for text in cited_texts(block)]
            deltas += [CitationDelta(at, citation) for citation in citations_of(block)]
    return deltas


class EventWriter:
    """One answer. ``asked`` is the caller's word for the model, ``stops`` its stop sequences."""

    __slots__ = ("_asked", "_block", "_index", "_kind", "_redacted", "_request_id", "_stops", "_text_head", "begun")

    def __init__(self, *, request_id: str, asked: str, stops: Sequence[str]) -> None:
        self._request_id = request_id
        self._asked = asked
        self._stops = stops
        self._block = -1
        self._index = -1
        self._kind = ""
        self._redacted = ""
        self._text_head = b""
        self.begun = False

    def deltas(self, deltas: Sequence[Delta]) -> bytes:
        """The events of a batch, after ``message_start`` if it is the first."""
        out: list[bytes] = [] if self.begun else [self._start()]
        for delta in deltas:
            if type(delta) is TextDelta and self._kind == _TEXT and delta.block == self._block:  # by far the most
                out += (self._text_head, orjson.dumps(delta.text), b"}}\n\n")
            else:
                _WRITERS[type(delta)](self, delta, out)
        return b"".join(out)

    def end(self, generation: Generation) -> bytes:
        """What is left to say. An answer that told no deltas (a kept one) is said from its blocks."""
        out: list[bytes] = [] if self.begun else [self.deltas(spoken(generation.completion.blocks))]
        self._close(out)
        completion = generation.completion
        told: Json = {"delta": ending_json(completion, self._stops), "usage": tokens_json(completion.usage)}
        notes = notes_json(generation)
        out.append(event("message_delta", {**told, "llm_gateway": notes} if notes else told))
        out.append(_STOP)
        return b"".join(out)

    def _start(self) -> bytes:
        """Bedrock tells the tokens of the input at the end only: ``message_delta`` has the true counts."""
        self.begun = True
        message: Json = {
            "id": message_id(self._request_id),
            "type": "message",
            "role": "assistant",
            "model": self._asked,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {
                "input_tokens": 0,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": 0,
            },
        }
        return event("message_start", {"message": message})

    def text(self, delta: Delta, out: list[bytes]) -> None:
        """A piece of text."""
        assert isinstance(delta, TextDelta)  # noqa: S101 - the table says so
        self._enter(delta.block, _TEXT, {"text": ""}, out)
        out.append(self._delta({"type": "text_delta", "text": delta.text}))

    def reasoning(self, delta: Delta, out: list[bytes]) -> None:
        """A piece of a thought, its signature, or of a redacted thought, which is said whole when it ends."""
        assert isinstance(delta, ReasoningDelta)  # noqa: S101 - the table says so
        if delta.redacted is not None:
            self._enter(delta.block, _REDACTED, None, out)
            self._redacted += delta.redacted
            return
        self._enter(delta.block, _THINKING, {"thinking": "", "signature": ""}, out)
        if delta.text is not None:
            out.append(self._delta({"type": "thinking_delta", "thinking": delta.text}))
        if delta.signature is not None:
            out.append(self._delta({"type": "signature_delta", "signature": delta.signature}))

    def tool_use(self, delta: Delta, out: list[bytes]) -> None:
        """The model begins to call a tool."""
        assert isinstance(delta, ToolUseStart)  # noqa: S101 - the table says so
        self._enter(delta.block, _TOOL, {"id": delta.id, "name": delta.name, "input": {}}, out)

    def tool_input(self, delta: Delta, out: list[bytes]) -> None:
        """A piece of the arguments' JSON text."""
        assert isinstance(delta, ToolInputDelta)  # noqa: S101 - the table says so
        if delta.block == self._block and self._kind == _TOOL:
            out.append(self._delta({"type": "input_json_delta", "partial_json": delta.json_text}))

    def citation(self, delta: Delta, out: list[bytes]) -> None:
        """A source of the text that is being said."""
        assert isinstance(delta, CitationDelta)  # noqa: S101 - the table says so
        cited = citation_json(delta.citation)
        if cited is not None:
            self._enter(delta.block, _TEXT, {"text": ""}, out)
            out.append(self._delta({"type": "citations_delta", "citation": cited}))

    def _enter(self, block: int, kind: str, start: Json | None, out: list[bytes]) -> None:
        """Opens a block unless it is open; ``start`` is ``None`` where its content must be known first."""
        if block == self._block and kind == self._kind:
            return
        self._close(out)
        self._block, self._kind = block, kind
        self._index += 1
        if kind == _TEXT:
            index = str(self._index).encode()
            head = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":'
            self._text_head = head + index + b',"delta":{"type":"text_delta","text":'
        if start is not None:
            out.append(self._block_start({"type": kind, **start}))

    def _close(self, out: list[bytes]) -> None:
        if not self._kind:
            return
        if self._kind == _REDACTED:
            out.append(self._block_start({"type": _REDACTED, "data": self._redacted}))
            self._redacted = ""
        out.append(event("content_block_stop", {"index": self._index}))
        self._block, self._kind = -1, ""

    def _block_start(self, block: Json) -> bytes:
        return event("content_block_start", {"index": self._index, "content_block": block})

    def _delta(self, delta: Json) -> bytes:
        return event("content_block_delta", {"index": self._index, "delta": delta})


_WRITERS: dict[type, Callable[[EventWriter, Delta, list[bytes]], None]] = {
    TextDelta: EventWriter.text,
    ReasoningDelta: EventWriter.reasoning,
    ToolUseStart: EventWriter.tool_use,
    ToolInputDelta: EventWriter.tool_input,
    CitationDelta: EventWriter.citation,
}
