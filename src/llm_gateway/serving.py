"""Runs the server: stdio, or one HTTP site. Knows sockets and signals; decides nothing about requests."""

import asyncio
import gc
import os
import signal
import socket
import sys
from contextlib import nullcontext, suppress
from types import FrameType

import structlog

from llm_gateway import __version__
from llm_gateway.app import App
from llm_gateway.domain.errors import ConfigurationError
from llm_gateway.settings import Settings
from llm_gateway.telemetry.logs import flush_logs

_PULSE_S = 0.25
_BEATS_A_FIGURE = 4
_BACKLOG = 2048
_COLLECT_AFTER = (5_000, 5, 20)  # few rounds, and short ones with a thousand calls under way; see warm_up
_MANY_FILES = 65_536  # each call has one connection to its caller and one to Bedrock; shells often allow 1,024 in all
_EXIT_CODES = {signal.SIGTERM: 0, signal.SIGINT: 130}


def quiet_fastmcp() -> None:
    """Before FastMCP is imported: our own logs, no banner, no question to the package index."""
    os.environ.setdefault("FASTMCP_LOG_ENABLED", "false")
    os.environ.setdefault("FASTMCP_CHECK_FOR_UPDATES", "off")
    os.environ.setdefault("FASTMCP_SHOW_SERVER_BANNER", "false")


async def serve_stdio(app: App) -> None:
    """Serves one client over standard input and output until it hangs up, or SIGINT or SIGTERM comes.

    A signal ends the process from here: the thread that waits for the next line of standard input cannot be woken, and
    an ordinary end would wait for it.
    """
    told: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()
    _listen_for_the_end(told)
    app.start()
    listen_for_reload(app)
    serving = asyncio.ensure_future(app.mcp_server().run_async("stdio", show_banner=False))
    try:
        await asyncio.wait((serving, told), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await app.aclose()
    if not told.done():
        return await _hear_out(serving)
    with suppress(OSError, ValueError):  # whoever read them may have gone first
        sys.stdout.flush()
    flush_logs()
    os._exit(_EXIT_CODES[told.result()])


async def _hear_out(serving: asyncio.Future[None]) -> None:
    """Until the client hangs up. One that was killed takes no answer any more, which is an end like any other."""
    try:
        await serving
    except* BrokenPipeError:
        flush_logs()
        os._exit(0)  # an ordinary end would try once more to write


def _listen_for_the_end(told: asyncio.Future[signal.Signals]) -> None:
    def tell(number: signal.Signals) -> None:
        if not told.done():
            told.set_result(number)

    with suppress(NotImplementedError):  # Windows: there Ctrl-C stops the process by itself
        for number in _EXIT_CODES:
            asyncio.get_running_loop().add_signal_handler(number, tell, number)


def listen_for_reload(app: App) -> None:
    """SIGHUP reads the gateway file anew; without a file it ends the process, as ever. In a running loop."""
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and app.routes.has_file:
        with suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(hangup, app.routes.hear_signal)


def refuse_open_doors(settings: Settings, host: str) -> None:
    """Without a key everybody is let in: beyond loopback that has to be wanted.

    Raises:
        ConfigurationError: the host is not loopback, there is no key, and ``ALLOW_ANONYMOUS`` is not true.
    """
    from llm_gateway.money_rooms import has_keys
    from llm_gateway.surfaces.door_guard import is_loopback

    if not is_loopback(host) and not settings.allow_anonymous and not asyncio.run(has_keys(settings)):
        raise ConfigurationError(
            f"--host {host}: anybody who reaches this address could spend your money; "
            "serve on 127.0.0.1, make a key (llm-gateway keys create), or set ALLOW_ANONYMOUS=true "
            "if the network keeps others out"
        )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigurationError: the address is taken, or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as refused:
        reason = getattr(refused, "strerror", None) or str(refused)
        raise ConfigurationError(f"--host {host} --port {port}: cannot listen there ({reason})") from refused


def allow_many_connections() -> None:
    """Raises this process's own limit of open files as far as the system lets it."""
    try:
        import resource
    except ImportError:  # not of every platform
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MANY_FILES if hard == resource.RLIM_INFINITY else min(_MANY_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # macOS tells "unlimited" and allows less: kern.maxfilesperproc
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def open_health_port(settings: Settings, host: str) -> socket.socket | None:
    """Where health is told beside the site; ``None`` where it is not.

    Raises:
        ConfigurationError: the port was asked for, and is taken.
    """
    port = settings.health_port
    if port == 0:
        return None
    try:
        return listen(host, port)
    except ConfigurationError as refused:
        if "health_port" in settings.model_fields_set:
            raise ConfigurationError(
                f"HEALTH_PORT={port}: cannot listen there ({refused.__cause__}); name another, or 0 for none"
            ) from refused
        structlog.get_logger().info("health_port_taken", port=port, mend="HEALTH_PORT names another, or 0 for none")
        return None


async def show_pulse(app: App) -> None:
    """Shows again and again that the event loop runs."""
    beats = 0
    while True:
        app.show()
        if app.crew is not None and beats % _BEATS_A_FIGURE == 0:  # so that they outlive this process
            app.crew.line.tell("figures", figures=app.metrics.figures())
        beats += 1
        await asyncio.sleep(_PULSE_S)


async def warm_up(app: App) -> None:
    """What the first call would wait for; then what was loaded leaves the rounds of the garbage collector.

    Its rounds over everything cost a fifth of a call's CPU, and hold the loop up for 0.1 s with a thousand under way.
    """
    await app.backend.warm()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


def tell_where(log_level: str, host: str, port: int, **more: object) -> None:
    """Also where the log is set to hide it: nobody else knows the port of ``--port 0``."""
    shown = f"http://[{host}]" if ":" in host else f"http://{host}"
    address = f"{shown}:{port}"
    doors = {"mcp": f"{address}/mcp"} | ({} if "workers" in more else {"sse": f"{address}/sse"})
    structlog.get_logger().info("listening", **doors, version=__version__, **more)
    if log_level not in ("DEBUG", "INFO"):
        say(f"llm-gateway listens on {address}")


async def serve_http(app: App, host: str, bound: socket.socket) -> None:
    """Serves the HTTP site until SIGINT or SIGTERM. The backend warms up meanwhile; nobody waits for it."""
    from llm_gateway.site_server import Site

    crew = app.crew
    log_level = app.settings.log_level
    site = Site(
        app, host, lambda: crew.line.tell("serving") if crew else tell_where(log_level, host, bound.getsockname()[1])
    )
    allow_many_connections()
    beside = [asyncio.create_task(work) for work in (warm_up(app), show_pulse(app))]
    if crew is not None:
        beside.append(asyncio.create_task(site.obey()))
    app.start()
    listen_for_reload(app)
    try:
        await site.serve(sockets=[bound])
    finally:
        for task in beside:
            task.cancel()
        await app.aclose()


def _end_well(number: int, _: FrameType | None) -> None:
    sys.exit(_EXIT_CODES[signal.Signals(number)])


def run_http(app: App, host: str, bound: socket.socket) -> None:
    """:func:`serve_http` on the fastest event loop there is here."""
    for number in _EXIT_CODES if app.crew is None else (signal.SIGTERM,):
        signal.signal(number, _end_well)  # while it starts; uvicorn listens then, and raises the signal anew at its end
    try:
        from uvloop import new_event_loop
    except ImportError:  # not made for every platform
        new_event_loop = None
    from llm_gateway.health_port import HealthPort

    health = open_health_port(app.settings, host)
    with (
        HealthPort(health, app.board.standings) if health is not None else nullcontext(),
        asyncio.Runner(loop_factory=new_event_loop) as runner,
    ):
        runner.run(serve_http(app, host, bound))


def say(line: str) -> None:
    """One line to a person, on stderr."""
    sys.stderr.write(line + "\n")
