"""Events reach their webhook signed, once each, after failures too, and never an address inside."""

import asyncio
import base64
import hashlib
import hmac
import socket
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from structlog.testing import capture_logs

from llm_gateway.alerting.webhook import Webhook, key_of

FACTS = {"scope": "key", "scope_id": "bar", "percent": 80}


class Ear:
    """A server that hears webhooks; the first ``fails`` posts are refused."""

    def __init__(self) -> None:
        self.fails = 0
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.url = ""
        self._hears = asyncio.Condition()

    async def hear(self, request: web.Request) -> web.Response:
        self.heard.append((dict(request.headers), await request.read()))
        async with self._hears:
            self._hears.notify_all()
        return web.Response(status=503 if len(self.heard) <= self.fails else 204)

    async def until_heard(self, number: int) -> None:
        async with asyncio.timeout(20), self._hears:
            await self._hears.wait_for(lambda: len(self.heard) >= number)


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    ear = Ear()
    app = web.Application()
    app.router.add_post("/hook", ear.hear)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    ear.url = f"http://{host}:{port}/hook"
    yield ear
    await runner.cleanup()


async def test_an_event_is_told_signed(ear: Ear) -> None:
    secret = "whsec_" + base64.b64encode(b"a key of twenty-four byt").decode()
    webhook = Webhook(ear.url, secret=secret, private=True)
    webhook.send("budget.alert", FACTS)
    await ear.until_heard(1)
    await webhook.aclose()
    headers, body = ear.heard[0]
    told = orjson.loads(body)
    assert (told["type"], told["data"]) == ("budget.alert", FACTS)
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(b"a key of twenty-four byt", signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


async def test_what_was_refused_is_told_again_under_the_same_name(ear: Ear) -> None:
    ear.fails = 2
    webhook = Webhook(ear.url, secret="s", private=True, pauses_s=(0.01, 0.01, 0.01))
    webhook.send("budget.alert", FACTS)
    await ear.until_heard(3)
    await webhook.aclose()
    assert len({headers["webhook-id"] for headers, _ in ear.heard}) == 1
    assert len(ear.heard) == 3


async def test_what_is_never_taken_is_in_the_log(ear: Ear) -> None:
    ear.fails = 99
    webhook = Webhook(ear.url, private=True, pauses_s=(0.01,))
    with capture_logs() as logged:
        webhook.send("budget.alert", FACTS)
        await ear.until_heard(2)
        await webhook.aclose()
    assert [(entry["event"], entry["reason"]) for entry in logged] == [
        ("webhook_failed", "it answered with status 503")
    ]


class Names(AbstractResolver):
    """Every name leads to one address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=self._address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("by_name", [True, False])
async def test_an_address_inside_is_not_told_unless_that_is_wanted(by_name: bool, ear: Ear) -> None:
    url = ear.url.replace("127.0.0.1", "hook.example") if by_name else ear.url
    webhook = Webhook(url, resolver=Names("127.0.0.1"), pauses_s=())
    with capture_logs() as logged:
        webhook.send("budget.alert", FACTS)
        await webhook.aclose()
    assert ear.heard == []
    assert "ALERT_WEBHOOK_PRIVATE" in logged[0]["reason"]


async def test_the_end_of_the_process_does_not_wait_for_a_deaf_ear(ear: Ear) -> None:
    ear.fails = 99
    webhook = Webhook(ear.url, private=True, pauses_s=(600,))
    webhook.send("budget.alert", FACTS)
    await ear.until_heard(1)
    async with asyncio.timeout(15):
        await webhook.aclose()
    assert len(ear.heard) == 2


def test_a_secret_is_base64_or_a_text() -> None:
    assert key_of("whsec_YWJj") == b"abc"
    assert key_of("plain words") == b"plain words"
