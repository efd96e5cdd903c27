"""Every recorded Converse exchange, asked through every door and answered by its own recording: what comes out is what
Bedrock said, and the ledger holds what the facts' price table makes of it, to the nano-dollar.

An exchange that a door has no words for is asked in plain words instead: its answer is the recorded one all the same.
"""

import asyncio
import io
import json
import socket
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn
from aiohttp import web
from fastmcp import Client

from converse_words import Json, NotInTheseWords, Said, chat_body, mcp_arguments, messages_body, recorded_answer
from facts_prices import FACTS, PriceTable
from llm_gateway.app import create_app
from llm_gateway.sandbox.asked import Asked, read_path
from llm_gateway.sandbox.plays import Send
from llm_gateway.sandbox.replay import Recording, load, play_again, read_exchange
from llm_gateway.settings import Settings

REGION = "us-east-1"
CHAT_FINISHES = {"stop": "stop", "length": "length", "tool_use": "tool_calls", "content_filter": "content_filter"}
FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_use",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
ANTHROPIC_FINISHES = {"guardrail_intervened": "refusal", "content_filtered": "refusal"}


@dataclass
class Upstream:
    """Answers every request with one recording, whatever was asked."""

    recording: Recording | None = None
    asked: list[Json] = field(default_factory=list[Json])

    async def answer(self, request: web.Request) -> web.Response:
        path = read_path(request.raw_path)
        assert path is not None
        assert self.recording is not None
        self.asked.append(json.loads(await request.read()))
        play = play_again(self.recording, path[0])
        body = b"".join([step.data for step in play.steps if isinstance(step, Send)])
        return web.Response(status=play.status, headers=play.headers, body=body)


class _Quiet(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@dataclass
class Stage:
    """A gateway before the upstream, and clients for its doors."""

    upstream: Upstream
    mcp: Client[Any]
    http: aiohttp.ClientSession
    url: str
    ledger: Path

    def booked(self, request_id: str) -> list[sqlite3.Row]:
        with sqlite3.connect(self.ledger) as database:
            database.row_factory = sqlite3.Row
            return database.execute("SELECT * FROM ledger WHERE request_id = ?", (request_id,)).fetchall()


@asynccontextmanager
async def open_stage(home: Path) -> AsyncGenerator[Stage]:
    upstream = Upstream()
    behind = web.Application(client_max_size=2**27)
    behind.router.add_route("*", "/{rest:.*}", upstream.answer)
    runner = web.AppRunner(behind, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    given: dict[str, Any] = {
        "aws_endpoint_url_bedrock_runtime": f"http://127.0.0.1:{runner.addresses[0][1]}",
        "aws_access_key_id": "any",
        "aws_secret_access_key": "any",
        "aws_region": REGION,
        "cache_enabled": False,
        "llm_gateway_home": home,
        "max_body_bytes": 2**27,
    }
    app = create_app(Settings(_env_file=None, **given))  # type: ignore[call-arg]
    bound = socket.create_server(("127.0.0.1", 0))
    server = _Quiet(uvicorn.Config(app.http_site("127.0.0.1"), log_config=None, access_log=False))
    serving = asyncio.ensure_future(server.serve(sockets=[bound]))
    try:
        async with Client(app.mcp_server()) as mcp, aiohttp.ClientSession() as http:
            url = f"http://127.0.0.1:{bound.getsockname()[1]}"
            async with http.get(url + "/health"):
                yield Stage(upstream, mcp, http, url, home / "ledger.db")
    finally:
        server.should_exit = True
        await serving
        await runner.cleanup()


@dataclass
class Heard:
    """What a door gave: an answer, or the status and code of a failure."""

    request_id: str
    said: Said | None = None
    cost_usd: float | None = None
    failure: tuple[int, str] | None = None


# --- the doors --------------------------------------------------------------------------------------------------------


async def by_mcp(stage: Stage, arguments: Json) -> Heard:
    result = await stage.mcp.call_tool("generate", arguments, raise_on_error=False)
    told: Any = result.structured_content
    if result.is_error:
        return Heard(told["error"]["request_id"], failure=(0, told["error"]["code"]))
    calls = [(call["id"], call["name"], call["input"]) for call in told.get("tool_calls", ())]
    thoughts = [
        (thought.get("text") or thought.get("redacted") or "", thought.get("signature"))
        for thought in told.get("reasoning", ())
    ]
    usage = told["usage"]
    tokens = tuple(usage.get(f"{name}_tokens", 0) for name in ("input", "output", "cache_read", "cache_write"))
    said = Said(told["content"], calls, thoughts, told["finish_reason"], tokens)
    return Heard(told["request_id"], said, told["estimated_cost_usd"])


async def by_chat(stage: Stage, body: Json) -> Heard:
    async with stage.http.post(stage.url + "/v1/chat/completions", **sent(body)) as response:
        request_id, answer = response.headers["x-request-id"], json.loads(await response.read())
        if response.status != 200:
            return Heard(request_id, failure=(response.status, answer["error"]["code"]))
        cost = response.headers.get("x-llm-gateway-cost-usd")
    (choice,) = answer["choices"]
    return Heard(request_id, _chat_said(choice["message"], choice["finish_reason"], answer["usage"]), _number(cost))


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _chat_said(message: Json, finish: str, usage: Json) -> Said:
    calls = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls", ())
    ]
    thoughts = [
        (detail.get("text") or detail.get("data") or "", detail.get("signature"))
        for detail in message.get("reasoning_details", ())
    ]
    details = usage["prompt_tokens_details"]
    read, written = details["cached_tokens"], details.get("cache_write_tokens", 0)
    tokens = (usage["prompt_tokens"] - read - written, usage["completion_tokens"], read, written)
    return Said(message["content"] or "", calls, thoughts, finish, tokens)


def sent(body: Json) -> Json:
    return {"data": io.BytesIO(json.dumps(body).encode()), "headers": {"content-type": "application/json"}}


async def events_of(response: aiohttp.ClientResponse) -> list[str]:
    lines = (await response.read()).decode().split("\n")
    return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]


async def by_chat_stream(stage: Stage, body: Json) -> Heard:
    asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
    async with stage.http.post(stage.url + "/v1/chat/completions", **sent(asked)) as response:
        request_id = response.headers["x-request-id"]
        if response.status != 200:
            failed = json.loads(await response.read())["error"]["code"]
            return Heard(request_id, failure=(response.status, failed))
        events = await events_of(response)
    chunks = [json.loads(event) for event in events if event != "[DONE]"]
    if "error" in chunks[-1]:
        assert "[DONE]" not in events
        return Heard(request_id, failure=(200, chunks[-1]["error"]["code"]))
    assert events[-1] == "[DONE]"
    message: Json = {"content": "", "tool_calls": [], "reasoning_details": []}
    (finish,) = [
        chunk["choices"][0]["finish_reason"]
        for chunk in chunks
        if chunk["choices"] and chunk["choices"][0]["finish_reason"] is not None
    ]
    for chunk in chunks[:-1]:
        delta = chunk["choices"][0]["delta"]
        message["content"] += delta.get("content") or ""
        for part in delta.get("tool_calls", ()):
            if "id" in part:
                assert part["index"] == len(message["tool_calls"])
                message["tool_calls"].append(part)
            else:
                call = message["tool_calls"][part["index"]]["function"]
                call["arguments"] += part["function"]["arguments"]
        for part in delta.get("reasoning_details", ()):
            if part["index"] == len(message["reasoning_details"]):
                message["reasoning_details"].append({})
            kept = message["reasoning_details"][part["index"]]
            for name in ("text", "signature", "data"):
                if name in part:
                    kept[name] = kept.get(name, "") + part[name]
    last = chunks[-1]
    return Heard(request_id, _chat_said(message, finish, last["usage"]), last["llm_gateway"]["cost_usd"])


async def by_messages(stage: Stage, body: Json) -> Heard:
    async with stage.http.post(stage.url + "/v1/messages", **sent(body)) as response:
        request_id, answer = response.headers["request-id"], json.loads(await response.read())
        if response.status != 200:
            return Heard(request_id, failure=(response.status, answer["error"]["code"]))
        cost = response.headers.get("x-llm-gateway-cost-usd")
    return Heard(request_id, _messages_said(answer["content"], answer["stop_reason"], answer["usage"]), _number(cost))


def _messages_said(blocks: list[Json], finish: str, usage: Json) -> Said:
    said = Said(finish=finish)
    for block in blocks:
        if block["type"] == "text":
            said.text += block["text"]
        elif block["type"] == "tool_use":
            said.calls.append((block["id"], block["name"], block["input"]))
        else:
            text = block.get("thinking") or block.get("data") or ""
            said.thoughts.append((text, block.get("signature") or None))
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    said.tokens = tuple(usage[name] for name in names)
    return said


async def by_messages_stream(stage: Stage, body: Json) -> Heard:
    async with stage.http.post(stage.url + "/v1/messages", **sent({**body, "stream": True})) as response:
        request_id = response.headers["request-id"]
        if response.status != 200:
            failed = json.loads(await response.read())["error"]["code"]
            return Heard(request_id, failure=(response.status, failed))
        events = [json.loads(event) for event in await events_of(response)]
    if events[-1]["type"] == "error":
        return Heard(request_id, failure=(200, events[-1]["error"]["code"]))
    assert events[-1] == {"type": "message_stop"}
    blocks: list[Json] = []
    ending: Json = {}
    for event in events:
        if event["type"] == "content_block_start":
            assert event["index"] == len(blocks)
            blocks.append({**event["content_block"], "json": ""})
        elif event["type"] == "content_block_delta":
            _add(blocks[event["index"]], event["delta"])
        elif event["type"] == "message_delta":
            ending = event
    for block in blocks:
        if block["type"] == "tool_use":
            block["input"] = json.loads(block["json"]) if block["json"] else {}
    return Heard(request_id, _messages_said(blocks, ending["delta"]["stop_reason"], ending["usage"]))


def _add(block: Json, delta: Json) -> None:
    for kind, name, into in (
        ("text_delta", "text", "text"),
        ("thinking_delta", "thinking", "thinking"),
        ("signature_delta", "signature", "signature"),
        ("input_json_delta", "partial_json", "json"),
    ):
        if delta["type"] == kind:
            block[into] += delta[name]


# --- the comparison ---------------------------------------------------------------------------------------------------

Door = tuple[Callable[[str, Json], Json], Callable[[Stage, Json], Any], Callable[[str], str]]
DOORS: dict[str, Door] = {
    "MCP": (mcp_arguments, by_mcp, lambda stop: FINISHES[stop]),
    "chat": (chat_body, by_chat, lambda stop: CHAT_FINISHES[FINISHES[stop]]),
    "chat as a stream": (chat_body, by_chat_stream, lambda stop: CHAT_FINISHES[FINISHES[stop]]),
    "messages": (messages_body, by_messages, lambda stop: ANTHROPIC_FINISHES.get(stop, stop)),
    "messages as a stream": (messages_body, by_messages_stream, lambda stop: ANTHROPIC_FINISHES.get(stop, stop)),
}


def exchanges(traffic: Path, *kinds: str) -> Iterator[tuple[str, Json, Recording]]:
    for entry in json.loads((traffic / "index.json").read_text()):
        if entry["kind"] in kinds:
            file = traffic / "exchanges" / f"{entry['id']}.json"
            read = read_exchange(file)
            assert read is not None
            yield entry["id"], json.loads(file.read_text()), read[2]


def in_plain_words(body: Any) -> Json:
    """A request of one turn in the place of one that a door has no words for; the tools stay."""
    plain: Json = {"messages": [{"role": "user", "content": [{"text": "Go on."}]}]}
    config = body.get("toolConfig") if isinstance(body, dict) else None
    return plain | ({"toolConfig": config} if config else {})


async def heard_through(stage: Stage, door: Door, exchange: Json) -> tuple[Heard, str | None]:
    """What came, and why it was asked in plain words."""
    words, ask, _ = door
    model, body = exchange["model_id"], exchange["request"]["body"]
    why: str | None = "the recorder kept no JSON of the request"
    if isinstance(body, dict):
        try:
            heard = await ask(stage, words(model, body))
        except NotInTheseWords as missing:
            why = str(missing)
        else:
            if stage.upstream.asked:
                return heard, None
            why = f"refused before Bedrock was asked: {heard.failure}"
    return await ask(stage, words(model, in_plain_words(body))), why


def sought(exchange: Json, body: Json) -> Asked:
    """What the gateway sent, as the sandbox gets it when it plays recordings."""
    return Asked("ConverseStream", exchange["model_id"], body)


def merged(turns: list[Json]) -> list[Json]:
    """Turns of one speaker in a row as the one turn that Bedrock wants."""
    found: list[Json] = []
    for turn in turns:
        if found and found[-1]["role"] == turn["role"]:
            found[-1]["content"] += turn["content"]
        else:
            found.append({"role": turn["role"], "content": [*turn["content"]]})
    return found


def unfaithful(exchange: Json, asked: Json) -> Iterator[str]:
    """What of a conversation did not reach Bedrock as it was asked. Only MCP has all of Converse's words."""
    body = exchange["request"]["body"]
    for name, told, sent in (
        ("messages", merged(body["messages"]), asked["messages"]),
        ("toolConfig", body.get("toolConfig"), asked.get("toolConfig")),
    ):
        if told != sent:
            yield f"{name} was sent as {json.dumps(sent):.300} for {json.dumps(told):.300}"


def differences(exchange: Json, heard: Heard, door: Door, rows: list[sqlite3.Row], prices: PriceTable) -> Iterator[str]:
    """What came out otherwise than it was recorded, and what is booked otherwise than the facts' table says."""
    told = recorded_answer(exchange["response"])
    if told is None:
        if heard.failure is None or heard.failure[1] == "internal_error":
            yield f"a failure came out as {heard}"
    elif heard.said is None:
        yield f"an answer came out as {heard.failure}"
    elif len(rows) != 1:
        yield f"{len(rows)} rows in the ledger"
    else:
        yield from misheard(told, heard.said, door[2](told.finish))
        yield from misbooked(told, heard, rows[0], prices)


def misheard(told: Said, said: Said, finish: str) -> Iterator[str]:
    for name in ("text", "calls", "thoughts"):
        if getattr(said, name) != getattr(told, name):
            yield f"{name}: {getattr(said, name)!r:.300} for {getattr(told, name)!r:.300}"
    if said.finish != finish:
        yield f"finish: {said.finish} for {told.finish}"
    if told.tokens is not None and said.tokens != (*told.tokens[:3], told.tokens[3] + told.tokens[4]):
        yield f"tokens: {said.tokens} for {told.tokens}"


def misbooked(told: Said, heard: Heard, row: sqlite3.Row, prices: PriceTable) -> Iterator[str]:
    names = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
    booked = tuple(row[f"{name}_tokens"] for name in names)
    if told.tokens is not None and booked != told.tokens:
        yield f"tokens: {booked} booked for {told.tokens}"
    if bool(row["estimated"]) != (told.tokens is None):
        yield "tokens that nobody told are not marked as estimated, or told ones are"
    cost = prices.nano_usd(row["model_id"], booked, told.tier, REGION)
    if row["cost_nano_usd"] != cost and not (cost is None and "genai" in (row["price_source"] or "")):
        yield f"cost: {row['cost_nano_usd']} booked by {row['price_source']}, {cost} by the facts"
    if heard.cost_usd is not None and round(heard.cost_usd * 10**9) != row["cost_nano_usd"]:
        yield f"cost: {heard.cost_usd} said, {row['cost_nano_usd']} booked"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", DOORS)
async def test_every_exchange_comes_out_as_it_was_recorded(name: str, traffic: Path, tmp_path: Path) -> None:
    if not FACTS.is_file():
        pytest.skip(f"no price table at {FACTS}")
    prices, door, library = PriceTable(), DOORS[name], load(traffic / "exchanges")
    wrong: dict[str, list[str]] = {}
    plain: dict[str, str] = {}
    count = 0
    async with open_stage(tmp_path) as stage:
        for exchange_id, exchange, recording in exchanges(traffic, "converse", "converse-stream"):
            stage.upstream.recording = recording
            stage.upstream.asked.clear()
            heard, why = await heard_through(stage, door, exchange)
            if why is not None:
                plain[exchange_id] = why
            found = list(differences(exchange, heard, door, stage.booked(heard.request_id), prices))
            if why is None and library.play(sought(exchange, stage.upstream.asked[-1])).status == 404:
                found.append("the sandbox finds no recording of what was sent")
            if name == "MCP" and why is None:
                found += unfaithful(exchange, stage.upstream.asked[-1])
            if why is not None and why.startswith("refused") and exchange["response"]["status"] == 200:
                found += [] if "edited" in exchange["provenance"] else [why]
            wrong |= {exchange_id: found} if found else {}
            count += 1
    print(f"{count} exchanges through {name}, {len(plain)} of them in plain words: {plain}")  # noqa: T201 - told
    assert wrong == {}, f"{len(wrong)} of {count}: {json.dumps(wrong, indent=1)}"
    assert len(plain) <= count // 5, plain


async def test_every_recorded_vector_comes_out_and_is_booked(traffic: Path, tmp_path: Path) -> None:
    count = 0
    async with open_stage(tmp_path) as stage:
        for exchange_id, exchange, recording in exchanges(traffic, "invoke"):
            if "embed" not in exchange["model_id"]:
                continue
            asked, told = exchange["request"]["body"], exchange["response"]
            texts = asked.get("texts") or [asked["inputText"]]
            body = told["body"]
            items = body.get("data") or body.get("embeddings") or [body["embedding"]]
            vectors = [item["embedding"] if isinstance(item, dict) else item for item in items]
            stage.upstream.recording = recording
            given = {"model": exchange["model_id"], "input": texts, "encoding_format": "float"}
            async with stage.http.post(stage.url + "/v1/embeddings", **sent(given)) as response:
                answer, request_id = json.loads(await response.read()), response.headers["x-request-id"]
            assert [item["embedding"] for item in answer["data"]] == vectors, exchange_id
            tokens = int(told["headers"]["x-amzn-bedrock-input-token-count"])
            (row,) = stage.booked(request_id)
            assert (answer["usage"]["prompt_tokens"], row["input_tokens"]) == (tokens, tokens), exchange_id
            assert row["cost_nano_usd"] == tokens * 100, exchange_id  # Titan 1 and Cohere 3 cost the same
            count += 1
    assert count > 0


async def test_every_recorded_count_of_tokens_is_told(traffic: Path, tmp_path: Path) -> None:
    """A gateway each: it remembers which models have no count."""
    count = 0
    for exchange_id, exchange, recording in exchanges(traffic, "count-tokens"):
        body, told = exchange["request"]["body"]["input"].get("converse"), exchange["response"]
        arguments = mcp_arguments(exchange["model_id"], body or in_plain_words(body))
        async with open_stage(tmp_path / str(count)) as stage:
            stage.upstream.recording = recording
            result = await stage.mcp.call_tool("count_tokens", arguments, raise_on_error=False)
        answer = result.structured_content
        assert answer is not None
        if told["status"] == 200:
            tokens = told["body"]["inputTokens"]
            assert (answer["input_tokens"], answer["estimated"]) == (tokens, False), exchange_id
        else:
            assert result.is_error or answer["estimated"], exchange_id
        count += 1
    assert count > 0
