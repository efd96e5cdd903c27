"""The routes of this process: read from the gateway file, told to whoever asks, and replaced when the file changes.

Law: a file is read and checked whole, off the event loop, before anything is replaced; the old routes stay on error.
"""

import asyncio
import os
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from llm_gateway.catalog.catalog import Catalog, load_catalog
from llm_gateway.domain.errors import Fact, InvalidRequest
from llm_gateway.domain.requests import ResolvedModel
from llm_gateway.domain.routes import NO_ROUTES, RouteTable
from llm_gateway.gateway_file.document import read_document
from llm_gateway.gateway_file.problems import GatewayFileError
from llm_gateway.routing.contract import RouteBook
from llm_gateway.settings import Settings, checked_settings, file_references

_LOOK_EVERY_S = 0.5


class ReloadRefused(InvalidRequest):
    """The gateway file is wrong: the routes stay as they were. ``errors`` are its lines, one for each problem."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("the gateway file is wrong; the routes stay as they were", code="gateway_file_invalid")
        self.errors = errors

    def facts(self) -> dict[str, Fact]:
        """``errors``."""
        return {"errors": list(self.errors)}


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a gateway file says. ``settings`` are those of the file that nothing above it sets."""

    table: RouteTable
    settings: Mapping[str, object]
    stamp: tuple[int, ...] | None = None


NO_FILE = FileContent(NO_ROUTES, {})


def read_file(settings: Settings, catalog: Catalog | None = None) -> FileContent:
    """The gateway file that the settings name; nothing where they name none.

    Raises:
        GatewayFileError: it is wrong; with all that is.
    """
    if settings.gateway_file is None:
        return NO_FILE
    from llm_gateway.gateway_file.reading import Surroundings, checked_routes

    cards = catalog or load_catalog(settings.models_file)

    def resolve(word: str, region: str | None) -> ResolvedModel:
        today = datetime.now(UTC).date()
        return cards.resolve(word, region=region or settings.aws_region, today=today, retired=settings.retired_models)

    stamp = _stamp(settings.gateway_file)
    document = read_document(settings.gateway_file)
    problems = document.problems()
    around = Surroundings(
        resolve=resolve, region=settings.aws_region, why_not=_why_not_strategy, references=file_references()
    )
    table = checked_routes(document, around, problems)
    given = checked_settings(document, problems)
    problems.raise_if_any()
    return FileContent(table, given, stamp)


class RouteDesk:
    """Tells the routes in force, and reloads them: when asked to, and when the file is another one than before."""

    def __init__(
        self,
        book: RouteBook,
        settings: Settings,
        catalog: Catalog,
        content: FileContent,
        look_every_s: float = _LOOK_EVERY_S,
    ) -> None:
        self._book = book
        self._settings = settings
        self._catalog = catalog
        self._content = content
        self._path = settings.gateway_file
        self._look_every_s = look_every_s
        self._seen = content.stamp
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def has_file(self) -> bool:
        """Whether there is something to reload."""
        return self._path is not None

    def told(self) -> Mapping[str, object]:
        """Routes and targets as JSON values."""
        return self._book.told()

    def start(self) -> None:
        """Begins to look at the file. In a running loop."""
        if self._path is not None:
            self._begin(self._watch(self._path))

    async def aclose(self) -> None:
        """Looks no more."""
        for task in (tasks := list(self._tasks)):
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    def hear_signal(self) -> None:
        """Reloads soon; what is wrong is logged."""
        self._begin(self._reload_and_log("signal"))

    async def reload(self, why: str = "asked") -> Mapping[str, object]:
        """Reads the file and puts its routes in force; what changed, as JSON values.

        Raises:
            InvalidRequest: there is no gateway file.
            ReloadRefused: the file is wrong.
        """
        if self._path is None:
            raise InvalidRequest("there is no gateway file to reload; set GATEWAY_FILE", code="no_gateway_file")
        async with self._turn:
            self._seen = await asyncio.to_thread(_stamp, self._path)
            try:
                content = await asyncio.to_thread(read_file, self._settings, self._catalog)
            except GatewayFileError as wrong:
                structlog.get_logger().error("reload_failed", why=why, errors=list(wrong.lines))
                raise ReloadRefused(wrong.lines) from wrong
            before, self._content = self._content, content
            self._book.replace(content.table)
        changes = changes_between(before, content)
        structlog.get_logger().info("reloaded", why=why, **changes)
        return changes

    async def _reload_and_log(self, why: str) -> None:
        with suppress(InvalidRequest):
            await self.reload(why)

    async def _watch(self, path: Path) -> None:
        """A look each half second finds a file written in place, one moved over it, and a link that points elsewhere
        (as Kubernetes changes a ConfigMap); a file that still changes is left until it rests."""
        before = self._seen
        while True:
            await asyncio.sleep(self._look_every_s)
            now = await asyncio.to_thread(_stamp, path)
            if now == before and now != self._seen:
                await self._reload_and_log("file")
            before = now

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def changes_between(before: FileContent, after: FileContent) -> dict[str, object]:
    """What is another: routes by name, and the settings that a restart would change."""
    old, new = before.table, after.table
    names = before.settings.keys() | after.settings.keys()
    return {
        "added": sorted(new.routes.keys() - old.routes.keys()),
        "removed": sorted(old.routes.keys() - new.routes.keys()),
        "changed": sorted(
            name for name in old.routes.keys() & new.routes.keys() if old.routes[name] != new.routes[name]
        ),
        "defaults_changed": _defaults(old) != _defaults(new),
        "need_restart": sorted(name for name in names if before.settings.get(name) != after.settings.get(name)),
    }


def _defaults(table: RouteTable) -> tuple[object, ...]:
    return table.policy, table.fallbacks, table.context_fallbacks


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What tells a file from what it was; ``None`` where there is none."""
    with suppress(OSError):
        found = os.stat(path)  # noqa: PTH116 - follows links
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
    return None


def _why_not_strategy(name: str) -> str | None:
    from llm_gateway.gateway_file.problems import closest, short
    from llm_gateway.routing.strategies import known

    names = known.names()
    if name not in names:
        return f"there is no strategy {short(name)!r}{closest(name, names)}"
    try:
        known.strategy(name)
    except Exception as fault:  # noqa: BLE001 - whatever the package raises that brings it
        return f"the strategy {short(name)!r} cannot be loaded ({type(fault).__name__}: {short(str(fault))})"
    return None
