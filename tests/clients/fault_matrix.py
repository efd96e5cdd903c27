"""What the gateway makes of each fault of the sandbox, where the only target fails each time: the table, and the ways
to ask. Pure."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from malformed import envelope

Booked = Literal["nothing", "input", "partial", "whole", "estimated"]
"""``input``: estimated, without output. ``partial``: estimated, with what had arrived. ``whole``: Bedrock's own
figures. ``estimated``: a whole answer that came without them."""


@dataclass(frozen=True)
class Row:
    """``mid``: the answer has begun when it breaks, so a stream ends with an error instead of a status. ``tries``: how
    often the model is asked, where nothing was delivered yet."""

    status: int
    code: str
    booked: Booked
    mid: bool = False
    tries: int = 1

    def calls(self, stream: bool) -> int:
        """Nothing is asked again once a part of it was delivered."""
        return 1 if stream and self.mid else self.tries


def _before(status: int, code: str, booked: Booked = "nothing", tries: int = 1) -> Row:
    return Row(status, code, booked, tries=tries)


def _mid(status: int, code: str, tries: int = 2) -> Row:
    return Row(status, code, "partial", mid=True, tries=tries)


_OK = Row(200, "", "whole")
_UNKNOWN = _before(404, "model_not_found")
_AUTH = _before(502, "upstream_auth_error", tries=2)
_NO_ANSWER = _before(502, "upstream_protocol_error", "input", tries=2)
_BROKEN = _mid(502, "upstream_protocol_error")
_TOLD_BROKEN = _mid(502, "upstream_stream_error")
_THROTTLED_MID = _mid(429, "upstream_stream_error")
_SILENT_MID = _mid(504, "upstream_timeout", tries=1)

MATRIX: dict[str, Row] = {
    "throttle": _before(429, "upstream_throttled", tries=3),
    "throttle-requests": _before(429, "upstream_throttled", tries=3),
    "throttle-day": _before(429, "upstream_quota_exceeded"),
    "too-many-connections": _before(503, "upstream_unavailable", tries=3),
    "not-ready": _before(503, "upstream_not_ready", tries=3),
    "quota": _before(429, "upstream_quota_exceeded"),
    "validation": _before(400, "invalid_request"),
    "too-long": _before(400, "context_length_exceeded"),
    "on-demand": _before(400, "invalid_request"),
    "access-denied": _before(502, "upstream_access_denied"),
    "expired-token": _AUTH,
    "unrecognized-client": _AUTH,
    "invalid-signature": _AUTH,
    "not-found": _UNKNOWN,
    "legacy-not-found": _UNKNOWN,
    "end-of-life": _UNKNOWN,
    "model-timeout": _before(504, "upstream_timeout", "input"),
    "model-error": _before(502, "upstream_model_error", tries=2),
    "internal": _before(502, "upstream_error", tries=3),
    "unavailable": _before(503, "upstream_unavailable", tries=3),
    "bad-gateway-html": _before(502, "upstream_error", tries=3),
    "gateway-timeout-empty": _before(504, "upstream_timeout", tries=3),
    "reset": _before(502, "upstream_connection_error", tries=3),
    "hang": _before(504, "upstream_timeout", "input"),
    "slow-first-token": _before(504, "upstream_timeout", "input"),
    "empty-200": _NO_ANSWER,
    "html-200": _NO_ANSWER,
    "wrong-content-type": _NO_ANSWER,
    "cut-json": _NO_ANSWER,
    "half-body": _BROKEN,
    "crc": _BROKEN,
    "cut-frame": _BROKEN,
    "reset-mid": _BROKEN,
    "no-stop": _BROKEN,
    "unknown-stop-reason": Row(502, "upstream_protocol_error", "whole", mid=True, tries=2),
    "malformed-tool-use": Row(502, "upstream_model_error", "whole", mid=True, tries=2),
    "malformed-output": Row(502, "upstream_model_error", "whole", mid=True, tries=2),
    "no-usage": Row(200, "", "estimated"),
    "no-metadata": Row(200, "", "estimated"),
    "slow-bytes": _OK,
    "one-byte-chunks": _OK,
    "merged-frames": _OK,
    "split-multibyte": _OK,
    "unknown-event": _OK,
    "late-metadata": _OK,
    "usage-twice": _OK,
    "context-window-exceeded": _OK,
    "content-filtered": _OK,
    "stall": _SILENT_MID,
    "endless": _SILENT_MID,
    "huge-frame": _SILENT_MID,
    "error-frame-first": _before(502, "upstream_error", "input", tries=3),
    "error-frame-mid": _TOLD_BROKEN,
    "exception-first": _before(429, "upstream_throttled", "input", tries=3),
    "exception-first-throttle": _before(429, "upstream_throttled", "input", tries=3),
    "exception-first-validation": _before(400, "context_length_exceeded", "input"),
    "exception-first-internal": _before(502, "upstream_error", "input", tries=3),
    "exception-first-model-stream": _before(502, "upstream_model_error", "input", tries=2),
    "exception-first-unavailable": _before(503, "upstream_unavailable", "input", tries=3),
    "exception-mid": _THROTTLED_MID,
    "exception-mid-throttle": _THROTTLED_MID,
    "exception-mid-validation": _mid(400, "upstream_stream_error", tries=1),
    "exception-mid-internal": _TOLD_BROKEN,
    "exception-mid-model-stream": _TOLD_BROKEN,
    "exception-mid-unavailable": _TOLD_BROKEN,
}

DOORS = ("mcp", "/v1/chat/completions", "/v1/messages")
Way = tuple[str, bool]
WAYS: list[Way] = [(door, stream) for door in DOORS for stream in (False, True)]


def request_for(fault: str, way: Way) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Path, body and headers."""
    door, stream = way
    text = f"[[fault:{fault}]] tell me something"
    if fault == "slow-bytes":  # of few bytes
        text = "[[fault:slow-bytes:0]] Say: ok"
    asked: dict[str, Any] = {"model": "nova-lite", "messages": [{"role": "user", "content": text}]}
    if door != "mcp":
        return door, asked | {"max_tokens": 500, "stream": stream}, {}
    body, headers = envelope("generate", asked, new=True)
    if stream:
        body["params"]["_meta"] = body["params"]["_meta"] | {"progressToken": 1}
    return "/mcp", body, headers


@dataclass(frozen=True)
class Heard:
    """What one way told. ``ended_well``: the stream's own sign of a whole answer was there."""

    status: int
    code: str
    begun: bool
    ended_well: bool
    request_id: str
    headers: dict[str, str]


def read_answer(way: Way, status: int, headers: dict[str, str], text: str) -> Heard:
    """One answer of any door."""
    door, stream = way
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    whole = events[-1] if events else json.loads(text)
    if door == "mcp":
        told = whole["result"]["structuredContent"]
        error = told.get("error", {})
        return Heard(status, error.get("code", ""), len(events) > 1, not error, (error or told)["request_id"], headers)
    error = whole.get("error") or {}
    code = error.get("code", "")
    request_id = headers.get("x-request-id") or headers["request-id"]
    begun = stream and status == 200
    done = "[DONE]" in text if door == DOORS[1] else "message_stop" in text
    return Heard(status, code, begun, done if begun else not error, request_id, headers)


def complaints(row: Row, way: Way, heard: Heard, booked: list[tuple[Any, ...]]) -> list[str]:
    """Where an answer and its ledger rows differ from the table."""
    door, stream = way
    wrong: list[str] = []
    begun = stream and (row.mid or not row.code)
    status = 200 if door == "mcp" or begun else row.status
    if (heard.status, heard.code) != (status, row.code):
        wrong.append(f"{heard.status} {heard.code}, not {status} {row.code}")
    if heard.ended_well != (not row.code):
        wrong.append("a broken answer that ends as if it were whole" if row.code else "no end")
    if stream and row.mid and not heard.begun:
        wrong.append("nothing of it was streamed")
    if status in (429, 503) and not heard.headers.get("retry-after", "").isdigit():
        wrong.append("no retry-after")
    may_be_paid = row.booked != "nothing" and status not in (200, 400)
    if may_be_paid and heard.headers.get("x-should-retry") != "false":
        wrong.append("asked again by clients, though it may be paid")
    return wrong + _booking(row, row.calls(stream), booked)


def _booking(row: Row, calls: int, booked: list[tuple[Any, ...]]) -> list[str]:
    """Each call that may be paid has a row of its own."""
    if row.booked == "nothing":
        return [f"booked {booked}"] if any(cost for _, _, cost, _, _ in booked) else []
    if len(booked) != calls:
        return [f"{len(booked)} rows for {calls} calls"]
    return [wrong for each in booked for wrong in _one_row(row, *each)]


def _one_row(row: Row, outcome: str, estimated: int, cost: int, input_tokens: int, output_tokens: int) -> list[str]:
    wrong: list[str] = []
    if outcome != (row.code or "ok"):
        wrong.append(f"booked as {outcome}")
    if bool(estimated) != (row.booked != "whole"):
        wrong.append("estimated" if estimated else "not estimated")
    if not (cost and input_tokens):
        wrong.append(f"cost {cost} for {input_tokens}")
    if bool(output_tokens) != (row.booked != "input"):
        wrong.append(f"{output_tokens} tokens of output")
    return wrong
