"""Checks of decoded JSON that comes from outside: every refusal names the field and the mend."""

from collections.abc import Mapping
from difflib import get_close_matches
from math import isfinite
from typing import cast

from llm_gateway.domain.errors import InvalidRequest

_DEEPEST = 64
_LARGEST_INT = 2**63 - 1
_MOST_BITS_SHOWN = 10_000  # Python refuses to write whole numbers of more than 4,300 digits


def kind_of(value: object) -> str:
    """How JSON calls the value, for an error message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, Mapping) else "an unknown value"


def shown(value: object) -> str:
    """A short form of a caller's value that is safe to repeat in a message."""
    if isinstance(value, int) and value.bit_length() > _MOST_BITS_SHOWN:
        return "a number of thousands of digits"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def an_object(value: object, field: str) -> Mapping[str, object]:
    """The value as a JSON object."""
    if not isinstance(value, dict):
        raise InvalidRequest(f"{field} must be an object; got {kind_of(value)}", field=field)
    return cast(Mapping[str, object], value)


def a_list(value: object, field: str, of: str) -> list[object]:
    """The value as a list; ``of`` says what belongs in it."""
    if not isinstance(value, list):
        raise InvalidRequest(f"{field} must be a list of {of}; got {kind_of(value)}", field=field)
    return cast(list[object], value)


def a_string(value: object, field: str) -> str:
    """The value as text that can be sent as UTF-8."""
    if not isinstance(value, str):
        raise InvalidRequest(f"{field} must be a string; got {kind_of(value)}", field=field)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidRequest(
                f"{field} holds half of a surrogate pair, which is no text; send whole characters", field=field
            ) from None
    return value


def filled_text(value: object, field: str) -> str:
    """Text with more in it than white space."""
    text = a_string(value, field)
    if not text or text.isspace():
        raise InvalidRequest(f"{field} is blank; put text there or leave it out", field=field)
    return text


def a_number(value: object, field: str, least: float, most: float) -> float:
    """A finite number from ``least`` to ``most``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequest(f"{field} must be a number from {least} to {most}; got {kind_of(value)}", field=field)
    if not least <= value <= most:  # NaN fails both
        raise InvalidRequest(f"{field} must be from {least} to {most}; got {shown(value)}", field=field)
    return float(value)


def a_count(value: object, field: str, least: int, most: int) -> int:
    """A whole number from ``least`` to ``most``; 5.0 counts as 5."""
    if isinstance(value, float) and isfinite(value) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        said = shown(value) if isinstance(value, float) else kind_of(value)
        raise InvalidRequest(f"{field} must be a whole number of at least {least}; got {said}", field=field)
    if not least <= value <= most:
        raise InvalidRequest(f"{field} must be from {least} to {most}; got {shown(value)}", field=field)
    return value


def a_word(value: object, field: str, words: tuple[str, ...]) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in words:
        said = shown(value) if isinstance(value, str) else kind_of(value)
        raise InvalidRequest(f"{field} must be one of {', '.join(words)}; got {said}", field=field)
    return value


def only(given: Mapping[str, object], allowed: tuple[str, ...], field: str) -> None:
    """Refuses members that nobody would read, naming the one that was probably meant."""
    for name in given:
        if name not in allowed:
            path = f"{field}.{name}" if field else name or "''"
            near = get_close_matches(name[:60], allowed, n=1)
            hint = f"allowed: {', '.join(allowed)}" if allowed else "nothing is allowed here"
            hint = f"did you mean {near[0]!r}?" if near else hint
            raise InvalidRequest(f"{shown(path)} is not known; {hint}", field=_sendable(path)[:200])


def _sendable(text: str) -> str:
    """Text that UTF-8 can write: half a surrogate pair becomes its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def plain_json(value: object, field: str) -> object:
    """Any JSON that Bedrock can take: no NaN, no endless nesting, no number beyond 64 bits. Given back unchanged."""
    _check_json(value, field, 0)
    return value


def _check_json(value: object, field: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise InvalidRequest(f"{field} is nested deeper than {_DEEPEST} levels", field=field)
    if isinstance(value, str):
        a_string(value, field)
    if isinstance(value, float) and not isfinite(value):
        raise InvalidRequest(f"{field} holds {value}, which JSON does not know; send a finite number", field=field)
    if isinstance(value, int) and not -_LARGEST_INT <= value <= _LARGEST_INT:
        raise InvalidRequest(f"{field} holds a whole number beyond 64 bits; send it as a string", field=field)
    if isinstance(value, dict):
        for name, member in cast(Mapping[str, object], value).items():
            _check_json(member, f"{field}.{a_string(name, field)}"[:200], depth + 1)
    elif isinstance(value, list):
        for position, member in enumerate(cast(list[object], value)):
            _check_json(member, f"{field}[{position}]"[:200], depth + 1)
