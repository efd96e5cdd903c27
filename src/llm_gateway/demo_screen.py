"""Where the demo is shown: plain text of at most 100 columns, readable without colour."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten, wrap
from typing import TextIO

WIDTH = 100
_NAME = 18
_ASKED_AS = 48
_LONGEST_WORD = 18


@dataclass(slots=True)
class Screen:
    """Writes lines, and running text piece by piece. ``column`` is where the running text stands."""

    out: TextIO
    column: int = 0

    def line(self, text: str = "") -> None:
        """One line as it is."""
        self.out.write(text.rstrip() + "\n")
        self.out.flush()

    def title(self, text: str) -> None:
        """A heading with a blank line above."""
        self.line()
        self.line(text)
        self.line("-" * len(text))

    def row(self, cells: Sequence[str]) -> None:
        """Model, whom it means, tokens, cost, milliseconds."""
        name, asked_as, tokens, cost, took = cells
        self.line(f"  {name:<{_NAME}}{asked_as:<{_ASKED_AS}}{tokens:>9}{cost:>13}{took:>9}")

    def quoted(self, text: str) -> None:
        """The beginning of an answer, under its row."""
        self.line(f"  {'':<{_NAME}}{shorten(text, WIDTH - _NAME - 4, placeholder=' ...')}")

    def named(self, name: str, text: str) -> None:
        """A name at the left, its text beside it on as many lines as it takes."""
        for at, part in enumerate(wrap(text, WIDTH - _NAME - 2, break_on_hyphens=False) or [""]):
            self.line(f"  {'' if at else name:<{_NAME}}{part}")

    def piece(self, text: str) -> None:
        """A piece of running text; lines break at blanks."""
        for letter in text:
            if letter.isspace():
                letter = "\n" if self.column > WIDTH - _LONGEST_WORD else " "
            self.out.write(letter if self.column else f"  {letter}")
            self.column = 0 if letter == "\n" else self.column + len(letter) if self.column else 3
        self.out.flush()

    def end_text(self) -> None:
        """Ends the running text."""
        if self.column:
            self.line()
        self.column = 0
