"""Books in a database of the test's own, and a gateway process that keeps its state in the test's folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from money_house import MIGRATIONS

from llm_gateway.sandbox.server import Sandbox
from llm_gateway.storage.contract import Database
from llm_gateway.storage.sqlite_file import SqliteFile


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = SqliteFile(tmp_path / "ledger.db", MIGRATIONS)
    yield opened
    await opened.aclose()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running
