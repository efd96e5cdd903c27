"""Plays recorded exchanges again: the recorded bytes for the recorded request, or the same answer in the other form.

A recording is a JSON file with `request {path, body}` and `response {status, headers, body | body_raw | body_base64}`.
Several recordings of one request are played in the order of their file names; then the last one repeats. A request that
was not recorded to the letter gets what was recorded for the same messages, or the same conversation in other words.
"""

import base64
import difflib
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from llm_gateway.sandbox import plays
from llm_gateway.sandbox.asked import Asked, read_path
from llm_gateway.sandbox.events import events_of, whole_of
from llm_gateway.sandbox.fault_plays import EXCEPTIONS
from llm_gateway.sandbox.frames import EVENT_STREAM, event_frame, split_frames
from llm_gateway.sandbox.likeness import said_by
from llm_gateway.sandbox.plays import Play, Send
from llm_gateway.sandbox.refusals import Refusal
from llm_gateway.sandbox.wire_json import Json, as_object, as_text, canonical, dump

_KEPT_HEADERS = ("content-type", "x-amzn-requestid", "x-amzn-errortype")
_KEPT_PREFIX = "x-amzn-bedrock-"
_OTHER_FORM = {"Converse": "ConverseStream", "ConverseStream": "Converse"}
_TWINS = {kind: twin for kind, _, twin in EXCEPTIONS.values()}


@dataclass(frozen=True, slots=True)
class Recording:
    operation: str
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class _Shelf:
    """Recordings of equal requests, and how many have been played."""

    recordings: list[Recording] = field(default_factory=list[Recording])
    played: int = 0

    def next(self) -> Recording:
        self.played += 1
        return self.recordings[min(self.played, len(self.recordings)) - 1]


@dataclass(slots=True)
class Library:
    """All recordings of a folder. `skipped` counts the JSON files that are no exchanges of the runtime."""

    exact: dict[tuple[str, str, bytes], _Shelf] = field(default_factory=dict[tuple[str, str, bytes], _Shelf])
    alike: dict[tuple[str, str, bytes], _Shelf] = field(default_factory=dict[tuple[str, str, bytes], _Shelf])
    said: dict[tuple[str, str, bytes], _Shelf] = field(default_factory=dict[tuple[str, str, bytes], _Shelf])
    models: set[str] = field(default_factory=set[str])
    skipped: int = 0

    def add(self, model_id: str, body: object, recording: Recording) -> None:
        self.models.add(model_id)
        exact = (recording.operation, model_id, _key_of(body))
        self.exact.setdefault(exact, _Shelf()).recordings.append(recording)
        if recording.operation in _OTHER_FORM:
            alike = (recording.operation, model_id, _words_of(body))
            self.alike.setdefault(alike, _Shelf()).recordings.append(recording)
            said = (recording.operation, model_id, said_by(body))
            self.said.setdefault(said, _Shelf()).recordings.append(recording)

    def rewind(self) -> None:
        for shelf in (*self.exact.values(), *self.alike.values(), *self.said.values()):
            shelf.played = 0

    def play(self, asked: Asked) -> Play:
        """The recorded answer; a 404 that names the closest recorded model when nothing fits."""
        other = _OTHER_FORM.get(asked.operation, asked.operation)
        keys = ((self.exact, canonical), (self.alike, _words_of), (self.said, said_by))
        for shelves, key_of in keys:
            key = key_of(asked.body)
            for operation in (asked.operation, other):
                shelf = shelves.get((operation, asked.model_id, key))
                if shelf is not None:
                    return play_again(shelf.next(), asked.operation)
        return plays.refusal_play(Refusal(404, "ResourceNotFoundException", self._nothing(asked)))

    def _nothing(self, asked: Asked) -> str:
        said = f"No recorded exchange fits this {asked.operation} request to '{asked.model_id}'"
        closest = difflib.get_close_matches(asked.model_id, sorted(self.models), 1, 0.0)
        if asked.model_id in self.models:
            return f"{said}; others of this model are recorded."
        return f"{said}; the closest recorded model is '{closest[0]}'." if closest else f"{said}; nothing is recorded."


def load(folder: Path) -> Library:
    """Reads every *.json below the folder. Raises ValueError when there is no such folder, or no exchange in it."""
    if not folder.is_dir():
        raise ValueError(f"--replay {folder}: no such folder")
    library = Library()
    for file in sorted(folder.rglob("*.json")):
        read = read_exchange(file)
        if read is None:
            library.skipped += 1
        else:
            library.add(*read)
    if not library.exact:
        raise ValueError(f"--replay {folder}: no recorded exchange of the Bedrock runtime in it")
    return library


def read_exchange(file: Path) -> tuple[str, object, Recording] | None:
    try:
        written = as_object(orjson.loads(file.read_bytes()))
    except orjson.JSONDecodeError:
        return None
    request, response = as_object(written.get("request")), as_object(written.get("response"))
    path = read_path(as_text(request.get("path")))
    if path is None or not isinstance(response.get("status"), int):
        return None
    operation, model_id = path
    headers = {name.lower(): as_text(value) for name, value in as_object(response.get("headers")).items()}
    kept = {name: headers[name] for name in headers if name in _KEPT_HEADERS or name.startswith(_KEPT_PREFIX)}
    recording = Recording(operation, response["status"], _with_type(kept, operation, response), _body_of(response))
    return model_id, request.get("body"), recording


def _with_type(headers: dict[str, str], operation: str, response: Json) -> dict[str, str]:
    """Some recorders drop headers: a stream without its content type would be no stream."""
    streamed = operation.endswith("Stream") and response["status"] == 200
    return {"content-type": EVENT_STREAM if streamed else plays.JSON, **headers}


def _body_of(response: Json) -> bytes:
    if "body_base64" in response:
        return base64.b64decode(as_text(response["body_base64"]))
    if response.get("body_raw") is not None:
        return as_text(response["body_raw"]).encode()
    return dump(response.get("body"))


def _key_of(body: object) -> bytes:
    """Bodies that were recorded as text are compared as the JSON in it, if it is any."""
    if isinstance(body, str):
        try:
            return canonical(orjson.loads(body))
        except orjson.JSONDecodeError:
            return body.encode()
    return canonical(body or {})


def _words_of(body: object) -> bytes:
    return canonical(as_object(body).get("messages"))


def play_again(recording: Recording, operation: str) -> Play:
    if recording.operation == operation or recording.status != 200:
        return Play(recording.status, recording.headers, (Send(recording.body),), len(recording.body))
    headers = {name: value for name, value in recording.headers.items() if name != "content-type"}
    if operation == "ConverseStream":
        frames = b"".join(event_frame(kind, payload) for kind, payload in events_of(orjson.loads(recording.body)))
        return Play(200, {"content-type": EVENT_STREAM, **headers}, (Send(frames),))
    return _whole_play(recording.body, headers)


def _whole_play(streamed: bytes, headers: dict[str, str]) -> Play:
    """A stream that ended in an exception becomes the exception's HTTP twin."""
    events: list[tuple[str, Json]] = []
    for frame in split_frames(streamed):
        payload = as_object(orjson.loads(frame.payload or b"{}"))
        if frame.headers.get(":message-type") != "event":
            twin = _TWINS.get(frame.headers.get(":exception-type", ""), EXCEPTIONS["internal"][2])
            return plays.refusal_play(Refusal(twin.status, twin.kind, as_text(payload.get("message")) or twin.message))
        events.append((frame.headers[":event-type"], payload))
    return plays.whole(dump(whole_of(events)), headers=headers)
