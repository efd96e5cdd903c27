"""An answer as server-sent events: each batch of deltas becomes bytes for one send. Pure.

Order: the role, the deltas, one finish reason, the usage if it was asked for, ``[DONE]`` after a whole answer only.
A thought is told twice: in pieces as ``reasoning_content`` for whoever reads along, and whole in ``reasoning_details``,
which has to come back in the next turn. The details come once, before the finish reason: some clients add pieces of an
unknown member up, others keep the last.
"""

from collections.abc import Sequence

import orjson

from llm_gateway.domain.completions import Delta, Generation, ReasoningDelta, TextDelta, ToolInputDelta, ToolUseStart
from llm_gateway.domain.content import Block, Reasoning, ToolUse, text_of
from llm_gateway.surfaces.openai_api.answers import (
    FINISH_REASONS,
    chat_notes,
    is_call,
    service_tier,
    thought_details,
    usage_json,
)

_dumps = orjson.dumps


class ChunkWriter:
    """Writes the events of one answer; call :meth:`role` first and :meth:`end` last."""

    __slots__ = ("_after", "_calls", "_choice", "_has_empty_call", "_head", "_include_usage")

    def __init__(self, *, asked: str, answer_id: str, created_s: int, include_usage: bool) -> None:
        self._head = b'data: {"id":"%s","object":"chat.completion.chunk","created":%d,"model":%s,' % (
            answer_id.encode(),
            created_s,
            _dumps(asked),
        )
        self._choice = self._head + b'"system_fingerprint":null,"choices":[{"index":0,"delta":'
        usage = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._after = b',"logprobs":null,"finish_reason":null}]' + usage
        self._include_usage = include_usage
        self._calls = 0
        self._has_empty_call = False  # the call that was begun last has had no input yet

    def role(self) -> bytes:
        """The first event."""
        return b'%s{"role":"assistant","content":"","refusal":null}%s' % (self._choice, self._after)

    def deltas(self, deltas: Sequence[Delta]) -> bytes:
        """One event for each delta."""
        before, after = self._choice, self._after
        events: list[bytes] = []
        for delta in deltas:
            if type(delta) is TextDelta:
                if self._has_empty_call:
                    events.append(self._empty_input())
                events.append(b'%s{"content":%s}%s' % (before, _dumps(delta.text), after))
            else:
                events.append(self._other(delta))
        return b"".join(events)

    def whole(self, blocks: Sequence[Block]) -> bytes:
        """The events of an answer that was never told in deltas: it was kept, or came in one piece."""
        return self.deltas([delta for number, block in enumerate(blocks) for delta in _deltas_of(number, block)])

    def end(self, generation: Generation, cost_usd: float | None) -> bytes:
        """The last events of a whole answer. What the headers could not tell yet stands beside the usage."""
        completion = generation.completion
        notes = chat_notes(generation)
        tier = tail = b'"service_tier":%s' % _dumps(service_tier(completion))
        if notes:
            tail += b',"llm_gateway":%s' % _dumps(notes)
        events = [self._empty_input()] if self._has_empty_call else []
        thoughts = [block for block in completion.blocks if isinstance(block, Reasoning)]
        if thoughts:
            events.append(self._choice + _dumps({"reasoning_details": thought_details(thoughts)}) + self._after)
        finish = FINISH_REASONS[completion.finish_reason].encode()
        nothing_yet = b',"usage":null' if self._include_usage else b""
        events.append(
            b'%s{},"logprobs":null,"finish_reason":"%s"}],%s%s}\n\n' % (self._choice, finish, tail, nothing_yet)
        )
        if self._include_usage:
            told = {"model": generation.model, "cached": generation.cached, "cost_usd": cost_usd}
            last = (self._head, tier, _dumps(usage_json(completion)), _dumps(told))
            events.append(b'%s"system_fingerprint":null,"choices":[],%s,"usage":%s,"llm_gateway":%s}\n\n' % last)
        events.append(b"data: [DONE]\n\n")
        return b"".join(events)

    def _other(self, delta: Delta) -> bytes:
        if isinstance(delta, ToolInputDelta):
            self._has_empty_call = False
            return self._call_event({"index": self._calls - 1, "function": {"arguments": delta.json_text}})
        unfilled = self._empty_input() if self._has_empty_call else b""
        if isinstance(delta, ToolUseStart):
            self._calls += 1
            self._has_empty_call = True
            function = {"name": delta.name, "arguments": ""}
            call: dict[str, object] = {
                "index": self._calls - 1,
                "id": delta.id,
                "type": "function",
                "function": function,
            }
            return unfilled + self._call_event(call)
        if isinstance(delta, ReasoningDelta):
            return unfilled + self._spoken(delta.text) if delta.text else unfilled
        return unfilled

    def _empty_input(self) -> bytes:
        """A call without any input has the input ``{}``."""
        self._has_empty_call = False
        return self._call_event({"index": self._calls - 1, "function": {"arguments": "{}"}})

    def _spoken(self, thought: str) -> bytes:
        return b'%s{"reasoning_content":%s}%s' % (self._choice, _dumps(thought), self._after)

    def _call_event(self, call: dict[str, object]) -> bytes:
        return b'%s{"tool_calls":[%s]}%s' % (self._choice, _dumps(call), self._after)


def _deltas_of(number: int, block: Block) -> Sequence[Delta]:
    if isinstance(block, ToolUse):
        if not is_call(block):
            return ()
        return (ToolUseStart(number, block.id, block.name), ToolInputDelta(number, _dumps(block.input).decode()))
    if isinstance(block, Reasoning):
        return (ReasoningDelta(number, block.text, block.signature, block.redacted),)
    text = text_of((block,))
    return (TextDelta(number, text),) if text else ()
