"""The gateway file that is being made, and what is said of what could not be carried over."""

from dataclasses import dataclass, field

Value = object


@dataclass(slots=True)
class TargetDraft:
    """One target, and of which entry of ``model_list`` it was made. ``order`` is LiteLLM's, lowest first."""

    values: dict[str, Value]
    where: str
    order: int | None = None

    @property
    def place(self) -> tuple[Value, Value, Value]:
        """What AWS counts by."""
        return self.values["model"], self.values.get("region"), self.values.get("account")


@dataclass(slots=True)
class RouteDraft:
    """One route; ``values`` are its keys but for the targets."""

    targets: list[TargetDraft] = field(default_factory=list[TargetDraft])
    values: dict[str, Value] = field(default_factory=dict[str, Value])


@dataclass(slots=True)
class Draft:
    """The parts of the file, in the order in which they came, and the notes."""

    settings: dict[str, Value] = field(default_factory=dict[str, Value])
    accounts: dict[str, dict[str, Value]] = field(default_factory=dict[str, dict[str, Value]])
    defaults: dict[str, Value] = field(default_factory=dict[str, Value])
    routes: dict[str, RouteDraft] = field(default_factory=dict[str, RouteDraft])
    _notes: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def note(self, where: str, said: str) -> None:
        """Something is not as it was. What is said of several places is said once. Never repeats a secret."""
        where, said = [
            "".join(character if character.isprintable() else "?" for character in text)  # a note is a line of comment
            for text in (where, said)
        ]
        places = self._notes.setdefault(said, [])
        if where not in places:
            places.append(where)

    @property
    def notes(self) -> tuple[str, ...]:
        """One line each."""
        return tuple([f"{', '.join(places)}: {said}" for said, places in self._notes.items()])

    def offer(self, into: dict[str, Value], key: str, value: Value, where: str) -> None:
        """A value that several keys may give: the first one stays, another one is told."""
        held = into.setdefault(key, value)
        if held != value:
            self.note(where, f"{key} is {held} already, said elsewhere in the file; this {value} is left out")
