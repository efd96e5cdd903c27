"""A full disk, a locked file, a crowd of writers: no model is asked in vain, nothing spent is lost, all heals."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from llm_gateway.sandbox.server import Sandbox
from money.kept import Kept

CHAT: dict[str, Any] = {"model": "nova-lite", "messages": [{"role": "user", "content": "Say: hello"}]}
WRITERS = 64
CALLS_EACH = 20
SLOW = {**CHAT, "messages": [{"role": "user", "content": "[[fault:slow-first-token:2]] Say: hello"}]}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]).returncode:
        pytest.skip("only root can mount a small file system to fill")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


async def chat(http: aiohttp.ClientSession, url: str, body: dict[str, Any] = CHAT) -> tuple[int, dict[str, Any]]:
    async with http.post(f"{url}/v1/chat/completions", json=body) as answer:
        return answer.status, await answer.json()


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError:
            return


async def until_answered(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(20):
        while (await chat(http, url))[0] != 200:
            pass


async def test_a_full_disk_refuses_before_the_model_is_asked_and_loses_nothing(
    small_disk: Path, sandbox: Sandbox
) -> None:
    kept = Kept(small_disk)
    async with kept.gateway(sandbox) as (running, http):
        assert (await chat(http, running.url))[0] == 200
        under_way = [asyncio.ensure_future(chat(http, running.url, SLOW)) for _ in range(5)]
        async with asyncio.timeout(30):
            while sandbox.open_now < 5:
                await chat(http, f"{running.url}", {})
        fill(small_disk)
        assert [answer[0] for answer in await asyncio.gather(*under_way)] == [200] * 5
        refused = 0
        async with asyncio.timeout(60):
            while refused < 5:  # the pages that the database still has are used up first
                asked = len(sandbox.log)
                status, told = await chat(http, running.url)
                if status != 200:
                    assert (status, told["error"]["code"]) == (503, "ledger_unavailable")
                    assert len(sandbox.log) == asked
                    refused += 1
        (small_disk / "filler").unlink()
        await until_answered(http, running.url)
        answered = [record for record in sandbox.log if record.status == 200]
        async with asyncio.timeout(20):
            while (await kept.ask("SELECT COUNT(*) FROM ledger"))[0][0] < len(answered):
                await chat(http, running.url, {})
    assert await kept.ask("SELECT COUNT(*), COUNT(DISTINCT request_id) FROM ledger") == [(len(answered),) * 2]
    assert await kept.ask("SELECT COUNT(*) FROM holds") == [(0,)]
    assert await kept.ask("PRAGMA integrity_check") == [("ok",)]


async def test_a_locked_file_refuses_before_the_model_is_asked(tmp_path: Path, sandbox: Sandbox) -> None:
    kept = Kept(tmp_path)
    async with kept.gateway(sandbox) as (running, http):
        assert (await chat(http, running.url))[0] == 200
        holder = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        try:
            async with asyncio.timeout(60):
                status, told = await chat(http, running.url)
            assert (status, told["error"]["code"]) == (503, "ledger_unavailable")
            assert len(sandbox.log) == 1
        finally:
            holder.execute("ROLLBACK")
            holder.close()
        await until_answered(http, running.url)


async def test_sixty_four_processes_write_and_none_is_told_that_the_file_is_locked(tmp_path: Path) -> None:
    program = str(Path(__file__).with_name("busy_writers.py"))
    writers = await asyncio.create_subprocess_exec(
        sys.executable, program, str(tmp_path), str(WRITERS), str(CALLS_EACH)
    )
    assert await writers.wait() == 0
    ledger = await Kept(tmp_path).ask("SELECT COUNT(*), SUM(cost_nano_usd) FROM ledger")
    assert ledger == [(WRITERS * CALLS_EACH, WRITERS * CALLS_EACH)]
    assert await Kept(tmp_path).ask("SELECT COUNT(*) FROM holds") == [(0,)]
