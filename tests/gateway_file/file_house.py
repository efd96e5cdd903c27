"""What the tests of the gateway file share."""

from collections.abc import Callable
from pathlib import Path

from llm_gateway.settings import Settings

Write = Callable[..., Path]
"""Writes a text into a file, ``gateway.yaml`` unless named otherwise."""


def settings_with(file: Path | None) -> Settings:
    return Settings(_env_file=None, gateway_file=file)  # type: ignore[call-arg]
