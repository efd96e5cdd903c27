"""Several processes that serve one port of one machine, and the foreman who starts, counts for and stops them.

The foreman serves nobody: it holds the port, starts a worker anew that has died, counts their rate limits together,
adds up their figures, and tells their health. The first worker is awaited before the others are started, so that what
is wrong with the settings is told once, and a new database is made by one.
"""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable
from contextlib import nullcontext, suppress
from pathlib import Path

import structlog

from llm_gateway.access.limits_host import LimitsHost
from llm_gateway.board import Board, Standing
from llm_gateway.health_port import HealthPort
from llm_gateway.serving import open_health_port, tell_where
from llm_gateway.settings import Settings
from llm_gateway.shared_door import SharedDoor
from llm_gateway.telemetry.contract import Figures
from llm_gateway.telemetry.metrics import added_up
from llm_gateway.worker_line import LineBroken, Words, WorkerLine

_GAVE_UP = 1
_AGAIN_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_GIVES_UP_AFTER = 5  # deaths at the start, one after the other
_LIVED_S = 10.0  # whoever lived longer is started anew at once
_FIGURES_S = 1.0
_GRACE_S = 6.0  # beyond DRAIN_TIMEOUT; then a worker is killed
_EXIT_CODES = {"SIGTERM": 0, "SIGINT": 130, "SIGHUP": 129}


class Worker:
    """One process at work, as the foreman knows it."""

    def __init__(self, process: asyncio.subprocess.Process, line: WorkerLine) -> None:
        self.process = process
        self.line = line
        self.figures: Figures = {}
        self.serves = False


class Foreman:
    """``door`` is the port that they serve together."""

    def __init__(self, settings: Settings, host: str, door: SharedDoor, workers: int) -> None:
        self._settings = settings
        self._host = host
        self._door = door
        self._board = Board.for_several(workers)
        self._limits = LimitsHost()
        self._at_work: dict[int, Worker] = {}
        self._gone: Figures = {}
        self._early_deaths = 0
        self._exit_code: int | None = None
        self._stopping = asyncio.Event()
        self._one_serves = asyncio.Event()
        self._workers = workers

    async def run(self) -> int:
        """Until a signal ends it; the exit code."""
        self._listen_to_signals()
        first = asyncio.ensure_future(self._keep(0))
        serving = asyncio.ensure_future(self._one_serves.wait())
        await asyncio.wait([first, serving], return_when=asyncio.FIRST_COMPLETED)
        serving.cancel()
        if not first.done():
            tell_where(self._settings.log_level, self._host, self._door.port, workers=self._workers)
        rest = [asyncio.ensure_future(self._keep(seat)) for seat in range(1, self._workers)] if self._serves else []
        await asyncio.gather(first, *rest)
        return self._exit_code or 0

    def standings(self) -> list[Standing]:
        """Of all workers, the best first."""
        return [Standing("closing")] * self._workers if self._stopping.is_set() else self._board.standings()

    @property
    def _serves(self) -> bool:
        return any([worker.serves for worker in self._at_work.values()])

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number == signal.SIGHUP and self._settings.gateway_file is not None:
                loop.add_signal_handler(number, self._pass_on, number)
            else:
                loop.add_signal_handler(number, self._stop, number)

    def _pass_on(self, number: signal.Signals) -> None:
        for worker in self._at_work.values():
            with suppress(ProcessLookupError):
                worker.process.send_signal(number)

    def _stop(self, number: signal.Signals) -> None:
        """The first lets requests under way come to their end, a second ends them."""
        word = "end" if self._stopping.is_set() else "drain"
        if not self._stopping.is_set():
            self._give_up(_EXIT_CODES[number.name])
        for worker in self._at_work.values():
            worker.line.tell(word)

    def _give_up(self, exit_code: int) -> None:
        self._exit_code = exit_code
        self._stopping.set()
        self._door.close()  # the last worker to go closes the port

    async def _keep(self, seat: int) -> None:
        """A worker in this seat, and another when it dies."""
        deaths = 0
        while not self._stopping.is_set():
            began_at = time.monotonic()
            worker = await self._start(seat)
            if self._stopping.is_set():  # meanwhile
                worker.line.tell("drain")
            code = await self._attend(seat, worker)
            if self._stopping.is_set():
                return
            served = worker.serves
            self._early_deaths = 0 if served else self._early_deaths + 1
            if not served and not self._serves and (code == 2 or self._early_deaths >= _GIVES_UP_AFTER):
                if code != 2:  # which has said what is wrong with its settings
                    structlog.get_logger().error("workers_die_at_start", exit_code=code, deaths=self._early_deaths)
                self._give_up(code if code == 2 else _GAVE_UP)
                return
            deaths = 0 if time.monotonic() - began_at > _LIVED_S else deaths
            again_s = _AGAIN_S[min(deaths, len(_AGAIN_S) - 1)]
            deaths += 1
            structlog.get_logger().error("worker_died", seat=seat, exit_code=code, again_s=again_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(again_s):
                    await self._stopping.wait()

    async def _start(self, seat: int) -> Worker:
        ours, theirs = socket.socketpair()
        board_fd = self._board.fd
        assert board_fd is not None  # noqa: S101 - it was made for several
        fds = {"board": board_fd, "line": theirs.fileno(), **self._door.fds()}
        words = [f"--{name}-fd={fd}" for name, fd in fds.items()]
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "llm_gateway.worker", *words),
                *(f"--seat={seat}", f"--workers={self._workers}", f"--host={self._host}", f"--port={self._door.port}"),
                env=_environment(),
                pass_fds=tuple(fds.values()),
                stdin=asyncio.subprocess.DEVNULL,
            )
        structlog.get_logger().info("worker_started", seat=seat, pid=process.pid)
        worker = self._at_work[seat] = Worker(process, WorkerLine(ours))
        return worker

    async def _attend(self, seat: int, worker: Worker) -> int:
        """Serves a worker until it ends; its exit code."""
        guest = self._limits.guest()

        def hear(word: str, more: Words) -> Awaitable[Words] | None:
            if word == "admit":
                return guest.admit(more)
            if word == "settle":
                return guest.settle(more)
            if word == "all_figures":
                return self._figures_but_of(worker)
            if word == "serving":
                worker.serves = True
                self._one_serves.set()
            elif word == "figures":
                worker.figures = more["figures"]
            return None

        worker.line.hear = hear
        listening = asyncio.ensure_future(worker.line.listen())
        killing = asyncio.ensure_future(self._kill_late(worker))
        code = await worker.process.wait()
        killing.cancel()
        await listening
        await guest.leave()
        self._board.clear(seat)
        del self._at_work[seat]
        if worker.figures:
            self._gone = added_up([each for each in (self._gone, worker.figures) if each]).figures()
        return code

    async def _kill_late(self, worker: Worker) -> None:
        await self._stopping.wait()
        await asyncio.sleep(self._settings.drain_timeout + _GRACE_S)
        with suppress(ProcessLookupError):
            worker.process.kill()

    async def _figures_but_of(self, asking: Worker) -> Words:
        others = [worker for worker in self._at_work.values() if worker is not asking]
        await asyncio.gather(*[_look_up(worker) for worker in others])
        return {"figures": [each for each in (self._gone, *[worker.figures for worker in others]) if each]}


async def _look_up(worker: Worker) -> None:
    """Its figures now; those of a moment ago from one that is busy."""
    if worker.serves:
        with suppress(TimeoutError, LineBroken):
            async with asyncio.timeout(_FIGURES_S):
                worker.figures = (await worker.line.ask("figures"))["figures"]


def _environment() -> dict[str, str]:
    """What makes this package importable there too."""
    ours = str(Path(__file__).resolve().parents[1])
    paths = [ours, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([path for path in paths if path])}


def run_workers(settings: Settings, host: str, port: int, workers: int) -> int:
    """Serves with that many workers until a signal ends it; the exit code."""
    door = SharedDoor(host, port)
    health = open_health_port(settings, host)
    structlog.get_logger().info(
        "workers", count=workers, without="MCP sessions and SSE, which need --workers 1: each request stands alone"
    )

    async def work() -> int:
        foreman = Foreman(settings, host, door, workers)
        with HealthPort(health, foreman.standings) if health is not None else nullcontext():
            return await foreman.run()

    return asyncio.run(work())
