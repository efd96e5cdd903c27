"""SQLite in one file, for one machine: any number of processes share it.

Law: one thread writes. It takes all transactions that wait and commits them as one (group commit), durably
(``synchronous=FULL``); a second thread reads beside it (WAL). The event loop waits for neither. Processes take turns by
chance, all at the same odds: SQLite's own waiting grows longer the longer one has waited, and so some would starve.
"""

import asyncio
import os
import queue
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from llm_gateway.storage.contract import Migration, Returned, StorageUnavailable, Transaction, Work

_MOST_AT_ONCE = 512
_BUSY_S = 8.0
_POLL_S = (0.001, 0.01)
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=1000",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA foreign_keys=ON",
)


class _Job:
    __slots__ = ("done", "error", "future", "result", "work")

    def __init__(self, work: Work[Any], future: asyncio.Future[Any]) -> None:
        self.work = work
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None
        self.done = False


class SqliteFile:
    """The database in ``path``. Opened, and brought forward by ``migrations``, when first used."""

    def __init__(
        self,
        path: Path,
        migrations: Sequence[Migration],
        *,
        busy_s: float = _BUSY_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._migrations = tuple(migrations)
        self._busy_s = busy_s
        self._clock = clock
        self._writer = _Thread("ledger-writer", self._write_all)
        self._reader = _Thread("ledger-reader", self._read_all)
        self._write_connection: sqlite3.Connection | None = None
        self._read_connection: sqlite3.Connection | None = None

    async def write(self, work: Work[Returned]) -> Returned:
        """See :class:`~llm_gateway.storage.contract.Database`."""
        return await self._writer.do(work)

    async def read(self, work: Work[Returned]) -> Returned:
        """See :class:`~llm_gateway.storage.contract.Database`."""
        return await self._reader.do(work)

    async def aclose(self) -> None:
        """Commits what waits, then ends both threads."""
        await self._writer.aclose()
        await self._reader.aclose()

    # Below here: in the threads.

    def _write_all(self, jobs: Sequence[_Job]) -> None:
        if not jobs:
            self._write_connection = _closed(self._write_connection)
            return
        try:
            connection = self._write_connection = self._write_connection or self._opened()
            self._commit(connection, jobs)
        except (sqlite3.Error, OSError) as failed:
            self._write_connection = _closed(self._write_connection)
            raise StorageUnavailable(_words(failed)) from failed

    def _commit(self, connection: sqlite3.Connection, jobs: Sequence[_Job]) -> None:
        """All in one transaction, without those that raised before they changed anything. Where one raised later,
        each in its own, so that no other suffers."""
        try:
            _patiently(connection, "BEGIN IMMEDIATE", self._busy_s)
            now_ms = int(self._clock() * 1000)
            for job in jobs:
                changes = connection.total_changes
                try:
                    job.result = _run(connection, job.work(now_ms))
                except sqlite3.Error:
                    raise
                except Exception as error:
                    if connection.total_changes != changes:
                        raise
                    job.error = error
            connection.execute("COMMIT")
            for job in jobs:
                job.done = True
        except sqlite3.OperationalError:
            _roll_back(connection)
            raise
        except Exception as error:  # noqa: BLE001 - it is handed to whoever asked
            _roll_back(connection)
            if len(jobs) == 1:
                jobs[0].error = error
                jobs[0].done = True
                return
            for job in jobs:
                job.error = None
                self._commit(connection, [job])

    def _read_all(self, jobs: Sequence[_Job]) -> None:
        if not jobs:
            self._read_connection = _closed(self._read_connection)
            return
        try:
            connection = self._read_connection = self._read_connection or self._opened(waits=True)
            for job in jobs:
                self._look(connection, job)
        except (sqlite3.Error, OSError) as failed:
            self._read_connection = _closed(self._read_connection)
            raise StorageUnavailable(_words(failed)) from failed

    def _look(self, connection: sqlite3.Connection, job: _Job) -> None:
        try:
            connection.execute("BEGIN")
            job.result = _run(connection, job.work(int(self._clock() * 1000)))
            job.done = True
        except (sqlite3.Error, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - it is handed to whoever asked
            job.error = error
            job.done = True
        finally:
            _roll_back(connection)

    def _opened(self, *, waits: bool = False) -> sqlite3.Connection:
        """``waits``: SQLite itself waits where somebody stands in the way, which for a reader is hardly ever."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self._path, timeout=self._busy_s, isolation_level=None, check_same_thread=True, cached_statements=256
        )
        try:
            with suppress(OSError):  # another user's file: the database itself will say whether it can be used
                os.chmod(self._path, 0o600)  # noqa: PTH101 - the same, without a second Path
            for pragma in _PRAGMAS:
                _patiently(connection, pragma, self._busy_s)
            connection.execute("PRAGMA busy_timeout=0")
            _migrate(connection, self._migrations, self._busy_s)
            if waits:
                connection.execute(f"PRAGMA busy_timeout={int(self._busy_s * 1000)}")
        except BaseException:
            connection.close()
            raise
        return connection


def _patiently(connection: sqlite3.Connection, statement: str, busy_s: float) -> None:
    """Runs what needs the file for itself, as soon as no other process has it."""
    waits_until = time.monotonic() + busy_s
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as refused:
            is_busy = getattr(refused, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > waits_until:
                raise
            time.sleep(random.uniform(*_POLL_S))  # noqa: S311 - no secret
        else:
            return


def _run(connection: sqlite3.Connection, transaction: Transaction[Returned]) -> Returned:
    execute = connection.execute
    try:
        sql, parameters = next(transaction)
        while True:
            sql, parameters = transaction.send(execute(sql, parameters).fetchall())
    except StopIteration as done:
        return done.value


def _roll_back(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _closed(connection: sqlite3.Connection | None) -> None:
    if connection is not None:
        with suppress(sqlite3.Error):
            connection.close()


def _migrate(connection: sqlite3.Connection, migrations: Sequence[Migration], busy_s: float) -> None:
    """Waits for its turn to write only where there is something to do: many processes may start at once."""
    with suppress(sqlite3.OperationalError):  # there is no table yet
        if {each.name for each in migrations} <= {row[0] for row in connection.execute("SELECT name FROM migrations")}:
            return
    _patiently(connection, "BEGIN IMMEDIATE", busy_s)
    try:
        connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, ran_at TEXT NOT NULL)")
        ran = {row[0] for row in connection.execute("SELECT name FROM migrations")}
        for migration in migrations:
            if migration.name not in ran:
                for statement in migration.sqlite:
                    connection.execute(statement)
                connection.execute("INSERT INTO migrations VALUES (?, datetime('now'))", (migration.name,))
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise


def _words(failed: Exception) -> str:
    return f"SQLite: {failed}"


class _Thread:
    """One thread that is handed all jobs that wait, and none when it shall close. Starts with its first job."""

    def __init__(self, name: str, do_all: Callable[[Sequence[_Job]], None]) -> None:
        self._name = name
        self._do_all = do_all
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    async def do(self, work: Work[Any]) -> Any:
        if self._closed:
            raise StorageUnavailable("the database was closed")
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(work, future))
        return await future

    async def aclose(self) -> None:
        self._closed = True
        if self._thread is not None and self._thread.is_alive():
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        open_still = True
        while open_still:
            jobs: list[_Job] = []
            job = self._jobs.get()
            with suppress(queue.Empty):
                while job is not None:
                    jobs.append(job)
                    if len(jobs) == _MOST_AT_ONCE:
                        break
                    job = self._jobs.get_nowait()
            open_still = job is not None
            if jobs:
                self._do(jobs)
        self._do_all(())

    def _do(self, jobs: Sequence[_Job]) -> None:
        try:
            self._do_all(jobs)
        except Exception as failed:  # noqa: BLE001 - it is handed to all who asked
            for job in jobs:
                if not job.done:
                    job.error = failed
        with suppress(RuntimeError):  # the loop has gone, and everybody who asked with it
            jobs[0].future.get_loop().call_soon_threadsafe(_tell, jobs)


def _tell(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
