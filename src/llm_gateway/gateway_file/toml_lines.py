"""On which line a key of a TOML file stands, found by its text: the parser tells lines of its own errors only.

Tables, arrays of tables and keys at the begin of a line are found; what stands within an inline table has its line.
"""

import re

from llm_gateway.gateway_file.problems import Path

_HEAD = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"""\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+|\s*\.\s*)+?)\s*=""")
_PART = re.compile(r""""([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+)""")


def toml_lines(text: str) -> dict[Path, int]:
    """The line of every table and key that begins one."""
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        head = _HEAD.fullmatch(line)
        if head is not None:
            table = _placed(_parts(head[2]), counts)
            if head[1] == "[[":
                at = counts[table] = counts.get(table, -1) + 1
                lines.setdefault(table, number)
                table = (*table, at)
        elif (key := _KEY.match(line)) is not None:
            _note((*table, *_parts(key[1])), number, lines)
            continue
        else:
            continue
        _note(table, number, lines)
    return lines


def _parts(words: str) -> Path:
    return tuple([quoted or literal or bare for quoted, literal, bare in _PART.findall(words)])


def _placed(parts: Path, counts: dict[Path, int]) -> Path:
    """With the number of the last table wherever a part names an array of tables, but for the last part."""
    path: Path = ()
    for place, part in enumerate(parts):
        path = (*path, part)
        if path in counts and place < len(parts) - 1:
            path = (*path, counts[path])
    return path


def _note(path: Path, number: int, lines: dict[Path, int]) -> None:
    for length in range(1, len(path) + 1):
        lines.setdefault(path[:length], number)
