"""Host and Origin at the door of the HTTP site."""

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from llm_gateway.surfaces.door_guard import DoorGuard, is_loopback


async def knock(
    headers: dict[str, str], *, bound: str = "127.0.0.1", hosts: tuple[str, ...] = (), origins: tuple[str, ...] = ()
) -> tuple[int, str]:
    async def page(_: object) -> PlainTextResponse:
        return PlainTextResponse("in")

    site = DoorGuard(
        Starlette(routes=[Route("/", page)]), bound_host=bound, allowed_hosts=hosts, allowed_origins=origins
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=site), base_url="http://127.0.0.1:8080") as http:
        answer = await http.get("/", headers=headers)
    return answer.status_code, "" if answer.status_code == 200 else answer.json()["error"]["code"]


IN, FOREIGN_HOST, FOREIGN_ORIGIN = (200, ""), (421, "unknown_host"), (403, "forbidden_origin")
AT_HOME = [
    ({}, IN),
    ({"host": "localhost"}, IN),
    ({"host": "LOCALHOST:9"}, IN),
    ({"host": "[::1]:8080"}, IN),
    ({"host": "127.0.0.1:1"}, IN),
    ({"host": "evil.example"}, FOREIGN_HOST),
    ({"host": "127.0.0.1.evil.example"}, FOREIGN_HOST),
    ({"host": "localhost.evil.example"}, FOREIGN_HOST),
    ({"host": "localhost@evil.example"}, FOREIGN_HOST),
    ({"host": "[::1"}, FOREIGN_HOST),
    ({"host": ""}, FOREIGN_HOST),
    ({"origin": "http://localhost:6274"}, IN),
    ({"origin": "http://127.0.0.1"}, IN),
    ({"origin": "http://[::1]:3"}, IN),
    ({"origin": "https://evil.example"}, FOREIGN_ORIGIN),
    ({"origin": "http://127.evil.example"}, FOREIGN_ORIGIN),
    ({"origin": "http://127.0.0.1.evil.example"}, FOREIGN_ORIGIN),
    ({"origin": "http://localhost.evil.example"}, FOREIGN_ORIGIN),
    ({"origin": "http://evil.example#localhost"}, FOREIGN_ORIGIN),
    ({"origin": "http://[::1"}, FOREIGN_ORIGIN),
    ({"origin": "null"}, FOREIGN_ORIGIN),
    ({"origin": ""}, FOREIGN_ORIGIN),
    ({"host": "evil.example", "origin": "http://evil.example"}, FOREIGN_HOST),
]


@pytest.mark.parametrize(("headers", "answer"), AT_HOME)
async def test_on_loopback_only_this_machine_is_served(headers: dict[str, str], answer: tuple[int, str]) -> None:
    assert await knock(headers) == answer


ON_EVERY_ADDRESS = [
    ({"host": "gateway.internal"}, IN),
    ({"host": "gateway.internal", "origin": "https://evil.example"}, FOREIGN_ORIGIN),
    ({"host": "evil.example", "origin": "https://evil.example"}, FOREIGN_ORIGIN),
    ({"host": "gateway.internal", "origin": "http://localhost:3000"}, IN),
]


@pytest.mark.parametrize(("headers", "answer"), ON_EVERY_ADDRESS)
async def test_on_every_address_a_foreign_page_is_not_served(headers: dict[str, str], answer: tuple[int, str]) -> None:
    assert await knock(headers, bound="0.0.0.0") == answer


NAMED = [
    ({"host": "gateway.internal:8080"}, IN),
    ({"host": "gateway.internal", "origin": "https://gateway.internal"}, IN),
    ({"host": "gateway.internal", "origin": "https://app.example"}, IN),
    ({"host": "gateway.internal", "origin": "https://APP.example"}, IN),
    ({"host": "gateway.internal", "origin": "http://app.example"}, FOREIGN_ORIGIN),
    ({"host": "other.internal"}, FOREIGN_HOST),
]


@pytest.mark.parametrize(("headers", "answer"), NAMED)
async def test_names_that_are_allowed_are_served(headers: dict[str, str], answer: tuple[int, str]) -> None:
    got = await knock(headers, bound="0.0.0.0", hosts=("gateway.internal",), origins=("https://app.example/",))
    assert got == answer


async def test_blanks_around_a_header_are_no_part_of_it() -> None:
    assert await knock({"host": "localhost \t", "origin": "http://localhost "}) == IN


async def test_an_address_that_was_bound_by_name_is_served() -> None:
    assert await knock({"host": "Gateway.Internal"}, bound="gateway.internal") == IN
    assert await knock({"host": "other"}, bound="gateway.internal") == FOREIGN_HOST


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("10.0.0.1", False),
        ("127.evil.example", False),
        ("example.com", False),
    ],
)
def test_what_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
