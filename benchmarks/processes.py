"""The processes under measurement: how they start and stop, what CPU time and memory they have used (Linux only)."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_START_LIMIT_S = 60.0
_NS = 1e-9


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def child_environment(mock_port: int | None = None, **more: str) -> dict[str, str]:
    """What a server gets: no AWS settings but ours, FastMCP quiet, this checkout importable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FASTMCP_", "CACHE_"))}
    kept |= {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        "FASTMCP_LOG_ENABLED": "false",
        "FASTMCP_CHECK_FOR_UPDATES": "off",
        "FASTMCP_SHOW_SERVER_BANNER": "false",
        "LEDGER": "off",
        "HEALTH_PORT": "0",
    }
    if mock_port is not None:
        kept |= {
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": f"http://127.0.0.1:{mock_port}",
            "AWS_ACCESS_KEY_ID": "AKIDBENCHMARK",
            "AWS_SECRET_ACCESS_KEY": "no-secret",
            "AWS_REGION": "us-east-1",
        }
    return kept | more


@dataclass(frozen=True, slots=True)
class Server:
    """A running process that listens on ``port``."""

    pid: int
    port: int

    def cpu_s(self) -> float:
        """CPU time of all its threads so far: nanoseconds from the scheduler, else clock ticks."""
        tasks = Path(f"/proc/{self.pid}/task")
        with contextlib.suppress(OSError, ValueError):
            return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) * _NS
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        """Resident memory, in MiB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextlib.contextmanager
def running(arguments: Sequence[str], port: int, environment: dict[str, str]) -> Iterator[Server]:
    """``python ARGUMENTS`` until the block ends."""
    with running_command([sys.executable, *arguments], port, environment) as server:
        yield server


@contextlib.contextmanager
def running_command(command: Sequence[str], port: int, environment: dict[str, str]) -> Iterator[Server]:
    """A server in an empty folder (so that no ``.env`` is read) until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "stderr.txt")
        with log.open("wb") as errors:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=errors, stderr=errors)
            try:
                _await_listening(process, port, log)
                yield Server(process.pid, port)
            finally:
                process.terminate()
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _await_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up_at = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < give_up_at:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"{process.args} does not listen: {log.read_text(errors='replace')[-2000:]}")


@contextlib.contextmanager
def mock(delay_s: float = 0.0, deltas: int = 9, gap_s: float = 0.0) -> Iterator[Server]:
    """The Bedrock mock."""
    port = free_port()
    sizes = ["--delay-s", str(delay_s), "--deltas", str(deltas), "--gap-s", str(gap_s)]
    arguments = ["-m", "benchmarks.bedrock_mock", "--port", str(port), *sizes]
    with running(arguments, port, child_environment()) as server:
        yield server


@contextlib.contextmanager
def gateway(mock_port: int, **environment: str) -> Iterator[Server]:
    """Ours, over HTTP, as a user starts it."""
    port = free_port()
    arguments = ["-m", "llm_gateway", "serve", "--transport", "http", "--port", str(port)]
    with running(arguments, port, child_environment(mock_port, **environment)) as server:
        yield server


@contextlib.contextmanager
def bare() -> Iterator[Server]:
    """The bare FastMCP server, over HTTP."""
    port = free_port()
    with running(["-m", "benchmarks.bare_server", "--port", str(port)], port, child_environment()) as server:
        yield server


@contextlib.contextmanager
def floor(mock_port: int) -> Iterator[Server]:
    """The floor prototype."""
    port = free_port()
    arguments = ["-m", "benchmarks.floor", "--port", str(port)]
    with running(arguments, port, child_environment(mock_port)) as server:
        yield server
