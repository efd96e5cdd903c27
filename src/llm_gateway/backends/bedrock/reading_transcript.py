"""A transcript that tells the caller what he asked for: his own tool names, and JSON as text where it came as a tool.

Text beside such a tool is held back until it is known whether it belongs to the answer. Pure.
"""

from llm_gateway.backends.bedrock.reading import Reading, bare_json, starts_as_json
from llm_gateway.backends.bedrock.transcript import Transcript
from llm_gateway.domain.completions import Delta, TextDelta, ToolInputDelta, ToolUseStart


class ReadingTranscript(Transcript):
    """See :class:`Transcript`; ``reading`` says what is to be undone."""

    __slots__ = ("_dropped", "_held", "_json_block", "_reading", "_text_goes_on")

    def __init__(self, reading: Reading) -> None:
        super().__init__()
        self._reading = reading
        self._held: dict[int, str] = {}
        self._json_block: int | None = None
        self._dropped: set[int] = set()
        self._text_goes_on = not reading.holds_text

    def take(self, name: str, payload: bytes, deltas: list[Delta]) -> None:
        """As :meth:`Transcript.take`."""
        fresh: list[Delta] = []
        super().take(name, payload, fresh)
        for delta in fresh:
            if isinstance(delta, ToolUseStart):
                self._on_tool(delta, deltas)
            elif isinstance(delta, ToolInputDelta):
                self._on_input(delta, deltas)
            elif isinstance(delta, TextDelta) and not self._text_goes_on:
                self._on_text(delta, deltas)
            else:
                deltas.append(delta)
        if name == "messageStop":
            self._at_end(deltas)

    def _on_tool(self, start: ToolUseStart, deltas: list[Delta]) -> None:
        part = self._parts[start.block]
        if start.name != self._reading.text_tool:
            self._let_go(deltas)
            part.name = self._reading.names.get(start.name, start.name)
            deltas.append(ToolUseStart(start.block, start.id, part.name))
            return
        part.kind = "text"
        for block in self._held:
            self._forget(block)
        self._held.clear()
        if self._json_block is None:
            self._json_block = start.block
        else:
            self._dropped.add(start.block)

    def _on_input(self, piece: ToolInputDelta, deltas: list[Delta]) -> None:
        if piece.block == self._json_block:
            deltas.append(TextDelta(piece.block, piece.json_text))
        elif piece.block not in self._dropped:
            deltas.append(piece)

    def _on_text(self, delta: TextDelta, deltas: list[Delta]) -> None:
        if self._json_block is not None:
            self._dropped.add(delta.block)
            return
        self._held[delta.block] = self._held.get(delta.block, "") + delta.text
        if self._reading.bare and len(self._held) == 1 and starts_as_json(self._held[delta.block]):
            self._let_go(deltas)
            self._text_goes_on = True

    def _let_go(self, deltas: list[Delta]) -> None:
        deltas.extend([TextDelta(block, text) for block, text in self._held.items()])
        self._held.clear()

    def _at_end(self, deltas: list[Delta]) -> None:
        if self._reading.bare:
            for block, text in self._held.items():
                self._held[block] = bare_json(text)
                self._parts[block].pieces[:] = [self._held[block]]
        self._let_go(deltas)
        if self._json_block is not None and not self._parts[self._json_block].pieces:
            self._parts[self._json_block].pieces.append("{}")
            deltas.append(TextDelta(self._json_block, "{}"))
        for block in self._dropped:
            self._forget(block)

    def _forget(self, block: int) -> None:
        self._parts[block].pieces.clear()  # a text without pieces is no block


def transcript_for(reading: Reading) -> Transcript:
    """The plain transcript where there is nothing to undo."""
    return ReadingTranscript(reading) if reading.changes_blocks else Transcript()
