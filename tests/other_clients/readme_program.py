"""The programs that a guide shows for a client, run word for word: only the gateway's address is another."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

try:
    from served import CHECKOUT
except ImportError:  # from another room of tests
    from other_clients.served import CHECKOUT


def run_shown(
    name: str, words: Sequence[str | Path], gateway: str, folder: Path, guide: str = "README.md", **env: str
) -> str:
    """What the program marked ``<!-- run with NAME -->`` prints; ``words`` start what reads a program from stdin."""
    found = re.search(rf"<!-- run with {name} -->\n```\w+\n(.*?)```", (CHECKOUT / guide).read_text(), re.DOTALL)
    assert found, f"{guide} shows no program for {name}"
    program = found[1].replace("http://127.0.0.1:8080", gateway)
    ended = subprocess.run(
        words, input=program, cwd=folder, env=os.environ | env, capture_output=True, text=True, timeout=100
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
