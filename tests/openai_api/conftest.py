"""A door before a sandbox, and OpenAI's own client for it."""

from collections.abc import AsyncIterator

import pytest
from door import Door, sandbox_door


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with sandbox_door() as opened:
        yield opened
