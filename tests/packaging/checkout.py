"""The checkout as these tests see it: where it stands, what it says, and how its commands are run from elsewhere."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WITHOUT_AWS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def bare_environ(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without AWS, and what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, **WITHOUT_AWS, **(more or {})}


def run(
    words: Sequence[str | Path], folder: Path, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end in a folder."""
    return subprocess.run(
        [str(word) for word in words], cwd=folder, env=bare_environ(more), capture_output=True, text=True, timeout=300
    )


def python(*words: str | Path) -> list[str | Path]:
    return [sys.executable, *words]


@contextmanager
def listening(words: Sequence[str | Path], folder: Path, more: Mapping[str, str]) -> Iterator[str]:
    """A server's address, as its log names it, while it runs."""
    process = subprocess.Popen(
        [str(word) for word in words],
        cwd=folder,
        env=bare_environ({**more, "LOG_FORMAT": "json"}),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if '"event":"listening"' in line:
                port = line.partition("/mcp")[0].rpartition(":")[2]
                yield f"http://127.0.0.1:{port}"
                break
        else:
            raise AssertionError("".join(said))
    finally:
        process.terminate()
        process.communicate(timeout=30)
