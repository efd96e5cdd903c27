"""Every fault of the sandbox by every door, whole and streamed: code, status, headers, end, ledger are the table's."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from fault_matrix import MATRIX, WAYS, Heard, Way, complaints, read_answer, request_for

from llm_gateway.sandbox.faults import FAULTS
from llm_gateway.sandbox.server import Sandbox
from money.kept import Kept
from processes import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
_LET_BE = "defaults: {allowed_fails: 1000, retry_share: 2}"  # one fault shall not answer for the next
_WAITS = {"CONNECT": "5", "FIRST_EVENT": "1.5", "IDLE": "1.5", "TOTAL": "6"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    kept = Kept(tmp_path_factory.mktemp("matrix"))
    limits = {f"BEDROCK_{wait}_TIMEOUT": limit for wait, limit in _WAITS.items()}
    (kept.home / "gateway.yaml").write_text(_LET_BE)
    limits["GATEWAY_FILE"] = str(kept.home / "gateway.yaml")
    async with kept.gateway(sandbox, **limits) as (running, http):
        yield kept, running.url, http


async def ask(http: aiohttp.ClientSession, url: str, fault: str, way: Way) -> Heard:
    path, body, headers = request_for(fault, way)
    async with asyncio.timeout(60), http.post(url + path, json=body, headers=headers) as answer:
        text = await answer.text()
        return read_answer(way, answer.status, {name.lower(): told for name, told in answer.headers.items()}, text)


async def test_every_fault_of_the_sandbox_is_in_the_table() -> None:
    assert MATRIX.keys() == FAULTS.keys()


@pytest.mark.parametrize("fault", MATRIX)
async def test_a_fault_is_what_the_table_says_by_every_door(fault: str, house: Any, sandbox: Sandbox) -> None:
    kept, url, http = house
    before = len(sandbox.log)
    answers = await asyncio.gather(*[ask(http, url, fault, way) for way in WAYS])
    wrong: dict[str, list[str]] = {}
    for (door, stream), heard in zip(WAYS, answers, strict=True):
        booked = await kept.ask(
            "SELECT outcome, estimated, cost_nano_usd, input_tokens, output_tokens "
            f"FROM ledger WHERE request_id = '{heard.request_id}'"
        )
        found = complaints(MATRIX[fault], (door, stream), heard, booked)
        if found:
            wrong[f"{door}, {'stream' if stream else 'whole'}"] = found
    assert not wrong
    assert len(sandbox.log) - before == sum([MATRIX[fault].calls(stream) for _, stream in WAYS])
    await until(lambda: sandbox.open_now == 0, 20)
