"""More requests than may be under way: refused at once, at every door, before anything is done for them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from mcp_house import asking, refusal

from houses import House, ask, build_house
from llm_gateway.backends.scripted import Scripted
from llm_gateway.crowd import Crowd
from llm_gateway.domain.content import text_of
from llm_gateway.domain.embeddings import EmbedRequest
from llm_gateway.domain.errors import Overloaded
from llm_gateway.surfaces.http_site import create_site
from llm_gateway.surfaces.mcp_tools import create_mcp_server

HELLO: dict[str, Any] = {"model": "nova-lite", "max_tokens": 9, "messages": [{"role": "user", "content": "Late"}]}


class Full:
    """A house where one request may be under way, and is."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.house: House = build_house(Scripted(gate=self.gate), Scripted(), crowd=Crowd(1))
        self.first = asyncio.ensure_future(self.house.gateway.generate(ask(), request_id="req_1"))


@pytest.fixture
async def full() -> AsyncIterator[Full]:
    house = Full()
    await house.house.backend.opened.wait()
    yield house
    house.gate.set()
    assert text_of((await house.first).completion.blocks) == "Hello there"


async def test_one_more_is_refused_asks_no_model_and_is_counted(full: Full) -> None:
    gateway = full.house.gateway
    with pytest.raises(Overloaded) as refused:
        await gateway.generate(ask("Another"), request_id="req_2")
    with pytest.raises(Overloaded):
        await gateway.embed(EmbedRequest(model="titan-embed-v2", texts=("a",)), request_id="req_3")
    assert (refused.value.code, refused.value.retryable, refused.value.retry_after_s) == ("overloaded", True, 1)
    assert len(full.house.backend.calls) == 1
    assert full.house.metrics.snapshot().errors_by_code == {"overloaded": 2}


async def test_whoever_leaves_makes_room(full: Full) -> None:
    full.first.cancel()
    await asyncio.wait([full.first])
    full.first = asyncio.ensure_future(full.house.gateway.generate(ask("Another"), request_id="req_2"))
    assert text_of((await full.first).completion.blocks) == "Hello there"


async def test_the_error_reaches_callers_over_mcp(full: Full) -> None:
    async with asking(full.house) as client:
        error = await refusal(client, "generate", HELLO)
    assert (error["code"], error["retryable"], error["retry_after_ms"]) == ("overloaded", True, 1000)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/embeddings"])
async def test_doors_of_v1_refuse_before_the_body_has_come(full: Full, path: str) -> None:
    house = full.house

    async def never_asked_for() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    server = create_mcp_server(house.gateway, house.reports)
    site = create_site(server=server, gateway=house.gateway, reports=house.reports, bound_host="127.0.0.1")
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=site), base_url="http://127.0.0.1:8080") as http:
        answer = await http.post(path, content=never_asked_for())
        assert (await http.get("/health/ready")).status_code == 200
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["code"] == "overloaded"
    assert house.metrics.snapshot().errors_by_code == {"overloaded": 1}
