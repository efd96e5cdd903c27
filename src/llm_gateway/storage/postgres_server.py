"""PostgreSQL, for any number of gateways on any number of machines.

Law: one connection of a process writes. It takes all transactions that wait and commits them as one (group commit),
under an advisory lock that every gateway of this database takes first; so all writes happen one after the other, and
the time they are told is the server's. Reads go beside them, each on what was committed when it began.

A gateway that stops within its turn is cut off by the server after ``TURN_S``, and the others go on.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from llm_gateway.storage.contract import Migration, Returned, StorageUnavailable, Work
from llm_gateway.storage.postgres_wire import Connection, Lost, Running, ask, breaks_its_batch, connect

_MOST_AT_ONCE = 512
_REST_S = 0.25  # after it could not be reached nobody asks the server again for so long
_READERS = 4
_WRITES = 7_215_604_391  # names of our advisory locks: numbers that nobody else uses
_MIGRATES = 7_215_604_392
_NOW = "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint"
_TAKE_TURN = f"SELECT pg_advisory_xact_lock({_WRITES})"
_READ_ONLY = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class _Job(Running):
    __slots__ = ("done", "error", "future", "result", "work")

    def __init__(self, work: Work[Any], future: asyncio.Future[Any]) -> None:
        super().__init__()
        self.work = work
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None
        self.done = False


class PostgresServer:
    """The database at ``address``, ``postgresql://…``; brought forward by ``migrations`` when first used."""

    def __init__(self, address: str, migrations: Sequence[Migration]) -> None:
        self._address = address
        self._migrations = tuple(migrations)
        self._is_ready = False
        self._readying = asyncio.Lock()
        self._waiting: list[_Job] = []
        self._writing: asyncio.Task[None] | None = None
        self._writer: Connection | None = None
        self._free_readers: list[Connection] = []
        self._may_read = asyncio.Semaphore(_READERS)
        self._rests_until = 0.0
        self._closed = False

    async def write(self, work: Work[Returned]) -> Returned:
        """See :class:`~llm_gateway.storage.contract.Database`."""
        self._be_open()
        loop = asyncio.get_running_loop()
        job = _Job(work, loop.create_future())
        self._waiting.append(job)
        if self._writing is None:
            self._writing = loop.create_task(self._write_waiting())
        return await job.future

    async def read(self, work: Work[Returned]) -> Returned:
        """See :class:`~llm_gateway.storage.contract.Database`."""
        self._be_open()
        try:
            async with self._may_read:
                while self._free_readers:  # the server may have started anew since these were used
                    try:
                        return await self._look(self._free_readers.pop(), work)
                    except Lost as lost:
                        if lost.was_silence:
                            raise
                await self._get_ready()
                return await self._look(await self._connected(), work)
        except Lost as lost:
            raise StorageUnavailable(str(lost)) from lost

    async def aclose(self) -> None:
        """Commits what waits, then closes all connections."""
        self._closed = True
        if self._writing is not None:
            await self._writing
        self._drop_writer()
        while self._free_readers:
            self._free_readers.pop().terminate()

    def _be_open(self) -> None:
        if self._closed:
            raise StorageUnavailable("the database was closed")

    async def _write_waiting(self) -> None:
        try:
            while self._waiting:
                jobs = self._waiting[:_MOST_AT_ONCE]
                del self._waiting[:_MOST_AT_ONCE]
                try:
                    await self._write_all(jobs)
                except Exception as failed:  # noqa: BLE001 - it is handed to all who asked
                    told = _as_told(failed)
                    for job in jobs:
                        if not job.done:
                            job.error = told
                for job in jobs:
                    _tell(job)
        finally:
            self._writing = None

    async def _write_all(self, jobs: Sequence[_Job]) -> None:
        was_used = self._writer is not None
        try:
            await self._write_through(jobs)
        except Lost as lost:
            if lost.was_silence or not (was_used and lost.certain):
                raise
            await self._write_through(jobs)  # the server may have started anew since this connection was used

    async def _write_through(self, jobs: Sequence[_Job]) -> None:
        if self._writer is None or self._writer.is_closed():
            await self._get_ready()
            self._writer = await self._connected()
        try:
            await self._commit(self._writer, [job for job in jobs if not job.done])
        except BaseException:
            self._drop_writer()
            raise

    async def _commit(self, connection: Connection, jobs: Sequence[_Job]) -> None:
        """All in one transaction, without those that raised before they changed anything. Where one raised later, the
        others again without it."""
        await ask(connection.execute(f"BEGIN; {_TAKE_TURN}"))
        now_ms: int = await ask(connection.fetchval(f"SELECT {_NOW}"))
        for job in jobs:
            job.error = None
            try:
                job.result = await job.through(connection, job.work(now_ms))
            except Lost:
                raise
            except Exception as error:  # noqa: BLE001 - it is handed to whoever asked
                job.error = error
                if job.wrote or breaks_its_batch(error):
                    await ask(connection.execute("ROLLBACK"))
                    job.done = True
                    await self._commit(connection, [each for each in jobs if not each.done])
                    return
        try:
            await ask(connection.execute("COMMIT"))
        except Lost as lost:
            raise Lost(str(lost), certain=lost.was_answer) from lost
        for job in jobs:
            job.done = True

    async def _look(self, connection: Connection, work: Work[Returned]) -> Returned:
        try:
            await ask(connection.execute(_READ_ONLY))
            now_ms: int = await ask(connection.fetchval(f"SELECT {_NOW}"))
            try:
                result = await Running().through(connection, work(now_ms))
            finally:
                await ask(connection.execute("ROLLBACK"))
        except BaseException:
            connection.terminate()
            raise
        self._free_readers.append(connection)
        return result

    async def _get_ready(self) -> None:
        """Migrates, once in a process; those that start together do so one after the other."""
        async with self._readying:
            if not self._is_ready:
                connection = await self._connected()
                try:
                    await _migrate(connection, self._migrations)
                finally:
                    connection.terminate()
                self._is_ready = True

    async def _connected(self) -> Connection:
        if time.monotonic() < self._rests_until:
            raise Lost("PostgreSQL: it could not be reached a moment ago")
        try:
            return await connect(self._address)
        except Lost:
            self._rests_until = time.monotonic() + _REST_S
            raise

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.terminate()
            self._writer = None


async def _migrate(connection: Connection, migrations: Sequence[Migration]) -> None:
    await ask(connection.execute(f"BEGIN; SELECT pg_advisory_xact_lock({_MIGRATES})"))
    await ask(
        connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, ran_at TIMESTAMPTZ NOT NULL)")
    )
    ran = {row[0] for row in await ask(connection.fetch("SELECT name FROM migrations"))}
    for migration in migrations:
        if migration.name not in ran:
            for statement in migration.postgres:
                await ask(connection.execute(statement))
            await ask(connection.fetch("INSERT INTO migrations VALUES ($1, now())", migration.name))
    await ask(connection.execute("COMMIT"))


def _as_told(failed: Exception) -> Exception:
    return StorageUnavailable(str(failed), certain=failed.certain) if isinstance(failed, Lost) else failed


def _tell(job: _Job) -> None:
    if job.future.done():
        return
    if job.error is not None:
        job.future.set_exception(job.error)
    else:
        job.future.set_result(job.result)
