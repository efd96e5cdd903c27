"""What all tests share."""

from pathlib import Path

import pytest
from hypothesis import settings

from recorded_traffic import TRAFFIC

settings.register_profile("house", deadline=None)  # a busy machine is no failure
settings.load_profile("house")


@pytest.fixture(scope="session")
def traffic() -> Path:
    """The folder with recorded exchanges; a test that asks for it skips, saying so, where it is missing."""
    if not (TRAFFIC / "index.json").is_file():
        pytest.skip(f"no recorded traffic at {TRAFFIC}; set LLM_GATEWAY_TRAFFIC to its folder")
    return TRAFFIC
