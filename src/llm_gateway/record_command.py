"""``llm-gateway record``: a proxy to real Bedrock that keeps every exchange for ``llm-gateway sandbox --replay``."""

import argparse
import asyncio
import ipaddress
import signal
import sys
from pathlib import Path

from llm_gateway.app import access_wish
from llm_gateway.backends.bedrock.credentials import AccessWish, NoAccess
from llm_gateway.backends.bedrock.recorder import Recorder
from llm_gateway.domain.errors import ConfigurationError
from llm_gateway.settings import Settings

DEFAULT_PORT = 8078


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the exchanges go, one JSON file each")
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one (default: %(default)s)")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Records until SIGINT or SIGTERM. 0 when it ended as told, 1 when it could not start.

    Raises:
        ConfigurationError: the host can be reached from other machines: they would spend this account's money.
    """
    if not _is_loopback(args.host):
        raise ConfigurationError(f"--host {args.host} can be reached from other machines; record on loopback only")
    try:
        asyncio.run(_record(args.folder, access_wish(settings), args.host, args.port))
    except NoAccess as fault:
        sys.stderr.write(f"llm-gateway: {fault}\n")
        return 1
    except OSError as fault:
        sys.stderr.write(f"llm-gateway: cannot record to {args.folder} on port {args.port}: {fault.strerror}\n")
        return 1
    return 0


def start_page(url: str, folder: Path) -> str:
    """What a person reads who has started it."""
    return f"""\
llm-gateway record: a proxy to Amazon Bedrock. It asks with this machine's AWS credentials, so it costs money.

  address   {url}
  use it    export AWS_ENDPOINT_URL_BEDROCK_RUNTIME={url}   (in the program that asks, not here)
  stores    {folder}/NNNN-operation-model.json; account numbers, identities, keys and addresses are taken out,
            PROMPTS AND ANSWERS ARE STORED AS THEY ARE: record nothing that may not be shared
  play it   llm-gateway sandbox --replay {folder}

Ctrl-C ends it.
"""


async def _record(folder: Path, wish: AccessWish, host: str, port: int) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with Recorder(folder, wish, host=host, port=port, told=_say) as recorder:
        sys.stderr.write(start_page(recorder.url, folder))
        sys.stderr.flush()
        await ended.wait()


def _say(path: Path) -> None:
    sys.stderr.write(f"stored {path}\n")
    sys.stderr.flush()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
