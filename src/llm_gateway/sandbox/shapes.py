"""Shapes of JSON and their constraints, and how a service of AWS complains about what does not fit. Pure.

Wrong types end the reading at once (SerializationException); broken constraints are collected and told together.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from llm_gateway.sandbox.refusals import invalid, unreadable
from llm_gateway.sandbox.wire_json import Json, as_list, as_object

Path = tuple[str | int, ...]
_SHOWN = 1000


@dataclass(slots=True)
class Complaints:
    """Broken constraints of one request, in the order in which they were found."""

    found: list[str] = field(default_factory=list[str])

    def add(self, path: Path, value: object, constraint: str) -> None:
        shown = f"Value '{str(value)[:_SHOWN]}' at" if isinstance(value, str | int | float) else "Value at"
        self.found.append(f"{shown} '{counted(path)}' failed to satisfy constraint: Member must {constraint}")

    def settle(self) -> None:
        """Raises Refused if there are any."""
        if self.found:
            errors = "1 validation error" if len(self.found) == 1 else f"{len(self.found)} validation errors"
            raise invalid(f"{errors} detected: {'; '.join(self.found)}")


def counted(path: Path) -> str:
    """`messages.1.member.role`: as constraints name a place, counting from 1."""
    return ".".join(f"{part + 1}.member" if isinstance(part, int) else part for part in path)


def dotted(path: Path) -> str:
    """`messages.0.role`: as all other complaints name it, counting from 0."""
    return ".".join(map(str, path))


@dataclass(frozen=True, slots=True)
class Text:
    low: int = 0
    high: int | None = None
    pattern: str = ""
    among: tuple[str, ...] = ()

    def check(self, value: object, path: Path, complaints: Complaints) -> None:
        if not isinstance(value, str):
            raise _mistyped(value, "a String")
        if self.among and value not in self.among:
            complaints.add(path, value, f"satisfy enum value set: [{', '.join(self.among)}]")
        if self.pattern and not re.fullmatch(self.pattern, value):
            complaints.add(path, value, f"satisfy regular expression pattern: {self.pattern}")
        _check_length(value, self.low, self.high, path, complaints)


@dataclass(frozen=True, slots=True)
class Number:
    low: float | None = None
    high: float | None = None
    whole: bool = False

    def check(self, value: object, path: Path, complaints: Complaints) -> None:
        kind = "an Integer" if self.whole else "a Float"
        if isinstance(value, bool) or not isinstance(value, int | float) or (self.whole and isinstance(value, float)):
            raise _mistyped(value, kind)
        if self.low is not None and value < self.low:
            complaints.add(path, value, f"have value greater than or equal to {self.low:g}")
        if self.high is not None and value > self.high:
            complaints.add(path, value, f"have value less than or equal to {self.high:g}")


@dataclass(frozen=True, slots=True)
class Flag:
    def check(self, value: object, path: Path, complaints: Complaints) -> None:
        if not isinstance(value, bool):
            raise _mistyped(value, "a Boolean")


@dataclass(frozen=True, slots=True)
class Anything:
    def check(self, value: object, path: Path, complaints: Complaints) -> None:
        return


@dataclass(frozen=True, slots=True)
class Items:
    of: "Shape"
    low: int = 0
    high: int | None = None

    def check(self, value: object, path: Path, complaints: Complaints) -> None:
        if not isinstance(value, list):
            raise _mistyped(value, "a List")
        items = as_list(value)  # pyright: ignore[reportUnknownArgumentType]
        _check_length(items, self.low, self.high, path, complaints)
        for at, item in enumerate(items):
            self.of.check(item, (*path, at), complaints)


@dataclass(frozen=True, slots=True)
class Members:
    """An object. With `one_of` it must have exactly one of its members, and `name` stands in the complaint."""

    members: "dict[str, Shape]"
    required: tuple[str, ...] = ()
    one_of: bool = False
    name: str = ""

    def check(self, value: object, path: Path, complaints: Complaints) -> None:
        if not isinstance(value, dict):
            raise _mistyped(value, "an Object")
        given = {name: member for name, member in as_object(value).items() if member is not None}  # pyright: ignore[reportUnknownArgumentType]
        _refuse_strangers(given, self.members, path)
        if self.one_of and len(given) != 1:
            place = f"The {self.name} object at {dotted(path)}"
            raise invalid(f"{place} must set one of the following keys: {', '.join(self.members)}.")
        for name in self.required:
            if name not in given:
                complaints.add((*path, name), None, "not be null")
        for name, member in given.items():
            self.members[name].check(member, (*path, name), complaints)


@dataclass(frozen=True, slots=True)
class Mapping:
    key: Text
    value: "Shape"
    low: int = 0
    high: int | None = None

    def check(self, value: object, path: Path, complaints: Complaints) -> None:
        if not isinstance(value, dict):
            raise _mistyped(value, "a Map")
        entries = as_object(value)  # pyright: ignore[reportUnknownArgumentType]
        _check_length(entries, self.low, self.high, path, complaints)
        for name, entry in entries.items():
            self.key.check(name, (*path, name), complaints)
            self.value.check(entry, (*path, name), complaints)


Shape = Text | Number | Flag | Anything | Items | Members | Mapping


def _refuse_strangers(given: Json, known: Iterable[str], path: Path) -> None:
    for name in given:
        if name not in known:
            place = "#" + "".join(f"/{part}" for part in path)
            raise invalid(
                f"Malformed input request: {place}: extraneous key [{name}] is not permitted, please reformat your "
                "input and try again."
            )


def _check_length(value: Any, low: int, high: int | None, path: Path, complaints: Complaints) -> None:
    if len(value) < low:
        complaints.add(path, value, f"have length greater than or equal to {low}")
    if high is not None and len(value) > high:
        complaints.add(path, value, f"have length less than or equal to {high}")


_KINDS: dict[type[object], str] = {
    str: "STRING_VALUE",
    bool: "BOOLEAN_VALUE",
    int: "NUMBER_VALUE",
    float: "DECIMAL_VALUE",
}


def _mistyped(value: object, wanted: str) -> Exception:
    if isinstance(value, dict | list):
        return unreadable(
            f"Start of {'structure or map' if isinstance(value, dict) else 'list'} found where not expected."
        )
    return unreadable(f"{_KINDS.get(type(value), 'NULL_VALUE')} can not be converted to {wanted}")
