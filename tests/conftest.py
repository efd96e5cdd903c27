"""What all tests share."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from recorded_traffic import TRAFFIC
from redis_here import RedisHere, redis_here

settings.register_profile("house", deadline=None)  # a busy machine is no failure
settings.load_profile("house")

_STATE = tempfile.TemporaryDirectory(prefix="llm-gateway-tests-")  # goes with the process
os.environ["XDG_STATE_HOME"] = _STATE.name  # no test, and no process that one starts, writes into a person's own ledger


@pytest.fixture(scope="session")
def traffic() -> Path:
    """The folder with recorded exchanges; a test that asks for it skips, saying so, where it is missing."""
    if not (TRAFFIC / "index.json").is_file():
        pytest.skip(f"no recorded traffic at {TRAFFIC}; set LLM_GATEWAY_TRAFFIC to its folder")
    return TRAFFIC


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisHere]:
    """A real Redis for whoever does not stop it."""
    with redis_here() as server:
        yield server
