"""What the server does for its speed before the first call comes; each in a process of its own, which it changes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(program: str, folder: Path) -> list[str]:
    """What the program prints, word by word; started where there is no ``.env``, with made-up keys."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "AWS_ACCESS_KEY_ID": "AKIDTEST",
        "AWS_SECRET_ACCESS_KEY": "no-secret",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://127.0.0.1:9",
    }
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().split()


def test_the_limit_of_open_files_is_raised_as_far_as_it_may(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="limits of open files are of Unix")
    program = """
import resource
from llm_gateway.serving import allow_many_connections
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 512))
allow_many_connections()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
allow_many_connections()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    assert run(program, tmp_path) == ["512", "512", "512", "512"]


def test_what_the_first_call_needs_is_loaded_by_the_warm_up_and_not_before(tmp_path: Path) -> None:
    program = """
import asyncio, gc, sys
from llm_gateway.app import create_app
from llm_gateway.serving import warm_up
from llm_gateway.settings import load_settings
app = create_app(load_settings())
print("aiohttp" in sys.modules, "botocore" in sys.modules, gc.get_freeze_count() > 0)
asyncio.run(warm_up(app))
print("aiohttp" in sys.modules, gc.get_freeze_count() > 0)
"""
    assert run(program, tmp_path) == ["False", "False", "False", "True", "True"]
