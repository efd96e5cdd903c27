"""Faults of the wire: what happens to the bytes of an answer, whole or streaming, as plays. Pure.

Each takes the answer that would have been told and the argument behind the fault's name. Where a fault speaks of
frames, the whole answer does the nearest thing; the table in faults.py says which.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from llm_gateway.sandbox import plays
from llm_gateway.sandbox.events import Event, events_of
from llm_gateway.sandbox.fault_words import TOO_MANY_REQUESTS
from llm_gateway.sandbox.frames import error_frame, event_frame, exception_frame
from llm_gateway.sandbox.plays import HangUp, Play, Reset, Send, Silence, Step, Wait
from llm_gateway.sandbox.refusals import Refusal
from llm_gateway.sandbox.wire_json import Json, dump

_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_HUGE = 20 * 1024 * 1024
_LONGEST_S = 3600.0
_MULTIBYTE = " naïve café – 日本 😀"
_UNEXPECTED = "The system encountered an unexpected error during processing. Try your request again."
_TOOL_USE = (
    "Model produced invalid sequence as part of ToolUse. Please refer to the model tool use troubleshooting guide."
)

# variant -> (exception type in a stream, its message, its HTTP twin)
EXCEPTIONS: dict[str, tuple[str, str, Refusal]] = {
    "throttle": ("throttlingException", TOO_MANY_REQUESTS, Refusal(429, "ThrottlingException", TOO_MANY_REQUESTS)),
    "validation": (
        "validationException",
        "Input is too long for requested model.",
        Refusal(400, "ValidationException", "Input is too long for requested model."),
    ),
    "internal": ("internalServerException", _UNEXPECTED, Refusal(500, "InternalServerException", _UNEXPECTED)),
    "model-stream": ("modelStreamErrorException", _TOOL_USE, Refusal(424, "ModelErrorException", _TOOL_USE)),
    "unavailable": (
        "serviceUnavailableException",
        "Bedrock is unable to process your request.",
        Refusal(503, "ServiceUnavailableException", "Bedrock is unable to process your request."),
    ),
}


@dataclass(frozen=True)
class Told:
    """The answer that a fault spoils. Not slotted: events and body are made when a fault first wants them."""

    answer: Json
    streaming: bool
    delta_delay_s: float = 0.0

    @cached_property
    def events(self) -> list[Event]:
        return events_of(self.answer)

    @cached_property
    def frames(self) -> list[bytes]:
        return [event_frame(kind, payload) for kind, payload in self.events]

    @cached_property
    def body(self) -> bytes:
        return dump(self.answer)

    @property
    def middle(self) -> int:
        """How many frames make the first half: the start and at least one delta."""
        deltas = [at for at, (kind, _) in enumerate(self.events) if kind == "contentBlockDelta"]
        return deltas[(len(deltas) - 1) // 2] + 1 if deltas else 1

    def whole(self, body: bytes | None = None) -> Play:
        return plays.whole(self.body if body is None else body)

    def stream(self, frames: Iterable[bytes], *then: Step) -> Play:
        return plays.stream((*paced(frames, self.delta_delay_s), *then))

    def healthy(self) -> Play:
        return self.stream(self.frames) if self.streaming else self.whole()


Spoil = Callable[[Told, str], Play]


def paced(frames: Iterable[bytes], delay_s: float) -> Iterator[Step]:
    """One chunk for all frames, or one each with a wait between them."""
    if not delay_s:
        yield Send(b"".join(frames))
        return
    for at, frame in enumerate(frames):
        if at:
            yield Wait(delay_s)
        yield Send(frame)


# ------------------------------------------------------------------------------------------ before or without a body
def reset(told: Told, argument: str) -> Play:
    return Play(200, {}, (Reset(),))


def hang(told: Told, argument: str) -> Play:
    return Play(200, {}, (Silence(),))


def bad_gateway(told: Told, argument: str) -> Play:
    return plays.whole(_PAGE, status=502, content_type="text/html")


def gateway_timeout(told: Told, argument: str) -> Play:
    return plays.whole(b"", status=504, content_type="text/plain")


def empty(told: Told, argument: str) -> Play:
    return plays.stream(()) if told.streaming else plays.whole(b"")


def html(told: Told, argument: str) -> Play:
    return plays.whole(_PAGE, content_type="text/html")


# --------------------------------------------------------------------------------------------------- slow, but harmless
def slow_first_token(told: Told, argument: str) -> Play:
    """The head comes at once for a stream, the first event after the argument's seconds (2)."""
    wait = Wait(seconds(argument, 2.0))
    if told.streaming:
        return plays.stream((Send(b""), wait, *paced(told.frames, told.delta_delay_s)))
    return replace(told.whole(), steps=(wait, Send(told.body)))


def slow_bytes(told: Told, argument: str) -> Play:
    """One byte after the other; the argument is the seconds between two (0.001)."""
    wait = Wait(seconds(argument, 0.001))
    return _in_chunks(told, lambda data: (data[at : at + 1] for at in range(len(data))), wait)


def one_byte_chunks(told: Told, argument: str) -> Play:
    return _in_chunks(told, lambda data: (data[at : at + 1] for at in range(len(data))), Wait(0))


def merged_frames(told: Told, argument: str) -> Play:
    """Chunks that hold several frames and a piece of the next."""
    return _in_chunks(told, lambda data: (data[at : at + 1000] for at in range(0, len(data), 1000)), Wait(0.005))


def split_multibyte(told: Told, argument: str) -> Play:
    """Text beyond ASCII, every chunk ending within a character."""
    return _in_chunks(replace(told, answer=_with_text(told.answer, _MULTIBYTE)), _within_characters, Wait(0.002))


def unknown_event(told: Told, argument: str) -> Play:
    """An event and members that no SDK knows yet."""
    if not told.streaming:
        return told.whole(dump({**told.answer, "sandboxNovelty": {"known": False}}))
    novelty = event_frame("sandboxNovelty", {"known": False})
    frames = [event_frame(kind, {**payload, "sandboxNovelty": 1}) for kind, payload in told.events]
    return told.stream([frames[0], novelty, *frames[1:-1], novelty, frames[-1]])


def late_metadata(told: Told, argument: str) -> Play:
    """The usage comes the argument's seconds (0.5) after messageStop."""
    wait = Wait(seconds(argument, 0.5))
    if not told.streaming:
        return replace(told.whole(), steps=(Send(told.body[:-1]), wait, Send(told.body[-1:])))
    return told.stream(told.frames[:-1], wait, Send(told.frames[-1]))


def usage_twice(told: Told, argument: str) -> Play:
    """A first metadata event counts half of the output; the last one is right."""
    if not told.streaming:
        return told.whole()
    kind, metadata = told.events[-1]
    usage: Json = dict(metadata["usage"])
    early = usage["outputTokens"] // 2
    usage |= {"outputTokens": early, "totalTokens": usage["totalTokens"] - usage["outputTokens"] + early}
    return told.stream([*told.frames[:-1], event_frame(kind, {**metadata, "usage": usage}), told.frames[-1]])


# ----------------------------------------------------------------------------------------------------- broken, with 200
def cut_json(told: Told, argument: str) -> Play:
    """JSON that stops half-way, its length honest. A stream gets the same bytes, which are no frames."""
    body = told.body[: len(told.body) // 2]
    return plays.stream((Send(body),)) if told.streaming else told.whole(body)


def wrong_content_type(told: Told, argument: str) -> Play:
    return replace(told.healthy(), headers={"content-type": "text/plain"})


def half_body(told: Told, argument: str) -> Play:
    """The connection is closed at half of what content-length promised (a stream: without its last chunk)."""
    if told.streaming:
        return told.stream(told.frames[: told.middle], HangUp())
    return replace(told.whole(), steps=(Send(told.body[: len(told.body) // 2]), HangUp()))


def no_usage(told: Told, argument: str) -> Play:
    return replace(told, answer={name: value for name, value in told.answer.items() if name != "usage"}).healthy()


def no_metadata(told: Told, argument: str) -> Play:
    kept = {name: value for name, value in told.answer.items() if name in ("output", "stopReason")}
    return replace(told, answer=kept).healthy()


def no_stop(told: Told, argument: str) -> Play:
    """The stream ends cleanly behind its last block; a whole answer lacks stopReason."""
    if not told.streaming:
        return told.whole(dump({name: value for name, value in told.answer.items() if name != "stopReason"}))
    kept = [frame for frame, (kind, _) in zip(told.frames, told.events, strict=True) if kind not in _ENDS]
    return told.stream(kept)


def crc(told: Told, argument: str) -> Play:
    """One bit of a frame in the middle is wrong."""
    if not told.streaming:
        return cut_json(told, argument)
    spoilt = bytearray(told.frames[told.middle])
    spoilt[-6] ^= 1
    return told.stream([*told.frames[: told.middle], bytes(spoilt), *told.frames[told.middle + 1 :]])


def cut_frame(told: Told, argument: str) -> Play:
    """Half a frame, then an orderly end of the chunks."""
    if not told.streaming:
        return cut_json(told, argument)
    half = told.frames[told.middle]
    return told.stream([*told.frames[: told.middle], half[: len(half) // 2]])


def reset_mid(told: Told, argument: str) -> Play:
    return _half_then(told, Wait(0.05), Reset())


def stall(told: Told, argument: str) -> Play:
    """Silence after the first half; for ever, or for the argument's seconds and then the rest."""
    if not argument:
        return _half_then(told, Silence())
    wait = Wait(seconds(argument, 0))
    if told.streaming:
        return told.stream(told.frames[: told.middle], wait, Send(b"".join(told.frames[told.middle :])))
    half = len(told.body) // 2
    return replace(told.whole(), steps=(Send(told.body[:half]), wait, Send(told.body[half:])))


def endless(told: Told, argument: str) -> Play:
    """Deltas without end, the argument's seconds (0.02) apart; a whole answer: blanks, and never a body."""
    wait = Wait(seconds(argument, 0.02))
    if not told.streaming:
        return Play(200, {"content-type": plays.JSON}, _for_ever(b" ", wait))
    delta = event_frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "and so on "}})
    return plays.stream(_for_ever(delta, wait, first=told.frames[0]))


def huge_frame(told: Told, argument: str) -> Play:
    """A frame that claims 20 MB, and then silence; a whole answer: a content-length of 20 MB."""
    if not told.streaming:
        return Play(200, {"content-type": plays.JSON}, (Send(told.body), Silence()), _HUGE)
    claimed = event_frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "x" * 64}}, claims=_HUGE)
    return told.stream(told.frames[: told.middle], Send(claimed), Silence())


# ------------------------------------------------------------------------------------------------- made by the table
def exception_first(variant: str) -> Spoil:
    """An exception as the first frame; a whole answer is its HTTP twin."""
    kind, message, twin = EXCEPTIONS[variant]

    def spoil(told: Told, argument: str) -> Play:
        return told.stream([exception_frame(kind, message)]) if told.streaming else plays.refusal_play(twin)

    return spoil


def exception_mid(variant: str) -> Spoil:
    """An exception after the first half of the text; a whole answer is its HTTP twin."""
    kind, message, twin = EXCEPTIONS[variant]

    def spoil(told: Told, argument: str) -> Play:
        if not told.streaming:
            return plays.refusal_play(twin)
        return told.stream([*told.frames[: told.middle], exception_frame(kind, message)])

    return spoil


def error_frame_at(*, first: bool) -> Spoil:
    """A frame of the message type `error`; a whole answer is a plain 500."""

    def spoil(told: Told, argument: str) -> Play:
        if not told.streaming:
            return plays.refusal_play(EXCEPTIONS["internal"][2])
        before = [] if first else told.frames[: told.middle]
        return told.stream([*before, error_frame("InternalError", "The stream was ended by an internal error.")])

    return spoil


def stopped_by(reason: str) -> Spoil:
    """The healthy answer with another stopReason."""

    def spoil(told: Told, argument: str) -> Play:
        return replace(told, answer={**told.answer, "stopReason": reason}).healthy()

    return spoil


def seconds(argument: str, default: float) -> float:
    """The argument as seconds, at most an hour; what is no number is taken for none."""
    try:
        return min(_LONGEST_S, max(0.0, float(argument))) if argument else default
    except ValueError:
        return default


_ENDS = ("messageStop", "metadata")


def _half_then(told: Told, *steps: Step) -> Play:
    if told.streaming:
        return told.stream(told.frames[: told.middle], *steps)
    return replace(told.whole(), steps=(Send(told.body[: len(told.body) // 2]), *steps))


def _in_chunks(told: Told, cut: Callable[[bytes], Iterable[bytes]], wait: Wait) -> Play:
    play = told.healthy()
    data = b"".join(told.frames) if told.streaming else told.body

    def steps() -> Iterator[Step]:
        for chunk in cut(data):
            yield Send(chunk)
            yield wait

    return replace(play, steps=steps())


def _for_ever(data: bytes, wait: Wait, first: bytes = b"") -> Iterator[Step]:
    yield Send(first)
    while True:
        yield Send(data)
        yield wait


def _within_characters(data: bytes) -> Iterator[bytes]:
    start = 0
    for at, byte in enumerate(data):
        if byte >= 0xC0:
            yield data[start : at + 1]
            start = at + 1
    yield data[start:]


def _with_text(answer: Json, text: str) -> Json:
    message: Json = answer["output"]["message"]
    blocks: list[Json] = [*message["content"], {"text": text}]
    return {**answer, "output": {"message": {**message, "content": blocks}}}
