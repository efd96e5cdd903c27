"""What all tests share: where the recorded Bedrock traffic stands, if it is there."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None)  # a busy machine is no failure
settings.load_profile("house")

_CHECKOUT = Path(__file__).resolve().parent.parent
TRAFFIC = Path(os.environ.get("LLM_GATEWAY_TRAFFIC") or _CHECKOUT.parent / "shared" / "traffic")


@pytest.fixture(scope="session")
def traffic() -> Path:
    """The folder with recorded exchanges; a test that asks for it skips, saying so, where it is missing."""
    if not (TRAFFIC / "index.json").is_file():
        pytest.skip(f"no recorded traffic at {TRAFFIC}; set LLM_GATEWAY_TRAFFIC to its folder")
    return TRAFFIC
