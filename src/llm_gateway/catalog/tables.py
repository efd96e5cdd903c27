"""One TOML table read key by key. Every complaint names the file, the table, the key, and the mend."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import NoReturn, TypeGuard

from llm_gateway.domain.errors import ConfigurationError

Raw = Mapping[str, object]


def is_table(value: object) -> TypeGuard[Raw]:
    """Whether a TOML value is a table; TOML's keys are always strings."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Whether a TOML value is an array, of whatever."""
    return isinstance(value, list)


class Table:
    """A table and where it stands. Each reader returns ``None`` (or the default) for a key that is not there."""

    __slots__ = ("_raw", "_where")

    def __init__(self, raw: Raw, where: str) -> None:
        self._raw = raw
        self._where = where

    def fail(self, complaint: str) -> NoReturn:
        """Raises:
        ConfigurationError: always, with the place before the complaint.
        """
        raise ConfigurationError(f"{self._where}: {complaint}")

    def only(self, known: Collection[str]) -> None:
        """Refuses keys that mean nothing, naming the closest one that does."""
        for key in self._raw:
            if key not in known:
                close = difflib.get_close_matches(key, known, 1, 0.5)
                hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(sorted(known))}"
                self.fail(f"unknown key {key!r}; {hint}")

    def __iter__(self) -> Iterator[str]:
        """The keys in the file's order."""
        return iter(self._raw)

    def text(self, key: str) -> str | None:
        """A string that is not blank."""
        value = self._raw.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            self._wrong(key, value, 'text in quotes, as in "…"')
        return value

    def needed_text(self, key: str, example: str) -> str:
        """A string that must be there."""
        return self.text(key) or self._missing(key, f'{key} = "{example}"')

    def count(self, key: str) -> int | None:
        """A whole number from 1."""
        value = self._raw.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self._wrong(key, value, "a whole number above 0")
        return value

    def needed_count(self, key: str, example: str) -> int:
        """A whole number from 1 that must be there."""
        return self.count(key) or self._missing(key, f"{key} = {example}")

    def price(self, key: str) -> Decimal | None:
        """US dollars per million tokens, as a number or as text; 0 only where it was written down."""
        value = self._raw.get(key)
        if value is None:
            return None
        if isinstance(value, str) and value.replace(".", "", 1).isdecimal():
            value = Decimal(value)
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            self._wrong(key, value, "US dollars per million tokens, e.g. 0.8")
        found = Decimal(value)
        if not found.is_finite() or not 0 <= found < 1_000_000:
            self._wrong(key, value, "US dollars per million tokens, e.g. 0.8")
        return found

    def needed_price(self, key: str) -> Decimal:
        """A price that must be there."""
        found = self.price(key)
        return self._missing(key, f"{key} = 0.8 (US dollars per million tokens)") if found is None else found

    def day(self, key: str) -> date | None:
        """A TOML date."""
        value = self._raw.get(key)
        if value is None:
            return None
        if not isinstance(value, date) or isinstance(value, datetime):
            self._wrong(key, value, "a date without quotes, e.g. 2026-11-21")
        return value

    def needed_day(self, key: str) -> date:
        """A TOML date that must be there."""
        return self.day(key) or self._missing(key, f"{key} = 2026-11-21 (the day you looked it up)")

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self._raw.get(key, default)
        if not isinstance(value, bool):
            self._wrong(key, value, "true or false")
        return value

    def words(self, key: str, default: tuple[str, ...], allowed: Collection[str] | None = None) -> tuple[str, ...]:
        """A list of words, all among the allowed ones."""
        value = self._raw.get(key)
        if value is None:
            return default
        if not is_list(value):
            self._wrong(key, value, 'a list of words, e.g. ["text"]')
        found: list[str] = []
        for word in value:
            if not isinstance(word, str) or not word.strip():
                self._wrong(key, word, "words in quotes")
            if allowed is not None and word not in allowed:
                close = difflib.get_close_matches(word, allowed, 1, 0.5)
                hint = f"did you mean {close[0]!r}?" if close else f"known words: {', '.join(sorted(allowed))}"
                self.fail(f"{key}: unknown word {word!r}; {hint}")
            found.append(word)
        return tuple(found)

    def table(self, key: str, title: str) -> "Table | None":
        """A table inside this one; ``title`` is its place for complaints."""
        value = self._raw.get(key)
        if value is None:
            return None
        if not is_table(value):
            self._wrong(key, value, f"a table: [{title}] or {key} = {{ … }}")
        return Table(value, f"{self._where}, {title}")

    def tables(self, key: str, title: str) -> "tuple[Table, ...]":
        """A list of tables inside this one."""
        value = self._raw.get(key)
        if value is None:
            return ()
        if not is_list(value):
            self._wrong(key, value, f"a list of tables, each begun with [[{title}]]")
        found: list[Table] = []
        for number, one in enumerate(value, 1):
            if not is_table(one):
                self._wrong(key, one, f"a list of tables, each begun with [[{title}]]")
            found.append(Table(one, f"{self._where}, {title} {number}"))
        return tuple(found)

    def is_word(self, key: str, word: str) -> bool:
        """Whether the key holds exactly this word."""
        return self._raw.get(key) == word

    def _wrong(self, key: str, value: object, wanted: str) -> NoReturn:
        shown = str(value) if isinstance(value, Decimal | date) else repr(value)
        self.fail(f"{key} is {shown[:60]}; it must be {wanted}")

    def _missing(self, key: str, example: str) -> NoReturn:
        self.fail(f"{key} is missing; add {example}")
