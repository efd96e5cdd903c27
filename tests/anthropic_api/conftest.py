"""One street for the tests of a file that need nothing special."""

from collections.abc import AsyncIterator

import pytest
from anthropic_house import Street, open_street


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    async with open_street() as opened:
        yield opened
