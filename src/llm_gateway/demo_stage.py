"""What the demo plays on: the sandbox and the gateway as processes of their own. Starts and stops; shows nothing.

Law: on the sandbox nothing of the person's AWS reaches a child, neither credentials nor files nor settings.
"""

import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from llm_gateway.settings_table import describe_settings

_START_WITHIN_S = 30.0
_STOP_WITHIN_S = 15.0
_LAST_LINES = 8
_ALWAYS = {
    "CACHE_ENABLED": "true",
    "METRICS_ENABLED": "true",
    "LOG_FORMAT": "json",
    "LOG_LEVEL": "INFO",
    "HEALTH_PORT": "0",  # another gateway may run here
}


class DemoFailed(Exception):
    """Something is not as it should be; the message is for the person."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a child process gets: its environment and its folder."""

    environ: Mapping[str, str]
    folder: Path


def surroundings_on_aws(environ: Mapping[str, str], folder: Path) -> Surroundings:
    """The person's own, with what the demo shows switched on."""
    return Surroundings({**environ, **_ALWAYS}, folder)


def surroundings_on_sandbox(environ: Mapping[str, str], folder: Path, sandbox_url: str) -> Surroundings:
    """What is left of ``environ``, and the sandbox as all of AWS; ``folder`` must be empty: it holds no ``.env``."""
    aws = {
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": sandbox_url,
        "AWS_ENDPOINT_URL_BEDROCK": sandbox_url,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "LLM_GATEWAY_HOME": str(folder / "state"),  # what the demo spends is nobody's money
    }
    return Surroundings({**without_aws(environ), **aws, **_ALWAYS}, folder)


def without_aws(environ: Mapping[str, str]) -> dict[str, str]:
    """Without AWS's variables and without the gateway's own."""
    ours = {row.variable for row in describe_settings()}
    return {name: value for name, value in environ.items() if not name.startswith("AWS_") and name not in ours}


@asynccontextmanager
async def sandbox_process(environ: Mapping[str, str], folder: Path, *, delta_delay_ms: float) -> AsyncGenerator[str]:
    """The sandbox's address while it runs.

    Raises:
        DemoFailed: it did not start.
    """
    words = ["llm_gateway.sandbox", "--port", "0", "--delta-delay-ms", str(delta_delay_ms)]
    async with _process("the sandbox", words, Surroundings(without_aws(environ), folder), _address) as url:
        yield url


@asynccontextmanager
async def http_gateway(around: Surroundings) -> AsyncGenerator[str]:
    """The address of a gateway's HTTP site on a free port, while it runs.

    Raises:
        DemoFailed: it did not start.
    """
    words = ["llm_gateway", "serve", "--transport", "http", "--host", "127.0.0.1", "--port", "0"]
    async with _process("the gateway over HTTP", words, around, _listening) as url:
        yield url


def _address(line: str) -> str | None:
    words = line.split()
    return words[1] if len(words) == 2 and words[0] == "address" else None


def _listening(line: str) -> str | None:
    return json.loads(line)["mcp"].removesuffix("/mcp") if '"event":"listening"' in line else None


@asynccontextmanager
async def _process(
    name: str, words: Sequence[str], around: Surroundings, read: Callable[[str], str | None]
) -> AsyncGenerator[str]:
    """Runs ``python -m words`` and yields what ``read`` first finds in a line of its stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *words,
        env=dict(around.environ),
        cwd=around.folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None  # noqa: S101 - it was asked for in the line above
    try:
        found = await _first(name, process.stderr, read)
        draining = asyncio.create_task(_drain(process.stderr))
        try:
            yield found
        finally:
            draining.cancel()
    finally:
        await _stop(process)


async def _first(name: str, lines: asyncio.StreamReader, read: Callable[[str], str | None]) -> str:
    last: deque[str] = deque(maxlen=_LAST_LINES)
    with suppress(TimeoutError):
        async with asyncio.timeout(_START_WITHIN_S):
            async for raw in lines:
                line = raw.decode(errors="replace").rstrip()
                found = read(line)
                if found:
                    return found
                last.append(line)
    raise DemoFailed("\n".join([f"{name} did not start", *last]))


async def _drain(lines: asyncio.StreamReader) -> None:
    while await lines.read(65536):
        pass


async def _stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
