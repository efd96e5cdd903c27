"""Books in a database of the test's own, and a gateway process that keeps its state there: each on both stores."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from money_house import MIGRATIONS

from llm_gateway.sandbox.server import Sandbox
from llm_gateway.storage.contract import Database
from llm_gateway.storage.postgres_server import PostgresServer
from llm_gateway.storage.sqlite_file import SqliteFile
from money.kept import Kept
from postgres_here import PostgresHere, postgres_here

STORES = ("sqlite", "postgres")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresHere]:
    with postgres_here() as server:
        yield server


@pytest.fixture(params=STORES)
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    if request.param == "sqlite":
        return Kept(tmp_path)
    server: PostgresHere = request.getfixturevalue("postgres")
    return Kept(tmp_path, await server.new_database())


@pytest.fixture
async def database(kept: Kept) -> AsyncIterator[Database]:
    opened = opened_at(kept)
    yield opened
    await opened.aclose()


def opened_at(kept: Kept) -> Database:
    """Another opening of the same database, as another process has it."""
    if kept.url is None:
        return SqliteFile(kept.home / "ledger.db", MIGRATIONS)
    return PostgresServer(kept.url, MIGRATIONS)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running
