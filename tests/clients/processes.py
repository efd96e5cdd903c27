"""The gateway as its users start it: a process of its own, against a sandbox."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

CHECKOUT = Path(__file__).resolve().parents[2]
SERVER = (sys.executable, "-m", "src.server")
EXIT_CODES = {signal.SIGTERM: 0, signal.SIGINT: 130}
_START_S = 60  # a cold machine that runs other tests


def environment(sandbox_url: str, **more: str) -> dict[str, str]:
    """What the process gets to see: nothing of AWS but the sandbox."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BEDROCK_", "LLM_GATEWAY_"))
    }
    return {
        **kept,
        "PYTHONPATH": str(CHECKOUT),
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": sandbox_url,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "HEALTH_PORT": "0",
        **more,
    }


@dataclass
class Running:
    """A gateway that listens. ``lines`` is its log so far."""

    url: str
    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    def log(self, event: str) -> list[dict[str, Any]]:
        """The log's entries of this event."""
        entries = [cast("dict[str, Any]", json.loads(line)) for line in self.lines if line.startswith("{")]
        return [entry for entry in entries if entry.get("event") == event]


async def start(*arguments: str, env: dict[str, str], cwd: Path, **pipes: Any) -> asyncio.subprocess.Process:
    """The process, not waited for. It runs beside the checkout, so that no ``.env`` there is read."""
    return await asyncio.create_subprocess_exec(
        *SERVER, *arguments, env=env, cwd=cwd, stderr=asyncio.subprocess.PIPE, **pipes
    )


@asynccontextmanager
async def running_gateway(
    sandbox_url: str, cwd: Path, *arguments: str, stop_by: signal.Signals = signal.SIGTERM, **more: str
) -> AsyncGenerator[Running]:
    """An HTTP gateway on a free port until the end of the block; then it is told to stop, and has to stop well."""
    env = environment(sandbox_url, **more)
    process = await start("--transport", "http", "--port", "0", *arguments, env=env, cwd=cwd)
    stderr = process.stderr
    assert stderr is not None
    running = Running("", process)
    try:
        async with asyncio.timeout(_START_S):
            while not running.log("listening"):
                line = await stderr.readline()
                assert line, "".join(running.lines)
                running.lines.append(line.decode())
        running.url = running.log("listening")[0]["mcp"].removesuffix("/mcp")
        reading = asyncio.ensure_future(_read(stderr, running.lines))
        yield running
        if process.returncode is None:
            process.send_signal(stop_by)
        assert await asyncio.wait_for(process.wait(), 20) == EXIT_CODES[stop_by], "".join(running.lines)[-3000:]
        await reading
        assert "Traceback" not in "".join(running.lines)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _read(stream: asyncio.StreamReader, lines: list[str]) -> None:
    async for line in stream:
        lines.append(line.decode())


async def ended(process: asyncio.subprocess.Process, within_s: float = _START_S) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    try:
        out, err = await asyncio.wait_for(process.communicate(), within_s)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, (out or b"").decode(), err.decode()


async def until(done: Any, within_s: float) -> None:
    """Raises TimeoutError when it does not come about."""
    async with asyncio.timeout(within_s):
        for _ in range(100_000):
            if done():
                return
            await asyncio.sleep(0.01)
