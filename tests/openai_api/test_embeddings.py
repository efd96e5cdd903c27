"""``POST /v1/embeddings``: by OpenAI's client and bare, before the sandbox and before bytes of other families."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from door import PATIENT, QUICK, Door, door_before, sandbox_door, until
from jsonschema import Draft202012Validator
from published import EMBEDDINGS

from llm_gateway.backends.bedrock.client import BedrockBackend
from llm_gateway.backends.bedrock.timeouts import Timeouts
from llm_gateway.surfaces.door_limits import DoorLimits

TITAN, TITAN_1 = "amazon.titan-embed-text-v2:0", "amazon.titan-embed-text-v1"
COHERE, COHERE_4 = "cohere.embed-english-v3", "cohere.embed-v4:0"
NOVA = "amazon.nova-2-multimodal-embeddings-v1:0"
PATH = "/v1/embeddings"


async def embed(door: Door, model: str = TITAN, texts: Any = "Hello", **more: Any) -> Any:
    return await door.post({"model": model, "input": texts, **more}, path=PATH)


async def refused(door: Door, *given: Any, **more: Any) -> tuple[int, str, str | None]:
    response = await embed(door, *given, **more)
    error = (await response.json())["error"]
    return response.status, error["code"], error["param"]


async def test_openais_client_gets_its_vectors(door: Door) -> None:
    openai = pytest.importorskip("openai", reason="OpenAI's client is not installed; pip install openai to run this")
    async with openai.AsyncOpenAI(base_url=f"{door.url}/v1", api_key="any", max_retries=0) as client:
        packed = await client.embeddings.create(model=TITAN, input=["Hello", "World", "Hello"], dimensions=256)
        plain = await client.embeddings.create(model=TITAN, input="Hello", dimensions=256, encoding_format="float")
    assert [item.index for item in packed.data] == [0, 1, 2]
    assert [len(item.embedding) for item in packed.data] == [256] * 3
    assert packed.data[0].embedding == packed.data[2].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert packed.data[0].embedding != packed.data[1].embedding
    assert packed.usage.prompt_tokens == packed.usage.total_tokens > plain.usage.prompt_tokens


@pytest.mark.parametrize(("model", "size"), [(TITAN, 1024), (TITAN_1, 1536), (COHERE, 1024)])
async def test_an_answer_has_the_published_form_and_is_priced(door: Door, model: str, size: int) -> None:
    response = await embed(door, model, ["one", "two"], user="u")
    answer = await response.json()
    Draft202012Validator(EMBEDDINGS).validate(answer)
    assert [len(item["embedding"]) for item in answer["data"]] == [size, size]
    assert answer["model"] == model
    assert response.headers["x-llm-gateway-dropped-params"] == "user"
    is_estimated = answer.get("llm_gateway") == {"usage_estimated": True}
    assert is_estimated == (model == COHERE)  # it tells no tokens but in a header, which the sandbox leaves out
    attempts = door.notebook.attempts
    assert len(attempts) == (1 if model == COHERE else 2)
    assert sum([attempt.usage.input_tokens for attempt in attempts]) == answer["usage"]["prompt_tokens"]
    assert door.notebook.records[0].outcome == "ok"


async def test_many_texts_are_asked_in_as_few_calls_as_may_be(door: Door) -> None:
    texts = [f"text {number}" for number in range(200)]
    answer = await (await embed(door, COHERE, texts)).json()
    assert len(answer["data"]) == 200
    assert len(door.notebook.attempts) == 3
    one = await (await embed(door, COHERE, texts[150])).json()
    assert answer["data"][150]["embedding"] == one["data"][0]["embedding"]


PRICES = {"titan-embed-v2": 20, "titan-embed-v1": 100, COHERE: 100, "cohere-embed-multilingual-v3": 100}


@pytest.mark.parametrize(("model", "nano_a_token"), [*PRICES.items(), (COHERE_4, 120), (NOVA, 135)])
async def test_vectors_have_their_exact_price(door: Door, model: str, nano_a_token: int) -> None:
    told = await embed(door, model, "Hello " * 100)
    tokens = (await told.json())["usage"]["prompt_tokens"]
    assert tokens > 50
    assert Decimal(told.headers["x-llm-gateway-cost-usd"]) == Decimal(tokens * nano_a_token) / 10**9


async def test_a_price_that_is_not_known_is_not_told(door: Door) -> None:
    told = await embed(door, "titan-embed-image", "Hello", dimensions=384)
    answer = await told.json()
    assert len(answer["data"][0]["embedding"]) == 384
    assert "x-llm-gateway-cost-usd" not in told.headers


async def test_a_model_that_makes_vectors_is_listed_and_gives_no_text(door: Door) -> None:
    async with door.http.get(door.url + "/v1/models") as response:
        assert "cohere-embed-v4" in {model["id"] for model in (await response.json())["data"]}
    refused = await door.ask(model="cohere-embed-v4")
    assert (refused.status, (await refused.json())["error"]["param"]) == (400, "model")
    assert "/v1/embeddings" in (await refused.json())["error"]["message"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "model"),
        ({"model": TITAN}, "input"),
        ({"model": TITAN, "input": ""}, "input"),
        ({"model": TITAN, "input": []}, "input"),
        ({"model": TITAN, "input": {"a": 1}}, "input"),
        ({"model": TITAN, "input": ["a", " "]}, "input[1]"),
        ({"model": TITAN, "input": ["a", 5]}, "input[1]"),
        ({"model": TITAN, "input": [1, 2]}, "input"),
        ({"model": TITAN, "input": [[1, 2]]}, "input"),
        ({"model": TITAN, "input": ["a"] * 2049}, "input"),
        ({"model": TITAN, "input": "a", "dimensions": 0}, "dimensions"),
        ({"model": TITAN, "input": "a", "dimensions": 300}, "dimensions"),
        ({"model": COHERE, "input": "a", "dimensions": 256}, "dimensions"),
        ({"model": TITAN, "input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"model": TITAN, "input": "a", "input_type": "song"}, "input_type"),
        ({"model": "nova-pro", "input": "a"}, "model"),
        ({"model": "amazon.titan-image-generator-v2:0", "input": "a"}, "model"),
        ({"model": "titan-embed-image", "input": "a", "dimensions": 512}, "dimensions"),
    ],
)
async def test_a_bad_request_is_refused_by_its_field(door: Door, body: dict[str, Any], field: str) -> None:
    response = await door.post(body, path=PATH)
    assert (response.status, (await response.json())["error"]["param"]) == (400, field)
    assert door.notebook.records[0].outcome in ("invalid_request", "unsupported_feature")


async def test_strict_parameters_are_refused_here_too() -> None:
    async with sandbox_door(DoorLimits(strict_params=True)) as door:
        assert await refused(door, user="u") == (400, "invalid_request", "user")


async def test_an_unknown_model_is_not_found(door: Door) -> None:
    assert await refused(door, "titan-embedding") == (404, "model_not_found", "model")


# --- a Bedrock of one answer ------------------------------------------------------------------------------------------

Answer = Callable[[Any, int], web.Response]


class OneAnswer:
    """Answers every call by a function of its body and of how many came before; keeps the bodies."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.bodies: list[Any] = []
        self.hold: asyncio.Event | None = None
        self.asked = asyncio.Event()

    async def serve(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        self.asked.set()
        if self.hold is not None:
            await self.hold.wait()
        return self._answer(self.bodies[-1], len(self.bodies))


@pytest.fixture
async def before() -> AsyncIterator[Callable[[OneAnswer], Any]]:
    runners: list[web.AppRunner] = []

    async def listen(bedrock: OneAnswer, timeouts: Timeouts = PATIENT) -> BedrockBackend:
        app = web.Application()
        app.router.add_post("/{rest:.*}", bedrock.serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return BedrockBackend(
            region="us-east-1", access_key_id="A", secret_access_key="s", endpoint_url=url, timeouts=timeouts
        )

    yield listen
    for runner in runners:
        await runner.cleanup()


def _json(body: Any, status: int = 200, **headers: str) -> web.Response:
    return web.json_response(body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})


async def test_nova_and_cohere_4_are_asked_in_their_own_words(before: Any) -> None:
    counted = {"x_amzn_bedrock_input_token_count": "7"}

    def answer(body: Any, _: int) -> web.Response:
        if "taskType" in body:
            return _json({"embeddings": [{"embeddingType": "TEXT", "embedding": [0.5, 1]}]}, **counted)
        return _json({"embeddings": {"float": [[0.25]] * len(body["texts"])}}, **counted)

    bedrock = OneAnswer(answer)
    backend = await before(bedrock)
    async with door_before(backend, embedder=backend) as door:
        nova = await (await embed(door, NOVA, "a", dimensions=256, input_type="search_query")).json()
        cohere = await (await embed(door, COHERE_4, ["a", "b"], dimensions=512)).json()
    assert nova["data"][0]["embedding"] == [0.5, 1]
    assert nova["usage"] == cohere["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    assert len(cohere["data"]) == 2
    parameters = bedrock.bodies[0]["singleEmbeddingParams"]
    assert (parameters["embeddingPurpose"], parameters["embeddingDimension"]) == ("GENERIC_RETRIEVAL", 256)
    assert parameters["text"]["value"] == "a"
    asked = bedrock.bodies[1]
    assert (asked["texts"], asked["output_dimension"], asked["input_type"]) == (["a", "b"], 512, "search_document")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"embedding": []}', b'{"embedding": ["a"]}', b'{"embedding": 5}', b"<html>"],
)
async def test_an_answer_without_vectors_is_an_error_that_may_be_paid(before: Any, body: bytes) -> None:
    backend = await before(OneAnswer(lambda *_: web.Response(body=body, content_type="application/json")))
    async with door_before(backend, embedder=backend) as door:
        response = await embed(door)
        assert (response.status, (await response.json())["error"]["code"]) == (502, "upstream_protocol_error")
        assert response.headers["x-should-retry"] == "false"
        assert [attempt.outcome for attempt in door.notebook.attempts] == ["upstream_protocol_error"]


async def test_expired_credentials_are_refreshed_once_and_then_refused(before: Any) -> None:
    def expired(_: Any, __: int) -> web.Response:
        return _json({"message": "The security token included in the request is expired"}, 403,
                     x_amzn_errortype="ExpiredTokenException")  # fmt: skip

    bedrock = OneAnswer(expired)
    backend = await before(bedrock)
    async with door_before(backend, embedder=backend) as door:
        assert await refused(door) == (502, "upstream_auth_error", None)
        assert 1 <= len(bedrock.bodies) <= 2


async def test_one_failure_ends_the_other_calls_and_what_was_paid_is_accounted(before: Any) -> None:
    def answer(_: Any, number: int) -> web.Response:
        if number == 3:
            return _json({"message": "Too many"}, 429, x_amzn_errortype="ThrottlingException")
        return _json({"embedding": [1.0], "inputTextTokenCount": 5})

    backend = await before(OneAnswer(answer))
    async with door_before(backend, embedder=backend) as door:
        assert await refused(door, TITAN, ["a"] * 40) == (429, "upstream_throttled", None)
        paid = [attempt for attempt in door.notebook.attempts if attempt.outcome == "ok"]
        assert 2 <= len(paid) < 40
        assert door.notebook.records[0].outcome == "upstream_throttled"


async def test_a_client_that_leaves_ends_its_calls(before: Any) -> None:
    bedrock = OneAnswer(lambda *_: _json({"embedding": [1.0]}))
    bedrock.hold = asyncio.Event()
    backend = await before(bedrock)
    async with door_before(backend, embedder=backend) as door:
        asking = asyncio.ensure_future(embed(door))
        await asyncio.wait_for(bedrock.asked.wait(), 2)
        asking.cancel()
        await until(lambda: bool(door.notebook.records))
        assert [attempt.outcome for attempt in door.notebook.attempts] == ["client_disconnect"]
        bedrock.hold.set()


async def test_a_silent_bedrock_is_not_waited_for(before: Any) -> None:
    bedrock = OneAnswer(lambda *_: _json({"embedding": [1.0]}))
    bedrock.hold = asyncio.Event()
    backend = await before(bedrock, QUICK)
    async with door_before(backend, embedder=backend) as door:
        assert await refused(door) == (504, "upstream_timeout", None)
        assert door.notebook.attempts[0].usage.estimated
        bedrock.hold.set()


async def test_nobody_there_is_unavailable() -> None:
    backend = BedrockBackend(
        region="us-east-1",
        access_key_id="A",
        secret_access_key="s",
        endpoint_url="http://127.0.0.1:9",
        timeouts=PATIENT,
    )
    async with door_before(backend, embedder=backend) as door:
        assert await refused(door) == (503, "upstream_connection_error", None)
        assert not door.notebook.attempts
        assert json.dumps([record.outcome for record in door.notebook.records]) == '["upstream_connection_error"]'


async def test_an_answer_cut_in_its_body_may_be_paid() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"embedding": [')
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    backend = BedrockBackend(
        region="us-east-1", access_key_id="A", secret_access_key="s", endpoint_url=url, timeouts=PATIENT
    )
    async with server, door_before(backend, embedder=backend) as door:
        assert await refused(door) == (502, "upstream_protocol_error", None)
        assert door.notebook.attempts[0].usage.estimated


async def test_without_credentials_nothing_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    backend = BedrockBackend(region="us-east-1", endpoint_url="http://127.0.0.1:9", timeouts=PATIENT)
    async with door_before(backend, embedder=backend) as door:
        assert await refused(door) == (502, "upstream_auth_error", None)
        assert not door.notebook.attempts
