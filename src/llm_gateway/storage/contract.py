"""What the rooms ask of a database.

A transaction is a generator: it yields a statement, is sent the statement's rows, and returns its result. So one text
serves SQLite, which runs it in a thread, and PostgreSQL, which awaits each statement. It must do nothing but compute
between its statements: it may be run anew from its beginning when another one of its batch fails.

Statements are written with ``?`` for parameters and in the SQL that both know.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Row = Sequence[Any]
Statement = tuple[str, Sequence[object]]
Returned = TypeVar("Returned")
Transaction = Generator[Statement, Sequence[Row], Returned]
Work = Callable[[int], Transaction[Returned]]
"""Is told the database's time, in milliseconds since the epoch, and gives the transaction."""


class StorageUnavailable(Exception):
    """The database cannot be reached, is locked, full or read-only; nothing of the transaction was kept.

    ``certain`` is False where the connection was lost while it committed: then it may have been kept.
    """

    def __init__(self, message: str, *, certain: bool = True) -> None:
        super().__init__(message)
        self.certain = certain


@dataclass(frozen=True, slots=True)
class Migration:
    """A step that brings a schema forward; ``name`` is unique and never reused. Each store runs its own text; most are
    alike."""

    name: str
    sqlite: tuple[str, ...]
    postgres: tuple[str, ...]


class Database(Protocol):
    """One database. All its writes happen one after the other, across all processes that share it."""

    async def write(self, work: Work[Returned]) -> Returned:
        """Runs a transaction; it is durable when this returns. Those that wait together are committed together.

        Raises:
            StorageUnavailable: nothing was kept; whatever the work itself raises.
        """
        ...

    async def read(self, work: Work[Returned]) -> Returned:
        """Runs a transaction that changes nothing, beside the writes.

        Raises:
            StorageUnavailable: the database does not answer.
        """
        ...

    async def aclose(self) -> None:
        """Commits what waits, then closes."""
        ...
