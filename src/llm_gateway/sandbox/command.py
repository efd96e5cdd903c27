"""What `llm-gateway sandbox` does: reads its options, says on stderr what it is, and serves until told to stop."""

import argparse
import asyncio
import ipaddress
import signal
import sys
from pathlib import Path

from llm_gateway.sandbox.script import Script
from llm_gateway.sandbox.server import Sandbox

DEFAULT_PORT = 8077
_REFUSED = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--allow-remote", action="store_true", help="allow a --host that other machines can reach")
    parser.add_argument("--replay", type=Path, metavar="DIR", help="answer with the exchanges recorded in DIR")
    parser.add_argument("--script", type=Path, metavar="FILE", help="JSON file that says which calls fail, and how")
    parser.add_argument("--latency-ms", type=float, default=0, metavar="MS", help="wait before every answer")
    parser.add_argument("--delta-delay-ms", type=float, default=0, metavar="MS", help="wait between stream events")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other answers (default: %(default)s)")
    parser.add_argument("--external-id", metavar="ID", help="what AssumeRole must bring (default: anything goes)")
    parser.add_argument(
        "--tpm", type=float, metavar="N", help="quota of each model: tokens a minute, as AWS counts them"
    )
    parser.add_argument("--rpm", type=float, metavar="N", help="quota of each model: requests a minute")
    parser.add_argument(
        "--burst-s", type=float, default=60, metavar="S", help="a bucket holds the quota of S seconds (60)"
    )
    parser.add_argument(
        "--throttle-share", type=float, default=0, metavar="P", help="throttle this share by chance (0.3)"
    )


def run(args: argparse.Namespace) -> int:
    """Serves until SIGINT or SIGTERM. Returns the exit code: 2 for options that cannot be, 1 for a taken port."""
    if not args.allow_remote and not _is_loopback(args.host):
        return _complain(f"--host {args.host} can be reached from other machines; if you want that, add --allow-remote")
    if args.latency_ms < 0 or args.delta_delay_ms < 0:
        return _complain("--latency-ms and --delta-delay-ms must be 0 or more")
    try:
        sandbox = Sandbox(
            args.host,
            args.port,
            replay=args.replay,
            script=Script.read(args.script.read_bytes()) if args.script else None,
            seed=args.seed,
            external_id=args.external_id,
            tpm=args.tpm,
            rpm=args.rpm,
            burst_s=args.burst_s,
            throttle_share=args.throttle_share,
            latency_ms=args.latency_ms,
            delta_delay_ms=args.delta_delay_ms,
        )
    except (OSError, ValueError) as fault:
        return _complain(str(fault))
    try:
        asyncio.run(_serve(sandbox))
    except OSError as fault:
        _complain(f"cannot listen on {args.host}:{args.port}: {fault.strerror}")
        return 1
    return 0


def start_page(url: str) -> str:
    return f"""\
llm-gateway sandbox: an Amazon Bedrock endpoint on your own machine. It is no model: its answers are made up.

  address   {url}
  use it    export AWS_ENDPOINT_URL_BEDROCK_RUNTIME={url} AWS_ENDPOINT_URL_BEDROCK={url}
            export AWS_ENDPOINT_URL_STS={url}
            export AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox AWS_REGION=us-east-1
            (any AWS SDK; the credentials may be any words, nothing leaves this machine)
  try       a prompt with [[fault:throttle]], or the model id sandbox.fault-stall
  look      GET {url}/  what it can do; GET {url}/_sandbox/log  what it was asked
            GET {url}/_sandbox/quota  what of it counts against the quota

Ctrl-C ends it.
"""


async def _serve(sandbox: Sandbox) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, ended.set)
    async with sandbox:
        sys.stderr.write(start_page(sandbox.url))
        sys.stderr.flush()
        await ended.wait()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _complain(sentence: str) -> int:
    sys.stderr.write(f"llm-gateway sandbox: {sentence}\n")
    return _REFUSED
