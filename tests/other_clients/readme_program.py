"""The program that the README shows for a client, run word for word: only the gateway's address is another."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from served import CHECKOUT


def run_shown(name: str, words: Sequence[str | Path], gateway: str, folder: Path) -> str:
    """What the program marked ``<!-- run with NAME -->`` prints; ``words`` start what reads a program from stdin."""
    found = re.search(rf"<!-- run with {name} -->\n```\w+\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.DOTALL)
    assert found, f"README.md shows no program for {name}"
    program = found[1].replace("http://127.0.0.1:8080", gateway)
    ended = subprocess.run(words, input=program, cwd=folder, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
