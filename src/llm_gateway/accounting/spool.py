"""What was spent while the ledger could not be written: kept in a local file, line by line, until it can.

A line is flushed to the disk before the caller gets its answer. Every line is booked under the id of its attempt, so
one that is booked twice counts once.
"""

import asyncio
import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import orjson

from llm_gateway.accounting import ledger
from llm_gateway.accounting.books_contract import LedgerRow

Kept = tuple[str, tuple[LedgerRow, ...]]


class Spool:
    """Lines in files of one folder, one file a process; files of processes that are gone are taken over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / f"spool-{os.urandom(8).hex()}.jsonl"
        self._handle: int | None = None
        self._waiting: deque[Kept] = deque()
        self._adopted = False
        self._files: list[Path] = []
        self._writing = asyncio.Lock()

    async def keep(self, hold_id: str, rows: Sequence[LedgerRow]) -> None:
        """Flushed when this returns; where even that fails, it is kept in memory."""
        kept = (hold_id, tuple(rows))
        self._waiting.append(kept)
        async with self._writing:
            await asyncio.to_thread(self._write, kept)

    async def oldest(self, most: int) -> list[Kept]:
        """The first of those that wait, those of dead processes among them."""
        if not self._adopted:
            self._adopted = True
            self._waiting.extendleft(reversed(await asyncio.to_thread(self._adopt)))
        return [self._waiting[number] for number in range(min(most, len(self._waiting)))]

    async def forget(self, number: int) -> None:
        """Those were booked. When none waits any more the files go."""
        for _ in range(number):
            self._waiting.popleft()
        if not self._waiting:
            async with self._writing:
                await asyncio.to_thread(self._clear)

    # Below here: in a thread.

    def _write(self, kept: Kept) -> None:
        hold_id, rows = kept
        line = orjson.dumps({"hold": hold_id, "rows": [ledger.to_json(row) for row in rows]}) + b"\n"
        try:
            if self._handle is None:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                _lock(self._handle)
            os.write(self._handle, line)
            os.fsync(self._handle)
        except OSError:
            return  # the memory is all that is left

    def _adopt(self) -> list[Kept]:
        found: list[Kept] = []
        for path in sorted(self._folder.glob("spool-*.jsonl")) if self._folder.is_dir() else ():
            if path == self._path or _is_somebodys(path):
                continue
            self._files.append(path)
            for line in path.read_bytes().splitlines():
                try:
                    told = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue  # the last line of a process that was killed while it wrote: nobody was answered for it
                found.append((told["hold"], tuple(ledger.from_json(row) for row in told["rows"])))
        return found

    def _clear(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        for path in (self._path, *self._files):
            path.unlink(missing_ok=True)
        self._files.clear()


def _lock(handle: int) -> bool:
    """Whether the file is ours now; a lock ends with its process, however that ends."""
    try:
        import fcntl
    except ImportError:  # Windows: nobody takes over what another process may still write
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_somebodys(path: Path) -> bool:
    handle = os.open(path, os.O_RDONLY)
    try:
        return not _lock(handle)
    finally:
        os.close(handle)
