"""One sandbox for each test, one gateway process for each module that asks for it."""

from collections.abc import AsyncIterator

import pytest

from llm_gateway.sandbox.server import Sandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running
