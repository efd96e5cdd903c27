"""Failing on demand: the table of all faults, and how a request chooses one.

Chosen by a script, by a marker in the last user text (`[[fault:stall]]`, `[[fault:slow-first-token:2.5]]`), or by a
model id that holds `fault-NAME` (`sandbox.fault-throttle`, `amazon.nova-pro-v1:0--fault-stall:2`), in this order.
"""

import re
from dataclasses import dataclass

from llm_gateway.sandbox import fault_plays as spoil
from llm_gateway.sandbox.fault_plays import EXCEPTIONS, Spoil, Told, stopped_by
from llm_gateway.sandbox.fault_words import REFUSING, Refusing
from llm_gateway.sandbox.models import ModelId
from llm_gateway.sandbox.plays import Play, refusal_play
from llm_gateway.sandbox.refusals import invalid

_MARKER = re.compile(r"\[\[fault:([a-z0-9-]+)(?::([^\]]*))?\]\]")
_IN_MODEL_ID = re.compile(r"\bfault-([a-z0-9-]+)(?::([0-9.]+))?")


@dataclass(frozen=True, slots=True)
class Fault:
    """`says` tells what happens to ConverseStream, and to the whole answer where that differs.

    A refusing fault needs no answer and comes before the request is checked, as do those with `blind`.
    """

    name: str
    says: str
    refusing: Refusing | None = None
    spoiling: Spoil | None = None
    blind: bool = False

    def play(self, model: ModelId, told: Told, argument: str) -> Play:
        if self.refusing is not None:
            return refusal_play(self.refusing(model, argument))
        if self.spoiling is None:
            return told.healthy()
        return self.spoiling(told, argument)


@dataclass(frozen=True, slots=True)
class Chosen:
    fault: Fault
    argument: str = ""


_BLIND: dict[str, tuple[str, Spoil]] = {
    "bad-gateway-html": ("502 with an HTML page, as from a proxy in between", spoil.bad_gateway),
    "gateway-timeout-empty": ("504 without a body", spoil.gateway_timeout),
    "reset": ("the connection is reset before a byte", spoil.reset),
    "hang": ("no answer at all", spoil.hang),
    "empty-200": ("200 without a body", spoil.empty),
    "html-200": ("200 with an HTML page", spoil.html),
}
_SPOILING: dict[str, tuple[str, Spoil]] = {
    "slow-first-token": ("argument: seconds before the first event (2)", spoil.slow_first_token),
    "slow-bytes": ("one byte after the other; argument: seconds between two (0.001)", spoil.slow_bytes),
    "one-byte-chunks": ("every byte a chunk of its own, without waiting", spoil.one_byte_chunks),
    "merged-frames": ("chunks that end anywhere within frames", spoil.merged_frames),
    "split-multibyte": ("text beyond ASCII, chunks that end within a character", spoil.split_multibyte),
    "unknown-event": ("an event (whole: a member) nobody knows", spoil.unknown_event),
    "late-metadata": ("argument: seconds between messageStop and metadata (0.5); whole: before the last byte",
                      spoil.late_metadata),
    "usage-twice": ("two metadata events, the last is right; whole: nothing special", spoil.usage_twice),
    "cut-json": ("a body of half the JSON, its length honest", spoil.cut_json),
    "wrong-content-type": ("the right bytes as text/plain", spoil.wrong_content_type),
    "half-body": ("the connection is closed within the body", spoil.half_body),
    "no-usage": ("metadata (whole: answer) without usage", spoil.no_usage),
    "no-metadata": ("no metadata event; whole: neither usage nor metrics", spoil.no_metadata),
    "no-stop": ("a clean end without messageStop; whole: no stopReason", spoil.no_stop),
    "error-frame-first": ("the first frame is an error frame; whole: 500", spoil.error_frame_at(first=True)),
    "error-frame-mid": ("an error frame after half the text; whole: 500", spoil.error_frame_at(first=False)),
    "crc": ("a frame with a wrong CRC; whole: as cut-json", spoil.crc),
    "cut-frame": ("half a frame, then a clean end; whole: as cut-json", spoil.cut_frame),
    "reset-mid": ("the connection is reset after half the answer", spoil.reset_mid),
    "stall": ("silence after half the answer, for ever or for the argument's seconds", spoil.stall),
    "endless": ("deltas without end; argument: seconds between two (0.02); whole: blanks without end", spoil.endless),
    "huge-frame": ("a frame that claims 20 MB, then silence; whole: a content-length of 20 MB", spoil.huge_frame),
    "malformed-tool-use": ("stopReason malformed_tool_use", stopped_by("malformed_tool_use")),
    "malformed-output": ("stopReason malformed_model_output", stopped_by("malformed_model_output")),
    "context-window-exceeded": ("stopReason model_context_window_exceeded",
                                stopped_by("model_context_window_exceeded")),
    "content-filtered": ("stopReason content_filtered", stopped_by("content_filtered")),
    "unknown-stop-reason": ("a stopReason nobody knows", stopped_by("sandbox_novelty")),
}  # fmt: skip


def _exceptions() -> dict[str, tuple[str, Spoil]]:
    table: dict[str, tuple[str, Spoil]] = {
        "exception-first": ("as exception-first-throttle", spoil.exception_first("throttle")),
        "exception-mid": ("as exception-mid-throttle", spoil.exception_mid("throttle")),
    }
    for variant, (kind, _, twin) in EXCEPTIONS.items():
        whole = f"whole: {twin.status}"
        table[f"exception-first-{variant}"] = (f"{kind} as the first frame; {whole}", spoil.exception_first(variant))
        table[f"exception-mid-{variant}"] = (f"{kind} after half the text; {whole}", spoil.exception_mid(variant))
    return table


FAULTS: dict[str, Fault] = {
    **{name: Fault(name, says, refusing=refusing, blind=True) for name, (says, refusing) in REFUSING.items()},
    **{name: Fault(name, says, spoiling=act, blind=True) for name, (says, act) in _BLIND.items()},
    **{name: Fault(name, says, spoiling=act) for name, (says, act) in {**_SPOILING, **_exceptions()}.items()},
}
OK = "ok"


def read_fault(written: str) -> Chosen | None:
    """`name` or `name:argument`; None for `ok`. Raises ValueError for a name that is none."""
    name, _, argument = written.partition(":")
    if name == OK:
        return None
    if name not in FAULTS:
        raise ValueError(f"the sandbox knows no fault called '{name}'; it knows: {', '.join(FAULTS)}")
    return Chosen(FAULTS[name], argument)


def fault_in(model_id: str, last_text: str) -> Chosen | None:
    """The fault that the prompt or else the model id asks for. Raises Refused for a name that is none."""
    marked = _MARKER.search(last_text) if "[[fault:" in last_text else None
    try:
        if marked:
            return read_fault(f"{marked.group(1)}:{marked.group(2) or ''}")
        if "fault-" not in model_id:
            return None
        named = _IN_MODEL_ID.search(model_id)
        return read_fault(_in_model_id(*named.groups())) if named else None
    except ValueError as unknown:
        raise invalid(str(unknown)) from unknown


def _in_model_id(written: str, argument: str | None) -> str:
    """`fault-stall:2` has an argument; but an id may also just go on behind the name, as in `fault-stall-v1:0`."""
    if written in FAULTS:
        return f"{written}:{argument or ''}"
    fitting = [name for name in FAULTS if written.startswith(name + "-")]
    return max(fitting, key=len, default=written)
