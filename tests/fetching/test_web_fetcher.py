"""What is fetched, and what is not: against HTTPS servers on this machine, with names and certificates of their own."""

import asyncio
import base64
import gzip
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web

from houses import CATALOG
from llm_gateway.domain.content import LinkedMedia, Media, MediaKind, Message, Text, ToolResult
from llm_gateway.domain.errors import LinkRefused
from llm_gateway.domain.requests import GenerateRequest
from llm_gateway.fetching.contract import NoFetching
from llm_gateway.fetching.names import ListedNames, SystemNames
from llm_gateway.fetching.web_fetcher import WebFetcher
from open_web import AUTHORITY, HERE, HOST, PDF, PNG, Handler, Site, giving, moving, open_site

CARD = next(card for card in CATALOG.cards if card.name == "nova-lite")
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def link(url: str, *kinds: MediaKind, number: int = 0, format_: str = "") -> LinkedMedia:
    kinds = kinds or ("image",)
    field = f"messages[0].content[{number}].image_url.url"
    return LinkedMedia(kind=kinds[0], format=format_, source={}, url=url, field=field, kinds=kinds)


def asking(*links: LinkedMedia) -> GenerateRequest:
    return GenerateRequest(model="nova-lite", messages=(Message("user", (Text("Look"), *links)),))


async def bring(fetcher: WebFetcher, *links: LinkedMedia) -> list[Any]:
    """What stands there now."""
    try:
        request = await fetcher.bring(asking(*links), CARD)
    finally:
        await fetcher.aclose()
    return list(request.messages[0].content[1:])


async def refusal(fetcher: WebFetcher, *links: LinkedMedia) -> LinkRefused:
    with pytest.raises(LinkRefused) as refused:
        await bring(fetcher, *links)
    return refused.value


FETCHED: dict[str, tuple[str, Handler, tuple[MediaKind, ...], tuple[str, str]]] = {
    "a picture": ("/a", giving(PNG), ("image",), ("image", "png")),
    "a picture called a JPEG": ("/a", giving(PNG, "image/jpeg"), ("image",), ("image", "png")),
    "a picture called anything": ("/a", giving(PNG, "application/octet-stream"), ("image",), ("image", "png")),
    "a WebP": ("/a", giving(b"RIFF\x00\x00\x00\x00WEBPVP8 "), ("image",), ("image", "webp")),
    "a PDF": ("/a", giving(PDF, "application/pdf"), ("document",), ("document", "pdf")),
    "Markdown called text": ("/a.md", giving(b"# Hi", "text/plain; charset=utf-8"), ("document",), ("document", "md")),
    "text": ("/a", giving(b"Hi", "text/plain"), ("document",), ("document", "txt")),
    "a Word file": ("/a", giving(b"PK\x03\x04", DOCX), ("document",), ("document", "docx")),
    "a film by its ending": ("/a.mp4", giving(b"\x00ftyp", "binary/octet-stream"), ("video",), ("video", "mp4")),
    "a sound": ("/a", giving(b"ID3", "audio/mpeg"), ("audio",), ("audio", "mp3")),
    "anything": ("/a", giving(PDF, "application/pdf"), ("image", "document"), ("document", "pdf")),
}


@pytest.mark.parametrize(("path", "page", "kinds", "told"), FETCHED.values(), ids=FETCHED)
async def test_what_stands_at_an_address_takes_its_place(
    path: str, page: Handler, kinds: tuple[MediaKind, ...], told: tuple[str, str]
) -> None:
    async with open_site({path: page}) as site:
        fetcher = site.fetcher()
        request = await fetcher.bring(asking(link(site.url(path), *kinds)), None)
        await fetcher.aclose()
        media = request.messages[0].content[1]
        assert type(media) is Media
        assert (media.kind, media.format) == told
        body = (await page(site.asked[0])).body  # type: ignore[arg-type, attr-defined]
        assert base64.b64decode(str(media.source["bytes"])) == body


async def test_nothing_of_ours_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with open_site({"/a.png": giving(PNG, Set_Cookie="a=b")}) as site:
        fetcher = site.fetcher()
        for _ in range(2):
            await fetcher.bring(asking(link(site.url("/a.png?size=1#top"))), CARD)
        await fetcher.aclose()
    first, second = [{name.lower(): value for name, value in asked.headers.items()} for asked in site.asked]
    assert (
        first
        == second
        == {
            "accept": "*/*",
            "accept-encoding": "identity",
            "connection": "close",
            "host": f"{HOST}:{site.port}",
            "user-agent": "llm-gateway",
        }
    )
    assert site.asked[0].path_qs == "/a.png?size=1"


async def test_an_address_named_twice_is_asked_once_and_results_of_tools_count_too() -> None:
    async with open_site({"/a.png": giving(PNG)}) as site:
        picture = link(site.url())
        result = ToolResult("t1", (Text("see"), picture))
        fetcher = site.fetcher()
        request = GenerateRequest(model="nova-lite", messages=(Message("user", (picture, link(site.url()), result)),))
        brought = await fetcher.bring(request, CARD)
        await fetcher.aclose()
    first, second, told = brought.messages[0].content
    assert first == second == told.content[1]  # type: ignore[union-attr]
    assert len(site.asked) == 1


# --- the guard --------------------------------------------------------------------------------------------------------

INSIDE = (
    *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.000.000.001", "0", "0.0.0.0"),
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.100.100.200"),
    *("169.254.169.254", "169.254.170.2", "0xa9fea9fe", "2852039166", "168.63.129.16", "192.0.0.192", "198.18.0.1"),
    *("192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    *("255.255.255.255", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[fe80::1]"),
    *("[fe80::1%25lo]", "[fc00::1]", "[fd00:ec2::254]", "[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]"),
    *("[64:ff9b:1::1]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2001::1]", "[2001:0:7f00:1::]", "[2001:db8::1]"),
    *("[ff02::1]", "[3fff::1]", "[100::1]", "[::ffff:0:127.0.0.1]", "[fec0::1]", "localhost", "localhost."),
)


@pytest.mark.parametrize("host", INSIDE)
async def test_nothing_inside_is_ever_connected_to(host: str) -> None:
    async with open_site({"/a.png": giving(PNG)}, address="0.0.0.0") as site:
        error = await refusal(WebFetcher(most_bytes=1000, tls=AUTHORITY.trusting()), link(site.url(host=host)))
        assert error.field == "messages[0].content[0].image_url.url"
        assert "open internet" in error.message or "is not known" in error.message
        assert site.connected == 0


@pytest.mark.parametrize("address", [host.strip("[]") for host in INSIDE if host[0] in "[12" and "." in host])
async def test_a_name_that_leads_inside_is_not_followed(address: str) -> None:
    async with open_site({"/a.png": giving(PNG)}, address="0.0.0.0") as site:
        names = ListedNames({HOST: [address]})
        error = await refusal(WebFetcher(most_bytes=1000, tls=AUTHORITY.trusting(), names=names), link(site.url()))
        assert HOST in error.message
        assert address not in error.message
        assert site.connected == 0


class Turncoat:
    """A name server that says something else each time."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    async def addresses(self, host: str) -> Sequence[str]:
        return [self.answers.pop(0)]


async def test_the_address_that_was_judged_is_the_one_that_is_asked() -> None:
    async with (
        open_site({"/a.png": giving(PNG)}, address="127.0.0.2") as good,
        open_site({"/a.png": giving(PNG)}, address=HERE, port=good.port) as canary,
    ):
        names = Turncoat("127.0.0.2", HERE, HERE, HERE)
        fetcher = good.fetcher(names=names, is_allowed=lambda address: str(address) == "127.0.0.2")
        (media,) = await bring(fetcher, link(good.url()))
        assert media.format == "png"
        assert (len(names.answers), canary.connected) == (3, 0)


async def test_of_several_addresses_only_the_public_ones_are_tried() -> None:
    async with open_site({"/a.png": giving(PNG)}) as site:
        names = ListedNames({HOST: ["10.0.0.1", "::1", "fe80::1%lo", "nonsense", HERE]})
        (media,) = await bring(site.fetcher(names=names), link(site.url()))
        assert media.format == "png"


SENT_TO = {
    "a canary by address": "https://127.0.0.9:{port}/a.png",
    "a canary by name": "https://inside.example:{port}/a.png",
    "plain HTTP": "http://pictures.example:{port}/a.png",
    "a file": "file:///etc/passwd",
    "a user": "https://a:b@pictures.example:{port}/a.png",
    "itself, for ever": "/loop",
    "nothing": "https:///a.png",
    "a broken port": "https://pictures.example:99999/a.png",
    "a very long way": "https://pictures.example/" + "a" * 9000,
}


@pytest.mark.parametrize("status", [301, 303, 307])
@pytest.mark.parametrize("to", SENT_TO.values(), ids=SENT_TO)
async def test_every_redirect_is_judged_like_the_first_address(to: str, status: int) -> None:
    pages = dict[str, Handler]()
    async with (
        open_site(pages) as site,
        open_site({"/a.png": giving(PNG)}, address="127.0.0.9", port=site.port) as canary,
    ):
        pages["/loop"] = moving(to.format(port=site.port), status)
        names = ListedNames({HOST: [HERE], "inside.example": ["127.0.0.9"]})
        await refusal(site.fetcher(names=names), link(site.url("/loop")))
        assert canary.connected == 0
        assert len(site.asked) <= 4


async def test_a_good_redirect_is_followed() -> None:
    async with open_site({"/a": moving("b/c"), "/b/c": moving("/d.md"), "/d.md": giving(b"Hi", "text/plain")}) as site:
        (media,) = await bring(site.fetcher(), link(site.url("/a"), "document"))
        assert media.format == "md"


ADDRESSES = {
    "plain HTTP": "http://pictures.example/a.png",
    "a user": "https://a:b@pictures.example/a.png",
    "a user without a word": "https://a@pictures.example/a.png",
    "no host": "https:///a.png",
    "a host of dots": "https://.../a.png",
    "a bad port": "https://pictures.example:99999/a.png",
    "bad brackets": "https://[::1/a.png",
    "an unknown host": "https://unknown.example/a.png",
    "a host like ours": "https://pictures.example.evil.example/a.png",
    "a sharp sign": "https://unknown.example#@pictures.example/a.png",
    "a backslash": "https://unknown.example\\@pictures.example/a.png",
    "half a character": "https://pictures.example/\ud800",
    "control characters": "https://pictures.example/\r\nX-Evil: 1",
    "a host of another script": "https://ｌｏｃａｌｈｏｓｔ/a.png",
    "a very long one": "https://pictures.example/" + "a" * 9000,
}


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
async def test_an_address_that_is_none_of_ours_is_refused_with_its_field(address: str) -> None:
    async with open_site({"/a.png": giving(PNG)}) as site:
        error = await refusal(site.fetcher(), link(address))
        assert error.field == "messages[0].content[0].image_url.url"
        error.message.encode()
        assert site.connected == 0


async def test_only_listed_hosts_are_asked_where_there_is_a_list() -> None:
    async with open_site({"/a.png": giving(PNG)}, hosts=(HOST, "cdn.pictures.example", "evilpictures.example")) as site:
        names = ListedNames({name: [HERE] for name in (HOST, "cdn.pictures.example", "evilpictures.example")})
        for hosts, host, is_good in (
            ((HOST,), HOST, True),
            ((HOST.upper() + ".",), HOST, True),
            ((HOST,), "cdn.pictures.example", False),
            (("*.pictures.example",), "cdn.pictures.example", True),
            (("*.pictures.example",), HOST, False),
            (("*.pictures.example",), "evilpictures.example", False),
            (("other.example",), HOST, False),
        ):
            fetcher = site.fetcher(hosts=hosts, names=names)
            asked = link(site.url(host=host))
            if is_good:
                assert await bring(fetcher, asked)
            else:
                assert "FETCH_HOSTS" in (await refusal(fetcher, asked)).message
        assert len(site.asked) == 3


async def test_a_certificate_for_another_name_or_of_nobody_is_refused() -> None:
    async with open_site({"/a.png": giving(PNG)}, hosts=("other.example",)) as site:
        error = await refusal(site.fetcher(), link(site.url()))
        assert (error.code, site.asked) == ("fetch_failed", [])
    async with open_site({"/a.png": giving(PNG)}) as site:
        error = await refusal(site.fetcher(tls=None), link(site.url()))
        assert (error.code, site.asked) == ("fetch_failed", [])


# --- the bounds -------------------------------------------------------------------------------------------------------


def endless(*, pause: asyncio.Event | None = None) -> Handler:
    """Never ends: at full speed, or with nothing after the first bytes."""

    async def page(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "image/png"})
        await response.prepare(request)
        await response.write(PNG)
        while True:
            if pause is not None:
                await pause.wait()
            await response.write(b"\x00" * 65_536)

    return page  # type: ignore[return-value]


async def test_size_is_bounded_as_announced_and_while_it_comes() -> None:
    large = b"\x89PNG\r\n\x1a\n" + b"\x00" * 4_000_000
    async with open_site({"/large": giving(large), "/endless": endless()}) as site:
        for path in ("/large", "/endless"):
            error = await refusal(site.fetcher(), link(site.url(path)))
            assert "3.75 MB" in error.message
        error = await refusal(site.fetcher(most_bytes=100), link(site.url("/endless"), "video"))
        assert "larger" in error.message


async def test_what_one_request_may_have_fetched_is_bounded_in_sum() -> None:
    async with open_site({"/a.png": giving(PNG)}) as site:
        links = [link(site.url(f"/a.png?{number}"), number=number) for number in range(3)]
        assert len(await bring(site.fetcher(most_bytes=3 * len(PNG)), *links)) == 3
        await refusal(site.fetcher(most_bytes=3 * len(PNG) - 1), *links)


async def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b"\x00" * 10_000_000)
    for packing in ("gzip", "deflate", "br", "zstd"):
        async with open_site({"/a.png": giving(bomb, Content_Encoding=packing)}) as site:
            error = await refusal(site.fetcher(), link(site.url()))
            assert "compressed" in error.message


async def test_time_is_bounded_for_the_body_and_for_the_name() -> None:
    async with open_site({"/a.png": endless(pause=asyncio.Event())}) as site:
        error = await refusal(site.fetcher(within_s=0.2), link(site.url()))
        assert (error.code, error.retryable) == ("fetch_failed", True)

    class Silent:
        async def addresses(self, host: str) -> Sequence[str]:
            await asyncio.Event().wait()
            return []

    error = await refusal(site.fetcher(within_s=0.2, names=Silent()), link(site.url()))
    assert "0.2 s" in error.message


async def test_the_number_of_addresses_is_bounded_before_any_is_asked() -> None:
    async with open_site({"/a.png": giving(PNG)}) as site:
        error = await refusal(site.fetcher(), *[link(site.url(f"/{number}"), number=number) for number in range(21)])
        assert error.field == "messages[0].content[20].image_url.url"
        assert site.connected == 0


async def test_what_the_model_cannot_take_is_not_fetched() -> None:
    async with open_site({"/a.mp3": giving(b"ID3", "audio/mpeg")}) as site:
        error = await refusal(site.fetcher(), link(site.url("/a.mp3"), "audio"))
        assert (error.code, site.connected) == ("unsupported_feature", 0)


USELESS: dict[str, tuple[Handler, tuple[MediaKind, ...], str]] = {
    "a page for a picture": (giving(b"<html>", "text/html"), ("image",), "invalid_request"),
    "a page called a picture": (giving(b"<html>", "image/png"), ("image",), "invalid_request"),
    "a drawing": (giving(b"<svg/>", "image/svg+xml"), ("image",), "invalid_request"),
    "a picture for a document": (giving(PNG), ("document",), "invalid_request"),
    "a page called a PDF": (giving(b"<html>", "application/pdf"), ("document",), "invalid_request"),
    "a Word file that is none": (giving(b"Hi", DOCX), ("document",), "invalid_request"),
    "text that is none": (giving(b"\xff\xfe\x00", "text/plain"), ("document",), "invalid_request"),
    "no type at all": (giving(b"\x00\x01", "application/octet-stream"), ("document",), "invalid_request"),
    "nothing": (giving(b"", "image/png"), ("image",), "fetch_failed"),
    "not found": (giving(PNG, status=404), ("image",), "fetch_failed"),
    "an error": (giving(PNG, status=503), ("image",), "fetch_failed"),
    "a part": (giving(PNG, status=206), ("image",), "fetch_failed"),
    "a redirect to nowhere": (giving(PNG, status=302), ("image",), "fetch_failed"),
}


@pytest.mark.parametrize(("page", "kinds", "code"), USELESS.values(), ids=USELESS)
async def test_what_is_of_no_use_is_refused(page: Handler, kinds: tuple[MediaKind, ...], code: str) -> None:
    async with open_site({"/a": page}) as site:
        error = await refusal(site.fetcher(), link(site.url("/a"), *kinds))
        assert (error.code, error.field) == (code, "messages[0].content[0].image_url.url")


async def test_a_server_that_speaks_no_http_is_told_of() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        writer.close()

    server = await asyncio.start_server(speak, HERE, 0, ssl=AUTHORITY.serving(HOST))
    site = Site(server.sockets[0].getsockname()[1])
    error = await refusal(site.fetcher(), link(site.url()))
    server.close()
    assert error.code == "fetch_failed"
    closed = await refusal(site.fetcher(), link(site.url()))
    assert (closed.code, closed.retryable) == ("fetch_failed", True)


async def test_fetching_that_is_off_names_its_setting() -> None:
    with pytest.raises(LinkRefused) as refused:
        await NoFetching().bring(asking(link("https://pictures.example/a.png")), CARD)
    assert "FETCH_URLS" in refused.value.message


async def test_the_system_knows_this_machine() -> None:
    assert HERE in await SystemNames().addresses("localhost")
