"""The file read anew: when it changes, when somebody asks, and when it is wrong."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from file_house import Write, settings_with

from llm_gateway.catalog.catalog import load_catalog
from llm_gateway.domain.routes import RouteTable
from llm_gateway.route_desk import RouteDesk, read_file
from llm_gateway.surfaces.admin_api import AdminDoor
from llm_gateway.surfaces.door_limits import DoorLimits

CATALOG = load_catalog()
ONE = "routes: {one: {targets: [nova-pro]}}\n"
TWO = "routes: {two: {targets: [nova-lite]}}\n"
BROKEN = "routes: {two: {targets: [nova-lit]}}\n"


@pytest.fixture
def log() -> Iterator[asyncio.Queue[Any]]:
    """What is logged, as it comes."""
    entries: asyncio.Queue[Any] = asyncio.Queue()

    def keep(_: object, __: str, entry: Any) -> Any:
        entries.put_nowait(entry)
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    yield entries
    structlog.reset_defaults()


class Book:
    """The routes in force, as a table that can be waited for."""

    def __init__(self) -> None:
        self.tables: asyncio.Queue[RouteTable] = asyncio.Queue()
        self.names: list[str] = []

    def replace(self, table: RouteTable) -> None:
        self.names = list(table.routes)
        self.tables.put_nowait(table)

    def told(self) -> Mapping[str, object]:
        return {"routes": self.names, "targets": {}}


def desk_for(book: Book, file: Path | None) -> RouteDesk:
    settings = settings_with(file)
    content = read_file(settings, CATALOG)
    book.names = list(content.table.routes)
    return RouteDesk(book, settings, CATALOG, content, look_every_s=0.02)


@asynccontextmanager
async def watched(file: Path) -> AsyncIterator[Book]:
    book = Book()
    desk = desk_for(book, file)
    desk.start()
    try:
        yield book
    finally:
        await desk.aclose()


async def next_names(book: Book) -> list[str]:
    async with asyncio.timeout(30):
        return list((await book.tables.get()).routes)


def in_place(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


def moved_over(file: Path, text: str) -> None:
    beside = file.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)


def gone_and_back(file: Path, text: str) -> None:
    file.unlink()
    file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("change", [in_place, moved_over, gone_and_back])
async def test_a_changed_file_is_put_in_force(write: Write, change: Callable[[Path, str], None]) -> None:
    file = write(ONE)
    async with watched(file) as book:
        change(file, TWO)
        assert await next_names(book) == ["two"]
        change(file, ONE)
        assert await next_names(book) == ["one"]
        assert book.tables.empty()


async def test_a_link_that_points_elsewhere_is_seen(tmp_path: Path) -> None:
    """As Kubernetes changes a ConfigMap: a link through a folder that is a link, and only that one moves."""
    for version, text in (("v1", ONE), ("v2", TWO)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "gateway.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "..data").symlink_to("v1")
    file = tmp_path / "gateway.yaml"
    file.symlink_to(Path("..data") / "gateway.yaml")
    async with watched(file) as book:
        (tmp_path / "..new").symlink_to("v2")
        (tmp_path / "..new").replace(tmp_path / "..data")
        assert await next_names(book) == ["two"]


async def test_the_old_routes_stay_while_the_file_is_wrong(write: Write, log: asyncio.Queue[Any]) -> None:
    file = write(ONE)
    async with watched(file) as book, asyncio.timeout(30):
        moved_over(file, BROKEN)
        failed = await log.get()
        assert book.names == ["one"]
        moved_over(file, TWO)
        reloaded = await log.get()
        assert book.names == ["two"]
    assert (failed["event"], failed["why"]) == ("reload_failed", "file")
    assert failed["errors"] == [
        "gateway.yaml:1: routes.two.targets[0].model: no model is called 'nova-lit'; closest: nova-lite, nova-2-lite, "
        "nova-micro"
    ]
    assert (reloaded["event"], reloaded["added"], reloaded["removed"]) == ("reloaded", ["two"], ["one"])


def client_of(desk: RouteDesk) -> httpx.AsyncClient:
    door = AdminDoor(None, "master", DoorLimits(), desk)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=door), base_url="http://gateway")


ADMIN: Any = {"headers": {"x-admin-api-key": "master"}}


async def test_administrators_see_the_routes_and_reload_them(write: Write) -> None:
    book = Book()
    file = write("settings: {cache_ttl: 1, replicas: 2}\ndefaults: {attempts: 1}\n" + ONE)
    desk = desk_for(book, file)
    async with client_of(desk) as http:
        for path, method in (("/admin/routes", "GET"), ("/admin/reload", "POST")):
            assert (await http.request(method, path)).status_code == 401
        assert (await http.get("/admin/routes", **ADMIN)).json() == {"routes": ["one"], "targets": {}}
        other = "settings: {cache_ttl: 2, log_level: DEBUG, replicas: 2}\nroutes:\n  two: {targets: [nova-lite]}\n"
        write(other + "  one: nope\n")
        refused = await http.post("/admin/reload", **ADMIN)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "gateway_file_invalid")
        assert refused.json()["error"]["errors"][0].startswith("gateway.yaml:4: routes.one: must be a mapping with ")
        assert book.names == ["one"]
        write(other)
        answer = await http.post("/admin/reload", **ADMIN)
        assert answer.json() == {
            "reloaded": True,
            "added": ["two"],
            "removed": ["one"],
            "changed": [],
            "defaults_changed": True,
            "need_restart": ["cache_ttl", "log_level"],
        }
        assert (await http.get("/admin/routes", **ADMIN)).json()["routes"] == ["two"]


async def test_a_setting_that_cannot_stand_refuses_the_whole_file(write: Write) -> None:
    book = Book()
    desk = desk_for(book, write(ONE))
    write("settings: {cache_ttl: soon, admin_api_key: os.environ/NOT_SET_HERE}\n" + TWO)
    async with client_of(desk) as http:
        told = (await http.post("/admin/reload", **ADMIN)).json()["error"]["errors"]
    assert [line.split(": ", 2)[1] for line in told] == ["settings.admin_api_key", "settings.cache_ttl"]
    assert book.tables.empty()


async def test_without_a_file_there_is_nothing_to_reload() -> None:
    desk = desk_for(Book(), None)
    desk.start()
    async with client_of(desk) as http:
        refused = await http.post("/admin/reload", **ADMIN)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "no_gateway_file")
        assert (await http.get("/admin/routes", **ADMIN)).json() == {"routes": [], "targets": {}}
    await desk.aclose()


async def test_reloads_at_the_same_time_take_turns(write: Write) -> None:
    book = Book()
    desk = desk_for(book, write(ONE))
    write(TWO)
    await asyncio.gather(*[desk.reload() for _ in range(8)])
    assert book.names == ["two"]
    assert book.tables.qsize() == 8
