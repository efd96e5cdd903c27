"""A script: which calls fail and how, or what they are answered, in order. Read from JSON; played once, or over again.

    [{"match": {"model": "*nova-pro*", "operation": "ConverseStream", "text": "weather"},
      "faults": ["throttle", "stall:2", "ok", {"text": "Hello."}, {"tool": "get_weather", "input": {"city": "Paris"}}],
      "then": "ok"}]

All members of `match` may be left out. `then` is `ok` (afterwards later steps are tried, and else all goes well) or
`repeat` (begins again).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import orjson

from llm_gateway.sandbox.asked import OPERATIONS, Asked
from llm_gateway.sandbox.faults import Chosen, read_fault
from llm_gateway.sandbox.wire_json import Json, as_list, as_object, as_text


class BadScript(ValueError):
    """The script cannot be played; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Scripted:
    """An answer written in a script: a text, tool calls, or both."""

    text: str = ""
    calls: tuple[tuple[str, Json], ...] = ()


Cue = Chosen | Scripted | None


@dataclass(frozen=True, slots=True)
class ScriptStep:
    """`model` may hold * and ?; without them it is a part of the id. `text` is a part of the last user text."""

    cues: tuple[Cue, ...]
    model: str = ""
    operation: str = ""
    text: str = ""
    repeat: bool = False

    def fits(self, asked: Asked, last_text: str) -> bool:
        model = self.model if "*" in self.model or "?" in self.model else f"*{self.model}*"
        return self.operation in ("", asked.operation) and fnmatchcase(asked.model_id, model) and self.text in last_text


@dataclass(frozen=True, slots=True)
class Script:
    steps: tuple[ScriptStep, ...] = ()

    @classmethod
    def read(cls, written: bytes | str) -> "Script":
        """Raises BadScript."""
        try:
            return cls.of(orjson.loads(written))
        except orjson.JSONDecodeError as fault:
            raise BadScript(f"the script is no JSON: {fault}") from fault

    @classmethod
    def of(cls, steps: object) -> "Script":
        """From parsed JSON: a list of steps, or one step. Raises BadScript."""
        listed = [as_object(steps)] if isinstance(steps, dict) else as_list(steps)  # pyright: ignore[reportUnknownArgumentType]
        if not isinstance(steps, dict | list):
            raise BadScript("a script is a list of steps")
        return cls(tuple(_step(number, step) for number, step in enumerate(listed, 1)))


@dataclass(slots=True)
class ScriptPlayer:
    """A script and how far it has been played."""

    script: Script = field(default_factory=Script)
    _played: dict[int, int] = field(default_factory=dict[int, int])

    def next_cue(self, asked: Asked, last_text: str) -> tuple[bool, Cue]:
        """(whether a step spoke, what it said); a step that said `ok` has spoken."""
        for number, step in enumerate(self.script.steps):
            played = self._played.get(number, 0)
            if played >= len(step.cues) and not step.repeat:
                continue
            if step.fits(asked, last_text):
                self._played[number] = played + 1
                return True, step.cues[played % len(step.cues)]
        return False, None


_MEMBERS = {"match", "faults", "then"}
_MATCH = {"model", "operation", "text"}


def _step(number: int, written: object) -> ScriptStep:
    step = as_object(written)
    match = as_object(step.get("match"))
    _only(f"step {number}", step, _MEMBERS)
    _only(f"step {number}, match", match, _MATCH)
    cues = as_list(step.get("faults"))
    if not cues:
        raise BadScript(f"step {number}: 'faults' must be a list of at least one fault, 'ok' or answer")
    then = step.get("then", "ok")
    if then not in ("ok", "repeat"):
        raise BadScript(f"step {number}: 'then' must be 'ok' or 'repeat', not {then!r}")
    operation = as_text(match.get("operation"))
    operation = OPERATIONS.get(operation, operation)
    if operation and operation not in OPERATIONS.values():
        raise BadScript(f"step {number}: no operation is called {operation!r}; known: {', '.join(OPERATIONS.values())}")
    return ScriptStep(
        tuple(_cue(number, cue) for cue in cues),
        as_text(match.get("model")),
        operation,
        as_text(match.get("text")),
        then == "repeat",
    )


def _cue(number: int, written: object) -> Cue:
    if isinstance(written, str):
        try:
            return read_fault(written)
        except ValueError as unknown:
            raise BadScript(f"step {number}: {unknown}") from unknown
    answer = as_object(written)
    _only(f"step {number}, answer", answer, {"text", "tool", "input", "tools"})
    calls = as_list(answer.get("tools")) or ([answer] if "tool" in answer else [])
    scripted = Scripted(
        as_text(answer.get("text")),
        tuple((as_text(as_object(call).get("tool")), as_object(as_object(call).get("input"))) for call in calls),
    )
    if not scripted.text and not scripted.calls:
        raise BadScript(f"step {number}: an answer has a 'text', a 'tool' with its 'input', or 'tools'")
    return scripted


def _only(where: str, written: Json, known: Iterable[str]) -> None:
    strange = sorted(set(written) - set(known))
    if strange:
        raise BadScript(f"{where}: unknown member '{strange[0]}'; known: {', '.join(sorted(known))}")
