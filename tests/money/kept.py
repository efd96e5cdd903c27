"""Where a gateway keeps what is to last: SQLite in a folder, or PostgreSQL."""

import asyncio
import json
import sqlite3
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aiohttp
import asyncpg

from clients.processes import Running, environment, running_gateway
from llm_gateway.sandbox.server import Sandbox


@dataclass
class Kept:
    """One state that any number of gateways and commands share. ``url``: of PostgreSQL, if it is that."""

    home: Path
    url: str | None = None

    @property
    def variables(self) -> dict[str, str]:
        """What a process has to be told to find it."""
        return {"LLM_GATEWAY_HOME": str(self.home)} | ({"DATABASE_URL": self.url} if self.url else {})

    async def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """One statement, past the gateway."""
        if self.url is None:
            connection = sqlite3.connect(self.home / "ledger.db")
            try:
                return connection.execute(sql).fetchall()
            finally:
                connection.close()
        postgres = await asyncpg.connect(self.url)
        try:
            return [tuple(row) for row in await postgres.fetch(sql)]
        finally:
            await postgres.close()

    async def says(self, word: str) -> bool:
        """Whether the word stands anywhere in it, as it is."""
        if self.url is None:
            return any(word.encode() in file.read_bytes() for file in self.home.glob("ledger.db*"))
        tables = await self.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        found = [
            await self.ask(f"SELECT 1 FROM {name} AS t WHERE CAST(t AS TEXT) LIKE '%{word}%'") for (name,) in tables
        ]
        return any(found)

    async def command(self, *words: str) -> dict[str, Any]:
        """``llm-gateway WORDS --json``; what it prints."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "llm_gateway", *words),
            env=environment("http://127.0.0.1:9", **self.variables),
            cwd=self.home,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        assert process.returncode == 0
        return cast("dict[str, Any]", json.loads(out))

    async def new_key(self, *words: str) -> str:
        """``llm-gateway keys create``; the key."""
        return (await self.command("keys", "create", "--json", *words))["key"]

    @asynccontextmanager
    async def gateway(
        self, sandbox: Sandbox, *, cache: bool = False, **more: str
    ) -> AsyncGenerator[tuple[Running, aiohttp.ClientSession]]:
        """A gateway that keeps its state here, and a way to ask it."""
        more = {"CACHE_ENABLED": str(cache).lower()} | more
        async with (
            aiohttp.ClientSession() as http,
            running_gateway(sandbox.url, self.home, **self.variables, **more) as running,
        ):
            yield running, http
