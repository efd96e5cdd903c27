"""Where lines of the log go: a text stream whose faults stay here.

Law: no request fails, or waits, because its line cannot be written. Under a running event loop lines are held for a
blink, so that many leave in one write; they leave with the process at the latest.
"""

import asyncio
import atexit
import select
from collections.abc import Iterator
from contextlib import suppress
from threading import RLock
from typing import TextIO

_PATIENCE_MS = 100  # for a reader that is only slow
_HELD_S = 0.02
_MOST_AT_ONCE = 4096  # bytes: what a pipe that says it has room takes without waiting (PIPE_BUF)


class LossyLines:
    """A text stream that never raises.

    Where nobody reads a pipe it is full after 64 KB, and a write would hold up the event loop for ever. Once lines have
    waited in vain, those that find no room are lost until there is some; then a line tells how many.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._room = _room_of(out)
        self._holds = self._room is not None and not out.isatty()
        self._held: list[str] = []
        self._held_characters = 0
        self._leaving: asyncio.AbstractEventLoop | None = None  # the loop that will call flush
        self._lost = 0
        self._lock = RLock()  # threads log too, and so does the garbage collector in the midst of a write
        self.isatty = out.isatty
        atexit.register(self.flush)

    def write(self, text: str) -> None:
        """One line, with its end."""
        with self._lock:
            self._held.append(text)
            self._held_characters += len(text)
            if self._held_characters > _MOST_AT_ONCE or not self._leaves_soon():
                self.flush()

    def flush(self) -> None:
        """Writes what is held."""
        with self._lock:
            self._leaving = None
            lines, self._held, self._held_characters = self._held, [], 0
            for piece in _pieces(lines):
                self._put(piece)

    def _leaves_soon(self) -> bool:
        if self._leaving is not None and not self._leaving.is_closed():
            return True
        if not self._holds:
            return False
        try:
            self._leaving = asyncio.get_running_loop()
        except RuntimeError:
            return False
        self._leaving.call_later(_HELD_S, self.flush)
        return True

    def _put(self, lines: list[str]) -> None:
        if self._room is not None and not self._room.poll(0 if self._lost else _PATIENCE_MS):
            self._lost += len(lines)
            return
        if self._lost:
            lines = [f'{{"event":"log_lines_lost","level":"warning","count":{self._lost}}}\n', *lines]
            self._lost = 0
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            self._out.write("".join(lines))
            self._out.flush()


def _pieces(lines: list[str]) -> Iterator[list[str]]:
    """Lines that fit into one write; a longer one goes by itself."""
    piece: list[str] = []
    size = 0
    for line in lines:
        bytes_ = len(line) if line.isascii() else len(line.encode("utf-8", "replace"))
        if piece and size + bytes_ > _MOST_AT_ONCE:
            yield piece
            piece, size = [], 0
        piece.append(line)
        size += bytes_
    if piece:
        yield piece


def _room_of(out: TextIO) -> "select.poll | None":
    """Tells whether a line of up to 4 KB can be written at once; ``None`` where that cannot be known."""
    try:
        room = select.poll()
        room.register(out.fileno(), select.POLLOUT)
    except (AttributeError, OSError, ValueError):  # Windows has no poll; a stream in memory has no number
        return None
    return room
