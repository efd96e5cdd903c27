"""Sandbox and gateway as processes of their own, from the gateway's environment; the tests run in the clients'."""

import json
import os
import subprocess
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import IO, Any

CHECKOUT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("GATEWAY_PYTHON", str(CHECKOUT / ".venv" / "bin" / "python"))


@contextmanager
def sandbox(folder: Path, *words: str) -> Iterator[str]:
    """The address of a Bedrock of this machine; ``words`` are more of its command line."""
    with _process(["-m", "llm_gateway.sandbox", "--port", "0", *words], folder, {}) as lines:
        line = next(line for line in lines if "  address " in line)
        _read_on(lines)
        yield line.split()[-1]


@contextmanager
def gateway(bedrock: str, folder: Path) -> Iterator[str]:
    """The address of a gateway before it, without ``/v1``. Nothing is answered from its cache, and it lets each fault
    through to its client: no second attempt, and no rest for a model that fails test after test."""
    words = ["-m", "src.server", "--transport", "http", "--port", "0"]
    file = folder / "gateway.toml"
    file.write_text("[defaults]\nattempts = 1\nallowed_fails = 10000\n")
    with _process(words, folder, {**_before(bedrock), "LOG_FORMAT": "json", "GATEWAY_FILE": str(file)}) as lines:
        line = next(line for line in lines if '"event":"listening"' in line)
        _read_on(lines)
        yield str(json.loads(line)["mcp"]).removesuffix("/mcp")


def over_stdio(bedrock: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command that serves a gateway on its standard input and output, and its environment."""
    return [PYTHON, "-m", "src.server"], _environment(folder) | _before(bedrock)


def _before(bedrock: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": bedrock,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": "us-east-1",
        "CACHE_ENABLED": "false",
    }


def _environment(folder: Path) -> dict[str, str]:
    """Without credentials and settings of this machine; state goes into the folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OPENAI_", "ANTHROPIC_"))}
    return {
        **kept,
        "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{CHECKOUT / 'src'}",
        "XDG_STATE_HOME": str(folder),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def _process(words: list[str], folder: Path, more: Mapping[str, str]) -> Iterator[IO[str]]:
    """The lines of its stderr, while it runs beside the checkout: no ``.env`` there is read."""
    env = _environment(folder) | dict(more)
    process = subprocess.Popen(
        [PYTHON, *words], cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        yield process.stderr
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _read_on(lines: IO[str]) -> None:
    """A full pipe would stop the process."""
    Thread(target=deque, args=(lines, 0), daemon=True).start()


def asked_of_bedrock(bedrock: str) -> list[dict[str, Any]]:
    """The bodies that have come to Bedrock, in their order."""
    with urllib.request.urlopen(f"{bedrock}/_sandbox/log") as told:
        return [request["body"] for request in json.load(told)["requests"]]
