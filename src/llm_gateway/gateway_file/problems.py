"""What is wrong with a file, all of it at once, each with its line."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from llm_gateway.domain.errors import ConfigurationError

Path = tuple[str | int, ...]
"""Where a value stands: ``("routes", "fast", "targets", 0, "model")``."""
_LONGEST = 60
_MOST_SHOWN = 50


class Problem(NamedTuple):
    """One thing wrong. ``line`` counts from 1; ``None`` where the whole file is to blame."""

    line: int | None
    path: Path
    said: str


class GatewayFileError(ConfigurationError):
    """The file is wrong: one line for each problem, ``FILE:LINE: path: what is wrong and the mend``."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        shown = sorted(problems, key=lambda each: each.line or 0)
        self.lines = tuple([_line(file, problem) for problem in shown[:_MOST_SHOWN]])
        if len(shown) > _MOST_SHOWN:
            self.lines += (f"{file}: and {len(shown) - _MOST_SHOWN} more",)
        super().__init__("\n".join(self.lines))


def refusal(file: str, line: int | None, said: str) -> GatewayFileError:
    """One thing wrong with a file as a whole."""
    return GatewayFileError(file, [Problem(line, (), said)])


class Problems:
    """Collects what is wrong with one file. ``lines`` tells where its values stand."""

    def __init__(self, file: str, lines: Mapping[Path, int]) -> None:
        self.file = file
        self.found: list[Problem] = []
        self._lines = lines

    def add(self, path: Path, said: str) -> None:
        """Something is wrong with the value there."""
        self.found.append(Problem(self.line_of(path), path, said))

    def line_of(self, path: Path) -> int | None:
        """The line of a value, or of the nearest that holds it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path)

    def raise_if_any(self) -> None:
        """Raises GatewayFileError with all that was found."""
        if self.found:
            raise GatewayFileError(self.file, self.found)


def as_word(path: Path) -> str:
    """``routes.fast.targets[0].model``."""
    word = ""
    for part in path:
        if isinstance(part, int):
            word += f"[{part}]"
        else:
            word += f".{short(part)}" if word else short(part)
    return word


def short(text: str) -> str:
    """A text that may stand in a message: one line, not too long."""
    plain = text if text.isprintable() else repr(text)[1:-1]
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 3] + "..."


def closest(word: str, known: Sequence[str]) -> str:
    """``; closest: a, b``, or which there are where nothing is alike."""
    alike = get_close_matches(word.lower(), known, n=3, cutoff=0.6)
    if alike:
        return f"; closest: {', '.join(alike)}"
    few = [short(name) for name in known[:12]]
    return f"; there {'is' if len(known) == 1 else 'are'} {', '.join(few)}" if few and len(known) <= 12 else ""


def _line(file: str, problem: Problem) -> str:
    where = file if problem.line is None else f"{file}:{problem.line}"
    return f"{where}: {as_word(problem.path)}: {problem.said}" if problem.path else f"{where}: {problem.said}"
