"""One connection to PostgreSQL: how it is opened, what is asked of it, and what its errors mean."""

from collections.abc import Awaitable, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeVar, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - it has none

from llm_gateway.storage.contract import Row, Transaction

CONNECT_S = 2
STATEMENT_S = 4
TURN_S = 2
_UNAVAILABLE = ("08", "25", "28", "3D", "40", "53", "55", "57", "58", "XX")
"""Classes of SQLSTATE that say something of the server's state, not of the statement."""
_LOSING = (asyncpg.InterfaceError, asyncpg.InternalClientError)
"""The second comes of a connection that the server ended between two statements."""
Answer = TypeVar("Answer")


class Lost(Exception):
    """The server could not be asked, or said that it cannot now. ``certain``: nothing was kept."""

    def __init__(self, message: str, *, certain: bool = True) -> None:
        super().__init__(message)
        self.certain = certain

    @property
    def was_silence(self) -> bool:
        """Whether it said nothing at all for as long as one waits."""
        return isinstance(self.__cause__, TimeoutError)

    @property
    def was_answer(self) -> bool:
        """Whether it was the server that said so."""
        return isinstance(self.__cause__, asyncpg.PostgresError)


class Connection(Protocol):
    """What is used of asyncpg's."""

    async def execute(self, query: str) -> str:
        """Runs statements without parameters."""
        ...

    async def fetch(self, query: str, *parameters: object) -> Sequence[Row]:
        """Runs one statement; its rows."""
        ...

    async def fetchval(self, query: str) -> Any:
        """The first column of the first row."""
        ...

    def is_closed(self) -> bool:
        """Whether nothing can be asked of it any more."""
        ...

    def terminate(self) -> None:
        """Closes it at once."""
        ...


async def connect(address: str) -> Connection:
    """A new connection. The server ends it should this process stop within a transaction.

    Raises:
        Lost: the server cannot be reached, or refuses.
    """
    opening = asyncpg.connect(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        address,
        timeout=CONNECT_S,
        command_timeout=STATEMENT_S,
        server_settings={
            "application_name": "llm-gateway",
            "synchronous_commit": "on",
            "idle_in_transaction_session_timeout": str(TURN_S * 1000),
        },
    )
    return cast(Connection, await ask(cast(Awaitable[Any], opening)))


async def ask(asked: Awaitable[Answer]) -> Answer:
    """What the server answers.

    Raises:
        Lost: none came, or one that says the server cannot; whatever it says of the statement itself.
    """
    try:
        return await asked
    except asyncpg.PostgresError as refused:
        state = str(getattr(refused, "sqlstate", ""))
        if state.startswith(_UNAVAILABLE):
            raise Lost(f"PostgreSQL: {refused} ({state})") from refused
        raise
    except (*_LOSING, OSError, TimeoutError) as lost:
        raise Lost(f"PostgreSQL: {lost or type(lost).__name__}") from lost


def breaks_its_batch(error: Exception) -> bool:
    """Whether the server takes nothing more within a transaction in which this happened."""
    return isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError)


class Running:
    """A transaction on its way; remembers whether it has changed anything."""

    __slots__ = ("wrote",)

    def __init__(self) -> None:
        self.wrote = False

    async def through(self, connection: Connection, transaction: Transaction[Answer]) -> Answer:
        """Its result.

        Raises:
            Lost: the server cannot; whatever the transaction itself raises.
        """
        self.wrote = False
        try:
            sql, parameters = next(transaction)
            while True:
                if not sql.startswith("SELECT"):
                    self.wrote = True
                rows = await ask(connection.fetch(_numbered(sql), *map(_plain, parameters)))
                sql, parameters = transaction.send([tuple(row) for row in rows])
        except StopIteration as done:
            return done.value


@lru_cache(maxsize=1024)
def _numbered(sql: str) -> str:
    """``$1`` for each ``?``. None of our statements has one in a text."""
    first, *others = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))


def _plain(parameter: object) -> object:
    """PostgreSQL keeps no NUL in a text."""
    return parameter.replace("\0", "\ufffd") if isinstance(parameter, str) and "\0" in parameter else parameter
