"""The commands. On the way to ``serve`` nothing is imported that serving does not need; the others load theirs late."""

import argparse
import asyncio
import json
import socket
import sys
from collections.abc import Callable, Mapping, Sequence

from llm_gateway import __version__
from llm_gateway.domain.errors import ConfigurationError
from llm_gateway.settings import Settings, load_settings
from llm_gateway.settings_table import describe_settings, shown_values

USAGE_ERROR = 2
_INTERRUPTED = 130
_MOST_WORKERS = 256


def run(arguments: Sequence[str]) -> int:
    """Runs one command; its exit code: 0 done, 1 it found something wrong, 2 it was asked wrongly."""
    parser = _parser(next((word for word in arguments if not word.startswith("-")), None))
    args = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] | None = getattr(args, "command", None)
    if command is None:
        parser.print_help(sys.stderr)
        return USAGE_ERROR
    try:
        return command(args)
    except ConfigurationError as wrong:
        sys.stderr.write(f"llm-gateway: {wrong}\n")
        return USAGE_ERROR
    except KeyboardInterrupt:
        return _INTERRUPTED


def _parser(wanted: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="llm-gateway", description="Every Amazon Bedrock model through one MCP server.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"llm-gateway {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    serve = commands.add_parser("serve", help="start the server (stdio unless told otherwise)", allow_abbrev=False)
    serve.add_argument("--transport", choices=("stdio", "http", "sse"), help="http and sse start the same HTTP site")
    serve.add_argument("--host", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, help="port to listen on (8080; 0 takes a free one)")
    serve.add_argument("--workers", type=_count, help="processes that serve over HTTP together (1)")
    serve.set_defaults(command=_serve)

    settings = commands.add_parser("settings", help="list every setting, its value and what is allowed")
    settings.add_argument("--json", action="store_true", help="as JSON")
    settings.set_defaults(command=_settings)

    for name, (help_text, load) in _LATE.items():
        late = commands.add_parser(name, help=help_text, allow_abbrev=False)
        if name == wanted:
            load(late)
    return parser


def _serve(args: argparse.Namespace) -> int:
    settings = load_settings()
    from llm_gateway import serving
    from llm_gateway.telemetry.logs import configure_logs

    serving.quiet_fastmcp()
    configure_logs(level=settings.log_level, log_format=settings.log_format)
    transport = args.transport or settings.llm_gateway_transport
    workers = args.workers or settings.workers
    if transport != "stdio" and workers > 1:
        return _serve_with_workers(args, settings, workers)
    from llm_gateway.app import create_app

    app = create_app(settings)
    if transport == "stdio":
        asyncio.run(serving.serve_stdio(app))
        return 0
    host, port = _where(args, settings)
    serving.refuse_open_doors(settings, host)
    serving.run_http(app, host, serving.listen(host, port))
    return 0


def _serve_with_workers(args: argparse.Namespace, settings: Settings, workers: int) -> int:
    from llm_gateway import serving

    if not hasattr(socket, "AF_UNIX"):
        raise ConfigurationError(f"--workers {workers}: this platform has no sockets between processes; leave it at 1")
    host, port = _where(args, settings)
    serving.refuse_open_doors(settings, host)
    from llm_gateway.workers import run_workers

    return run_workers(settings, host, port, workers)


def _where(args: argparse.Namespace, settings: Settings) -> tuple[str, int]:
    return args.host or settings.llm_gateway_host, settings.llm_gateway_port if args.port is None else args.port


def _count(word: str) -> int:
    count = int(word)
    if not 1 <= count <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"must be from 1 to {_MOST_WORKERS}")
    return count


def _settings(args: argparse.Namespace) -> int:
    values = shown_values(load_settings())
    if args.json:
        sys.stdout.write(json.dumps(values, indent=2) + "\n")
        return 0
    for row in describe_settings():
        allowed = f" [{row.allowed}]" if row.allowed else ""
        sys.stdout.write(f"{row.variable}={values[row.variable]}\n    {row.meaning}{allowed}\n")
    return 0


def _with_settings(run: Callable[[argparse.Namespace, Settings], int]) -> Callable[[argparse.Namespace], int]:
    return lambda args: run(args, load_settings())


def _models(parser: argparse.ArgumentParser) -> None:
    from llm_gateway import models_command

    models_command.add_arguments(parser)
    parser.set_defaults(command=_with_settings(models_command.run))


def _demo(parser: argparse.ArgumentParser) -> None:
    from llm_gateway import demo_command

    demo_command.add_arguments(parser)
    parser.set_defaults(command=demo_command.run)


def _doctor(parser: argparse.ArgumentParser) -> None:
    from llm_gateway import doctor_command

    doctor_command.add_arguments(parser)
    parser.set_defaults(command=_with_settings(doctor_command.run))


def _sandbox(parser: argparse.ArgumentParser) -> None:
    from llm_gateway.sandbox import command

    command.add_arguments(parser)
    parser.set_defaults(command=command.run)


def _record(parser: argparse.ArgumentParser) -> None:
    from llm_gateway import record_command

    record_command.add_arguments(parser)
    parser.set_defaults(command=_with_settings(record_command.run))


def _keys(parser: argparse.ArgumentParser) -> None:
    from llm_gateway import keys_command

    keys_command.add_arguments(parser)
    parser.set_defaults(command=_with_settings(keys_command.run))


def _usage(parser: argparse.ArgumentParser) -> None:
    from llm_gateway import usage_command

    usage_command.add_arguments(parser)
    parser.set_defaults(command=_with_settings(usage_command.run))


def _routes(parser: argparse.ArgumentParser) -> None:
    from llm_gateway import routes_command

    routes_command.add_arguments(parser)
    parser.set_defaults(command=routes_command.run)


def _import(parser: argparse.ArgumentParser) -> None:
    from llm_gateway import import_command

    import_command.add_arguments(parser)
    parser.set_defaults(command=import_command.run)


_LATE: Mapping[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "models": ("list the models and their prices; --check compares them with other sources", _models),
    "keys": ("make, list, rotate and revoke virtual keys", _keys),
    "usage": ("tell what was spent, by key, team, agent, model, run or day", _usage),
    "routes": ("show the routes of a running gateway, or check a gateway file", _routes),
    "import": ("make a gateway file of LiteLLM's configuration", _import),
    "demo": ("show the gateway at work, on the sandbox or on AWS", _demo),
    "doctor": ("check credentials, region and model access, and say what to mend", _doctor),
    "sandbox": ("serve a Bedrock of your own machine", _sandbox),
    "record": ("proxy real Bedrock and store the exchanges for the sandbox", _record),
}
