"""What the money rooms are made of: the database, the books, the gate. Built once for a process, or for one command."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_gateway.access import keyring
from llm_gateway.access.bounds import LimitsOf
from llm_gateway.access.contract import Gate, Limiter, NoLimits, OpenGate
from llm_gateway.access.key_gate import KeyGate
from llm_gateway.access.memory_limiter import MemoryLimiter
from llm_gateway.access.schema import ACCESS_TABLES
from llm_gateway.accounting.books_contract import Alert, Books, NoBooks
from llm_gateway.accounting.schema import MONEY_SUMS, MONEY_TABLES
from llm_gateway.accounting.spool import Spool
from llm_gateway.accounting.sql_books import SqlBooks, lives
from llm_gateway.caching.repeats import REPEATS_TABLES, MemoryRepeats, SqlRepeats
from llm_gateway.caching.repeats_contract import Repeats
from llm_gateway.crew import Crew
from llm_gateway.domain.errors import ConfigurationError
from llm_gateway.settings import Settings
from llm_gateway.storage.contract import Database, StorageUnavailable
from llm_gateway.storage.sqlite_file import SqliteFile
from llm_gateway.worker_line import LineBroken

if TYPE_CHECKING:
    from llm_gateway.storage.redis_server import RedisServer

MIGRATIONS = (MONEY_TABLES, ACCESS_TABLES, REPEATS_TABLES, MONEY_SUMS)
_SLACK_S = 60.0  # a hold outlives the longest request by this


@dataclass(frozen=True, slots=True)
class MoneyRooms:
    """``database`` is ``None`` where nothing is written down."""

    database: Database | None
    books: Books
    gate: Gate
    limiter: Limiter
    repeats: Repeats

    def start(self) -> None:
        """Begins what goes on beside the requests. In a running loop."""
        if isinstance(self.books, SqlBooks):
            self.books.start()
        if isinstance(self.gate, KeyGate):
            self.gate.start()

    async def refresh_keys(self) -> None:
        """Makes a change of keys and limits known in this process.

        Raises:
            StorageUnavailable: they cannot be read now.
        """
        if isinstance(self.gate, KeyGate):
            await self.gate.refresh()

    async def aclose(self) -> None:
        """Writes what waits, then closes the database."""
        await self.limiter.aclose()
        if isinstance(self.gate, KeyGate):
            await self.gate.aclose()
        await self.books.aclose()
        if self.database is not None:
            await self.database.aclose()


def open_database(settings: Settings) -> Database:
    """The database that the settings name; opened when first used.

    Raises:
        ConfigurationError: its driver is not installed.
    """
    if settings.database_url is None:
        return SqliteFile(settings.home / "ledger.db", MIGRATIONS)
    try:
        from llm_gateway.storage.postgres_server import PostgresServer
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            "DATABASE_URL needs the package asyncpg: pip install 'bedrock-llm-gateway[postgres]'"
        ) from missing
    return PostgresServer(settings.database_url.get_secret_value(), MIGRATIONS)


def furnish_money(
    settings: Settings,
    on_alert: Callable[[Alert], None],
    redis: "RedisServer | None" = None,
    crew: Crew | None = None,
) -> MoneyRooms:
    """The rooms as the settings want them; ``redis`` is where replicas count together, else ``crew`` where workers."""
    if settings.ledger == "off":
        return MoneyRooms(None, NoBooks(), OpenGate(), NoLimits(), MemoryRepeats())
    database = open_database(settings)
    books = SqlBooks(
        database,
        spool=Spool(settings.home),
        hold_s=settings.bedrock_total_timeout + _SLACK_S,
        may_clamp=settings.budget_clamp,
        refuse_unpriced=settings.unpriced == "refuse",
        on_alert=on_alert,
    )
    gate = KeyGate(database, region=settings.aws_region, cache_scope=settings.cache_scope)
    limiter = _create_limiter(settings, gate.limits_of, redis, crew)
    return MoneyRooms(database, books, gate, limiter, SqlRepeats(database, owner=books.owner, lives=lives))


def _create_limiter(settings: Settings, limits_of: LimitsOf, redis: "RedisServer | None", crew: Crew | None) -> Limiter:
    if redis is None and crew is not None:
        from llm_gateway.access.limits_guest import LimitsGuest

        return LimitsGuest(crew.line, limits_of, gone=LineBroken, max_wait_s=settings.queue_max_wait)
    if redis is None:
        return MemoryLimiter(limits_of, max_wait_s=settings.queue_max_wait)
    from llm_gateway.access.redis_limiter import RedisLimiter

    return RedisLimiter(redis, limits_of, replicas=settings.replicas, max_wait_s=settings.queue_max_wait)


async def has_keys(settings: Settings) -> bool:
    """Whether anybody was ever given a key; True where that cannot be told now, since keys are asked for then."""
    if settings.ledger == "off":
        return False
    database = open_database(settings)
    try:
        return bool(await database.read(lambda _: keyring.everyone()))
    except StorageUnavailable:
        return True
    finally:
        await database.aclose()
