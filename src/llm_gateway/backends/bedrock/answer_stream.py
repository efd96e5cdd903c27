"""An answer that has begun: frames off the connection, deltas to the reader, a completion at the end.

Every wait is bounded by one watchdog. Whatever ends the answer (its end, a fault, the reader leaving) lets the
connection go at once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import aiohttp

from llm_gateway.backends.bedrock.asked import Asked
from llm_gateway.backends.bedrock.event_stream import BrokenFrame, Frame, FrameSplitter, Head
from llm_gateway.backends.bedrock.faults import error_of, frame_fault, stream_error_of
from llm_gateway.backends.bedrock.parse import Told, complete_stream, deltas_of, partial_stream
from llm_gateway.backends.bedrock.reading_transcript import transcript_for
from llm_gateway.backends.bedrock.timeouts import Timeouts
from llm_gateway.backends.bedrock.transcript import GarbledEvent
from llm_gateway.backends.bedrock.watchdog import Watchdog
from llm_gateway.backends.bedrock.wire import READ_FAULTS
from llm_gateway.domain.completions import Completion, Delta
from llm_gateway.domain.errors import BackendError, BackendGarbled, BackendTimeout, GatewayError
from llm_gateway.domain.remedies import FELL_SILENT, NOTHING

_LINGER_S = 1.0
"""How long the connection may stay open after the answer is whole; then it is dropped and the answer stands."""


class WholeAnswer:
    """An answer that came in one piece, told as the deltas that would have made it."""

    def __init__(self, completion: Completion) -> None:
        self._completion = completion
        self._told = False

    def __aiter__(self) -> AsyncIterator[Sequence[Delta]]:
        return self

    async def __anext__(self) -> Sequence[Delta]:
        deltas = [] if self._told else deltas_of(self._completion.blocks)
        self._told = True
        if deltas:
            return deltas
        raise StopAsyncIteration

    def completion(self) -> Completion:
        """The whole answer."""
        return self._completion

    def partial(self) -> Completion:
        """The whole answer too: it has arrived, and is paid for."""
        return self._completion

    async def aclose(self) -> None:
        """Nothing is open."""


class StreamedAnswer:
    """An answer in events. :meth:`begin` must be awaited once before it is handed out."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        asked: Asked,
        *,
        request_id: str | None,
        timeouts: Timeouts,
        started_at_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._response = response
        self._asked = asked
        self._timeouts = timeouts
        self._clock = clock
        self._started_at_s = started_at_s
        self._request_id = request_id
        self._first_delta_ms: float | None = None
        self._transcript = transcript_for(asked.reading)
        self._splitter = FrameSplitter()
        self._first: list[Delta] = []
        self._completion: Completion | None = None
        self._failure: GatewayError | None = None
        self._loop = asyncio.get_running_loop()
        left_s = asked.call.time_left_s
        self._total_s = timeouts.total_s if left_s is None else min(timeouts.total_s, left_s)
        self._total_at = self._loop.time() + self._total_s - (clock() - started_at_s)
        self._watchdog: Watchdog | None = None

    async def begin(self) -> None:
        """Waits for the first event; the caller bounds this wait.

        Raises:
            GatewayError: the answer failed before anything of it came.
        """
        self._first = await self._next_batch(until_any_event=True)
        if self._completion is None and self._failure is None:
            self._watchdog = Watchdog(self._loop, self._next_deadline(), self._total_at, self._response.close)

    def __aiter__(self) -> AsyncIterator[Sequence[Delta]]:
        return self

    async def __anext__(self) -> Sequence[Delta]:
        if self._first:
            deltas, self._first = self._first, []
        else:
            self._listen()
            deltas = await self._next_batch(until_any_event=False)
        if not deltas:
            raise StopAsyncIteration
        if self._watchdog is not None:
            self._watchdog.is_held = True
        return deltas

    def _listen(self) -> None:
        """From now on silence counts, if it did not: a reader may have taken its time."""
        if self._watchdog is not None and self._watchdog.is_held:
            self._watchdog.is_held = False
            self._watchdog.deadline = self._next_deadline()

    def completion(self) -> Completion:
        """The whole answer; only after the iteration ended by itself."""
        if self._completion is None:
            raise RuntimeError("the answer has not come to its end")
        return self._completion

    def partial(self) -> Completion:
        """What has arrived so far."""
        return self._completion or partial_stream(self._transcript, self._asked, self._now_told())

    async def aclose(self) -> None:
        """Lets the connection go at once; nothing when the answer is whole."""
        self._drop()

    # --- reading ------------------------------------------------------------------------------------------------------

    async def _next_batch(self, *, until_any_event: bool) -> list[Delta]:
        """Deltas, or none at the end of the answer. What came before a fault is given first, the fault next time."""
        if self._failure is not None:
            raise self._failure
        deltas: list[Delta] = []
        try:
            while not deltas and self._completion is None:
                if await self._read_on(deltas) and until_any_event:
                    break
        except GatewayError as failure:
            self._drop()
            self._failure = failure
            if not deltas:
                raise
        except BaseException:
            self._drop()
            raise
        return deltas

    async def _read_on(self, deltas: list[Delta]) -> bool:
        """One chunk off the connection; whether it held an event."""
        try:
            chunk = await self._response.content.readany()
        except READ_FAULTS as fault:
            if self._transcript.is_whole:
                self._end()
                return False
            raise self._broken() from fault
        if not chunk:
            if self._splitter.pending_bytes and not self._transcript.is_whole:
                raise self._garbled("the answer ended within a frame")
            self._end()
            return False
        frames = self._splitter.feed(chunk)
        try:
            self._write_down(frames, deltas)
            if self._splitter.fault is not None:
                raise self._splitter.fault
        except (BrokenFrame, GarbledEvent) as fault:
            if self._transcript.is_whole:
                self._end()
                return False
            raise self._garbled(f"the answer cannot be read: {fault}") from fault
        if frames:
            self._after_events(deltas)
        return bool(frames)

    def _write_down(self, frames: list[Frame], deltas: list[Delta]) -> None:
        take = self._transcript.take
        for head, payload in frames:
            if head.kind == "event":
                take(head.name, payload, deltas)
            elif not self._transcript.is_whole:
                raise self._told_fault(head, payload, bool(deltas))

    def _after_events(self, deltas: list[Delta]) -> None:
        if deltas and self._first_delta_ms is None:
            self._first_delta_ms = self._elapsed_ms()
        if self._transcript.is_whole and self._response.content.at_eof():
            self._end()
        elif self._watchdog is not None:
            if self._transcript.is_whole:
                self._watchdog.pull_in(self._next_deadline())
            else:
                self._watchdog.deadline = self._next_deadline()

    def _next_deadline(self) -> float:
        wait_s = _LINGER_S if self._transcript.is_whole else self._timeouts.idle_s
        return min(self._loop.time() + wait_s, self._total_at)

    def _end(self) -> None:
        """Raises BackendError when what came is no whole answer."""
        self._completion = complete_stream(self._transcript, self._asked, self._now_told())
        self._drop()

    def _drop(self) -> None:
        if self._watchdog is not None:
            self._watchdog.stop()
        self._response.close()  # a connection that gave its whole answer is back in the pool already

    def _elapsed_ms(self) -> float:
        return (self._clock() - self._started_at_s) * 1_000

    def _now_told(self) -> Told:
        return Told(self._request_id, self._elapsed_ms(), self._first_delta_ms)

    # --- what can go wrong --------------------------------------------------------------------------------------------

    def _told_fault(self, head: Head, payload: bytes, has_deltas: bool) -> GatewayError:
        fault = frame_fault(head, payload, self._request_id)
        if has_deltas or self._first_delta_ms is not None:
            return stream_error_of(fault, self._asked, self._asked.spent(self._transcript.output_tokens()))
        return error_of(fault, self._asked, self._asked.input_spent())

    def _broken(self) -> BackendError:
        if self._watchdog is None or not self._watchdog.bitten:
            return self._garbled("the connection broke in the middle of the answer")
        is_total = self._loop.time() >= self._total_at
        setting, waited_s = (
            ("BEDROCK_TOTAL_TIMEOUT", self._total_s) if is_total else ("BEDROCK_IDLE_TIMEOUT", self._timeouts.idle_s)
        )
        what = "was not whole" if is_total else "fell silent"
        return BackendTimeout(
            f"the answer of {self._asked.model} {what} after {waited_s:g} s ({setting}); it may have been paid for",
            model=self._asked.model,
            spent=self._asked.spent(self._transcript.output_tokens()),
            upstream_request_id=self._request_id,
            remedy=NOTHING if is_total else FELL_SILENT,
        )

    def _garbled(self, message: str) -> BackendGarbled:
        return BackendGarbled(
            f"{message}; ask again",
            model=self._asked.model,
            spent=self._asked.spent(self._transcript.output_tokens()),
            upstream_request_id=self._request_id,
        )
