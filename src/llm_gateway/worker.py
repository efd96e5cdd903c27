"""One of several processes that serve one port: started by the foreman in ``workers``, never by a person."""

import argparse
import signal
import socket
import sys
from collections.abc import Sequence

from llm_gateway.domain.errors import ConfigurationError


def main(words: Sequence[str]) -> int:
    """The process's exit code: 2 where the settings are wrong."""
    parser = argparse.ArgumentParser(prog="llm_gateway.worker")
    for name in ("port", "board-fd", "line-fd", "seat", "workers"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--listen-fd", type=int)
    parser.add_argument("--host", required=True)
    args = parser.parse_args(words)
    for number in (signal.SIGINT, signal.SIGHUP):  # the foreman's, which a terminal sends to all
        signal.signal(number, signal.SIG_IGN)
    from llm_gateway import serving
    from llm_gateway.settings import load_settings
    from llm_gateway.telemetry.logs import configure_logs

    try:
        settings = load_settings()
        serving.quiet_fastmcp()
        configure_logs(level=settings.log_level, log_format=settings.log_format)
        from llm_gateway.app import create_app
        from llm_gateway.board import Board
        from llm_gateway.crew import Crew, as_of_a_worker
        from llm_gateway.shared_door import worker_socket
        from llm_gateway.worker_line import WorkerLine

        line = WorkerLine(socket.socket(fileno=args.line_fd))
        crew = Crew(Board.inherited(args.board_fd), args.seat, args.workers, line)
        app = create_app(as_of_a_worker(settings, args.workers), crew=crew)
        serving.run_http(app, args.host, worker_socket(args.host, args.port, args.listen_fd))
    except ConfigurationError as wrong:
        sys.stderr.write(f"llm-gateway: {wrong}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
