"""Checks of JSON from outside: what passes, and what is said of what does not."""

from collections.abc import Callable
from typing import Any

import pytest

from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.surfaces.json_values import (
    a_count,
    a_list,
    a_number,
    a_string,
    a_word,
    an_object,
    filled_text,
    kind_of,
    only,
    plain_json,
    shown,
)

HUGE = 10**5000  # more digits than Python writes
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        (True, "a boolean"),
        (1, "a number"),
        (1.5, "a number"),
        ("x", "a string"),
        ([], "a list"),
        ({}, "an object"),
        (b"", "an unknown value"),
    ],
)
def test_kinds_have_their_json_names(value: Any, kind: str) -> None:
    assert kind_of(value) == kind


def test_a_value_is_shown_short_and_harmless() -> None:
    assert shown("a\nb\ud800") == r"'a\nb\ud800'"
    assert len(shown("x" * 1000)) == 60
    assert shown(HUGE) == "a number of thousands of digits"


def refuses(field: str, check: Callable[[], object], *words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check()
    assert refused.value.field == field
    for word in words:
        assert word in refused.value.message


@pytest.mark.parametrize("value", [0, 2, 0.5, 1.0])
def test_a_number_within_its_range_passes(value: float) -> None:
    assert a_number(value, "t", 0, 2) == value


@pytest.mark.parametrize("value", [-1, 2.1, NAN, INF, -INF, 10**400, HUGE, -HUGE, True, None, "1", [], {}], ids=kind_of)
def test_another_number_is_told_its_range(value: Any) -> None:
    refuses("t", lambda: a_number(value, "t", 0, 2), "from 0 to 2")


@pytest.mark.parametrize("value", [1, 5.0, 10])
def test_a_count_within_its_range_passes(value: float) -> None:
    got = a_count(value, "n", 1, 10)
    assert got == value
    assert type(got) is int


@pytest.mark.parametrize("value", [0, -1, 11, 1.5, NAN, INF, 1e300, HUGE, True, None, "5"], ids=kind_of)
def test_another_count_is_refused(value: Any) -> None:
    refuses("n", lambda: a_count(value, "n", 1, 10), "n must be")


def test_strings_lists_objects_and_words() -> None:
    assert a_string("é", "s") == "é"
    assert filled_text(" x ", "s") == " x "
    assert a_list([1], "l", "numbers") == [1]
    assert an_object({"a": 1}, "o") == {"a": 1}
    assert a_word("b", "w", ("a", "b")) == "b"
    refuses("s", lambda: a_string(1, "s"), "must be a string; got a number")
    refuses("s", lambda: a_string("\udc00", "s"), "surrogate")
    refuses("s", lambda: filled_text("", "s"), "blank")
    refuses("s", lambda: filled_text("\t\u2003", "s"), "blank")
    refuses("l", lambda: a_list({}, "l", "numbers"), "list of numbers; got an object")
    refuses("o", lambda: an_object([], "o"), "must be an object; got a list")
    refuses("w", lambda: a_word("c", "w", ("a", "b")), "one of a, b; got 'c'")
    refuses("w", lambda: a_word(None, "w", ("a", "b")), "got null")


def test_an_unknown_member_hears_what_was_probably_meant() -> None:
    only({"a": 1}, ("a", "b"), "x")
    refuses("temprature", lambda: only({"temprature": 1}, ("temperature",), ""), "did you mean 'temperature'?")
    refuses("x.zzz", lambda: only({"zzz": 1}, ("a", "b"), "x"), "allowed: a, b")
    refuses("''", lambda: only({"": 1}, ("a",), ""), "allowed: a")
    refuses("zzz", lambda: only({"zzz": 1}, (), ""), "nothing is allowed here")


def test_a_field_path_can_always_be_sent() -> None:
    with pytest.raises(InvalidRequest) as refused:
        only({"\ud800" * 500: 1}, ("a",), "x")
    assert (refused.value.field or "").encode()
    assert len(refused.value.field or "") <= 200
    with pytest.raises(InvalidRequest) as refused:
        plain_json({"\ud800": 1}, "x")
    assert (refused.value.field or "").encode()
    assert refused.value.message.encode()


def test_plain_json_passes_unchanged() -> None:
    value = {"a": [1, 1.5, None, True, "é", {"b": -(2**63) + 1}]}
    assert plain_json(value, "x") is value


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_json_that_bedrock_cannot_take_is_named() -> None:
    assert plain_json(nested(60), "x")
    with pytest.raises(InvalidRequest, match="nested deeper than 64"):
        plain_json(nested(100), "x")
    refuses("x.a[1]", lambda: plain_json({"a": [1, NAN]}, "x"), "finite")
    refuses("x.a", lambda: plain_json({"a": -INF}, "x"), "finite")
    refuses("x", lambda: plain_json(2**64, "x"), "64 bits")
    refuses("x[0]", lambda: plain_json(["\ud800"], "x"), "surrogate")
