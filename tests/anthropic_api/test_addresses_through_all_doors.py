"""Pictures and documents by their address: the same Converse bytes through every door, and the same refusals."""

import base64
import json
from typing import Any

from anthropic_house import HAIKU, Street, open_street, posting
from fastmcp import Client

from open_web import PDF, PNG, giving, open_site

MODEL = {"model": HAIKU, "max_tokens": 300}


def by_mcp(picture: str, document: str) -> list[Any]:
    return [
        {"type": "text", "text": "Look"},
        {"image": {"source": {"url": picture}}},
        {"type": "resource_link", "uri": document, "name": "form"},
    ]


def by_openai(picture: str, document: str) -> list[Any]:
    return [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": picture}},
        {"type": "file", "file": {"filename": "form.pdf", "file_data": document}},
    ]


def by_anthropic(picture: str, document: str) -> list[Any]:
    return [
        {"type": "text", "text": "Look"},
        {"type": "image", "source": {"type": "url", "url": picture}},
        {"type": "document", "title": "form", "source": {"type": "url", "url": document}},
    ]


def turn(content: list[Any]) -> dict[str, Any]:
    return {**MODEL, "messages": [{"role": "user", "content": content}]}


async def posted(street: Street, body: dict[str, Any], path: str) -> dict[str, Any]:
    async with posting(street, body, path) as response:
        answer = json.loads(await response.read())
        return answer if response.status == 200 else {**answer["error"], "status": response.status}


async def test_an_address_gives_the_same_bytes_through_all_doors() -> None:
    pages = {"/a.png": giving(PNG), "/form": giving(PDF, "application/pdf")}
    async with open_site(pages) as site, open_street(site.fetcher()) as street:
        where = site.url("/a.png"), site.url("/form")
        async with Client(street.app.mcp_server()) as client:
            await client.call_tool("generate", turn(by_mcp(*where)))
            counted = await client.call_tool("count_tokens", turn(by_mcp(*where)))
        assert counted.structured_content is not None
        for streaming in (False, True):
            await posted_any(street, {**turn(by_openai(*where)), "stream": streaming}, "/v1/chat/completions")
            await posted_any(street, {**turn(by_anthropic(*where)), "stream": streaming}, "/v1/messages")
        asked = [json.dumps(body) for body in street.asked() if "input" not in body]
    assert len(asked) == 5
    assert len(set(asked)) == 1
    _, picture, document = json.loads(asked[0])["messages"][0]["content"]
    assert picture == {"image": {"format": "png", "source": {"bytes": base64.b64encode(PNG).decode()}}}
    bytes_ = base64.b64encode(PDF).decode()
    assert document == {"document": {"format": "pdf", "name": "form", "source": {"bytes": bytes_}}}


async def posted_any(street: Street, body: dict[str, Any], path: str) -> None:
    async with posting(street, body, path) as response:
        assert response.status == 200, await response.text()
        await response.read()


async def test_an_answer_is_kept_by_what_stood_there() -> None:
    pages = {"/a.png": giving(PNG)}
    async with open_site(pages) as site, open_street(site.fetcher(), cache_enabled=True) as street:
        body = turn(by_openai(site.url(), site.url())[:2])
        for expected in ("miss", "hit"):
            async with posting(street, body, "/v1/chat/completions") as response:
                assert response.headers["x-llm-gateway-cache"] == expected
        pages["/a.png"] = giving(PNG + b"\x01")
        async with posting(street, body, "/v1/chat/completions") as response:
            assert response.headers["x-llm-gateway-cache"] == "miss"
    assert len(street.asked()) == 2


async def test_fetching_is_off_unless_it_is_set_and_says_so() -> None:
    await refused_everywhere({}, "FETCH_URLS", "https://pictures.example/a.png")


async def test_the_settings_open_the_way_but_never_inside() -> None:
    await refused_everywhere({"fetch_urls": True}, "open internet", "https://169.254.169.254/latest/meta-data")
    await refused_everywhere({"fetch_urls": True}, "https", "http://pictures.example/a.png")
    settings = {"fetch_urls": True, "fetch_hosts": "files.example"}
    await refused_everywhere(settings, "FETCH_HOSTS", "https://pictures.example/a.png")


async def refused_everywhere(settings: dict[str, Any], word: str, address: str) -> None:
    before = {"role": "system", "content": "Be brief."}  # other doors count it as a message, this one does not
    async with open_street(**settings) as street:
        body = turn(by_openai(address, address)[:2])
        error = await posted(street, {**body, "messages": [before, *body["messages"]]}, "/v1/chat/completions")
        assert (error["status"], error["param"]) == (400, "messages[1].content[1].image_url.url")
        assert word in error["message"]
        error = await posted(street, turn(by_anthropic(address, address)[:2]), "/v1/messages")
        assert (error["status"], error["field"]) == (400, "messages[0].content[1].source.url")
        assert word in error["message"]
        async with Client(street.app.mcp_server()) as client:
            for tool in ("generate", "count_tokens", "estimate_cost"):
                result = await client.call_tool(tool, turn(by_mcp(address, address)[:2]), raise_on_error=False)
                told = (result.structured_content or {})["error"]
                assert (told["code"], told["field"]) == ("invalid_request", "messages[0].content[1].image.source.url")
        assert street.asked() == []
