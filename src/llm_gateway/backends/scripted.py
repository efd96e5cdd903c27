"""A backend that says what it was told to: for tests of everything above it, with the promises of the real one."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace

from llm_gateway.backends.contract import WorstCase
from llm_gateway.domain.completions import Completion, Delta, FinishReason, TextDelta, Usage
from llm_gateway.domain.content import Text
from llm_gateway.domain.errors import GatewayError
from llm_gateway.domain.requests import DEFAULT_MAX_TOKENS, ModelCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted:
    """One answer: ``pieces`` of text, then the completion of them, or ``error``.

    With ``early`` the error comes instead of the first piece. ``gate`` holds the rest back after the first piece until
    it is set.
    """

    pieces: tuple[str, ...] = ("Hello", " there")
    usage: Usage = field(default_factory=lambda: Usage(input_tokens=10, output_tokens=5))
    finish_reason: FinishReason = "stop"
    stop_reason: str = "end_turn"
    error: GatewayError | None = None
    early: bool = False
    gate: asyncio.Event | None = None
    service_tier: str | None = None
    warnings: tuple[str, ...] = ()


class ScriptedStream:
    """The answer stream of one :class:`Scripted`."""

    def __init__(self, script: Scripted) -> None:
        self._script = script
        self._said: list[str] = []
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[Sequence[Delta]]:
        for piece in self._script.pieces:
            self._said.append(piece)
            yield (TextDelta(0, piece),)
            if self._script.gate is not None:
                await self._script.gate.wait()
        if self._script.error is not None:
            raise self._script.error

    def completion(self) -> Completion:
        """The whole answer."""
        script = self._script
        return Completion(
            blocks=(Text("".join(self._said)),),
            finish_reason=script.finish_reason,
            stop_reason=script.stop_reason,
            usage=script.usage,
            service_tier=script.service_tier,
            warnings=script.warnings,
        )

    def partial(self) -> Completion:
        """What was said so far, one token a piece."""
        usage = replace(self._script.usage, output_tokens=len(self._said), estimated=True)
        return replace(self.completion(), usage=usage)

    async def aclose(self) -> None:
        """Marks the stream as let go."""
        self.closed = True


class ScriptedBackend:
    """Gives its answers in order; the last one again and again."""

    def __init__(self, answers: Iterable[Scripted] = (Scripted(),)) -> None:
        self._answers = deque(answers)
        self.calls: list[ModelCall] = []
        self.streams: list[ScriptedStream] = []
        self.opened = asyncio.Event()
        self.closed = False

    async def open(self, call: ModelCall) -> ScriptedStream:
        """The next answer; raises its error where that is ``early``."""
        self.calls.append(call)
        script = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
        if script.error is not None and script.early:
            raise script.error
        stream = ScriptedStream(script)
        self.streams.append(stream)
        self.opened.set()
        return stream

    def estimate(self, call: ModelCall) -> Usage:
        """One token a message."""
        return Usage(input_tokens=len(call.request.messages), output_tokens=0, estimated=True)

    def worst_case(self, call: ModelCall) -> WorstCase:
        """Ten tokens a message, and as many as may be answered."""
        asked = call.request.max_tokens or DEFAULT_MAX_TOKENS
        return WorstCase(10 * len(call.request.messages), asked)

    async def count_tokens(self, call: ModelCall) -> int | None:
        """Ten tokens a message for Claude; the others have no count."""
        return 10 * len(call.request.messages) if "anthropic." in call.model.invoked_id else None

    async def aclose(self) -> None:
        """Marks the backend as closed."""
        self.closed = True
