"""Processes that book calls at the same time, each one after the other: FOLDER WRITERS CALLS."""

import asyncio
import os
import sys
from pathlib import Path

from money_house import MIGRATIONS, books, intent, row

from llm_gateway.storage.sqlite_file import SqliteFile


async def write(folder: Path, number: int, calls: int) -> None:
    database = SqliteFile(folder / "ledger.db", MIGRATIONS)
    desk = books(database, folder)
    for call in range(calls):
        name = f"{number}-{call}"
        await desk.settle(await desk.open(intent(row(name))), [row(name, cost=1, outcome="ok")])
    await desk.aclose()
    await database.aclose()


def main(folder: str, writers: str, calls: str) -> int:
    """How many of the writers failed."""
    children: list[int] = []
    for number in range(int(writers)):
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(write(Path(folder), number, int(calls)))
            except BaseException:  # noqa: BLE001 - it is told
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        children.append(child)
    return sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0 for child in children)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
