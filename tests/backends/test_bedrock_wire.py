"""Servers that send exactly these bytes: what is mended, what is repeated, what is never repeated."""

import asyncio
import json
import socket
from collections.abc import Callable
from email.utils import formatdate

import bedrock_bytes as told
import pytest
from bedrock_bytes import RawServer
from bedrock_words import FULL, NOVA, ask, assistant, card, hear

from llm_gateway.backends.bedrock.client import BedrockBackend, Timeouts
from llm_gateway.backends.bedrock.profiles import profile_for
from llm_gateway.domain.completions import TextDelta
from llm_gateway.domain.errors import (
    BackendGarbled,
    BackendRefused,
    BackendTimeout,
    BackendUnavailable,
    InvalidRequest,
    UnknownModel,
)
from llm_gateway.domain.requests import ToolSpec

ON_DEMAND = (
    "Invocation of model ID x with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an "
    "inference profile that contains this model."
)
MakeBackend = Callable[..., BedrockBackend]


async def test_the_request_is_what_bedrock_expects(raw_server: RawServer, backend_at: MakeBackend) -> None:
    raw_server.scripts = [told.says(told.stream())]
    heard = await hear(backend_at(raw_server.url), ask("Hi", model="us.amazon.nova-pro-v1:0"))
    assert heard.text == "Hello"
    (line, headers, body) = raw_server.requests[0]
    assert line == b"POST /model/us.amazon.nova-pro-v1%3A0/converse-stream HTTP/1.1"
    assert headers["content-type"] == "application/json"
    assert headers["accept-encoding"] == "identity"
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "cookie" not in headers
    assert json.loads(body)["inferenceConfig"] == {"maxTokens": 2000, "temperature": 0.7}


async def test_an_arn_goes_into_the_path_as_one_piece(raw_server: RawServer, backend_at: MakeBackend) -> None:
    raw_server.scripts = [told.says(told.stream())]
    arn = "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-pro-v1:0"
    backend = backend_at(raw_server.url + "/some/prefix/")
    assert (await hear(backend, ask(model=arn))).text == "Hello"
    assert raw_server.requests[0][0].startswith(
        b"POST /some/prefix/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A111122223333%3Ainference-profile%2Fus.amazon"
    )


async def test_connections_are_used_again(raw_server: RawServer, backend_at: MakeBackend) -> None:
    raw_server.scripts = [told.chunks(told.STREAM)]
    backend = backend_at(raw_server.url)
    for _ in range(3):
        assert (await hear(backend, ask())).text == "Hello"
    assert raw_server.connections == 1


async def test_a_stale_connection_is_tried_once_more(raw_server: RawServer, backend_at: MakeBackend) -> None:
    raw_server.scripts = [told.says(told.stream()), told.says_and_hangs_up(b""), told.says(told.stream())]
    backend = backend_at(raw_server.url)
    assert (await hear(backend, ask())).text == "Hello"
    assert (await hear(backend, ask())).text == "Hello"
    assert len(raw_server.requests) == 3


async def test_a_fresh_connection_that_breaks_is_not_tried_again(
    raw_server: RawServer, backend_at: MakeBackend
) -> None:
    raw_server.scripts = [told.says_and_hangs_up(b"")]
    heard = await hear(backend_at(raw_server.url), ask())
    assert isinstance(heard.error, BackendUnavailable)
    assert heard.error.code == "upstream_connection_error"
    assert heard.error.spent is None
    assert len(raw_server.requests) == 1


async def test_nobody_listening_is_an_error_at_once(backend_at: MakeBackend) -> None:
    heard = await hear(backend_at("http://127.0.0.1:9"), ask())
    assert isinstance(heard.error, BackendUnavailable)
    assert heard.error.code == "upstream_connection_error"


async def test_the_content_type_decides_how_an_answer_is_read(raw_server: RawServer, backend_at: MakeBackend) -> None:
    backend = backend_at(raw_server.url)
    raw_server.scripts = [told.says(told.http(told.whole()))]
    heard = await hear(backend, ask())
    assert heard.text == "Hello"
    assert heard.deltas == [TextDelta(0, "Hello")]
    raw_server.scripts = [told.says(told.stream())]
    heard = await hear(backend, ask(card=card("system")))
    assert heard.text == "Hello"
    assert [line.split()[1].rpartition(b"/")[2] for line, _, _ in raw_server.requests] == [
        b"converse-stream",
        b"converse",
    ]


async def test_a_server_that_keeps_the_connection_open_does_not_hold_up_the_answer(
    raw_server: RawServer, backend_at: MakeBackend
) -> None:
    raw_server.scripts = [told.chunks(told.STREAM, ends=False)]
    backend = backend_at(raw_server.url, timeouts=Timeouts(first_event_s=2, idle_s=30, total_s=60))
    async with asyncio.timeout(5):
        heard = await hear(backend, ask())
    assert heard.error is None
    assert heard.text == "Hello"
    await asyncio.wait_for(raw_server.lost.wait(), 2)


@pytest.mark.parametrize("after", [b"\x00" * 40, b"half a prelude"[:7]], ids=["rubbish", "a cut frame"])
async def test_what_follows_a_whole_answer_is_of_no_interest(
    after: bytes, raw_server: RawServer, backend_at: MakeBackend
) -> None:
    raw_server.scripts = [told.chunks(told.STREAM, after)]
    heard = await hear(backend_at(raw_server.url), ask())
    assert heard.error is None
    assert heard.text == "Hello"


async def test_rubbish_before_the_end_is_an_error(raw_server: RawServer, backend_at: MakeBackend) -> None:
    raw_server.scripts = [told.chunks(told.start() + told.delta("Hel"), b"\x00" * 40)]
    heard = await hear(backend_at(raw_server.url), ask())
    assert heard.text == "Hel"
    assert isinstance(heard.error, BackendGarbled)
    assert heard.error.spent is not None
    assert heard.error.spent.output_tokens == 1


async def test_a_tool_input_that_is_no_json_is_an_error(raw_server: RawServer, backend_at: MakeBackend) -> None:
    call = told.event_frame(
        "contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": "n"}}}
    )
    piece = told.event_frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": '{"a": '}}})
    raw_server.scripts = [told.chunks(told.start(), call, piece, told.stop("tool_use"), told.metadata())]
    backend = backend_at(raw_server.url)
    heard = await hear(backend, ask())
    assert isinstance(heard.error, BackendGarbled)
    assert heard.error.spent is not None
    assert not heard.error.spent.estimated
    raw_server.scripts = [
        told.chunks(told.start(), told.delta("So"), call, piece, told.stop("max_tokens"), told.metadata())
    ]
    raw_server.scripts = [
        told.chunks(
            told.start(),
            told.delta("So", 3),
            call,
            piece,
            told.stop("max_tokens"),
            told.metadata(),
        )
    ]
    heard = await hear(backend, ask())
    assert heard.completion is not None
    assert heard.completion.finish_reason == "length"
    assert "n" in heard.completion.warnings[0]


async def test_error_bodies_that_break_off_still_have_their_status(
    raw_server: RawServer, backend_at: MakeBackend
) -> None:
    head = b"HTTP/1.1 404 X\r\nx-amzn-errortype: ResourceNotFoundException\r\ncontent-length: 99\r\n\r\n{"
    raw_server.scripts = [told.says_and_hangs_up(head)]
    assert isinstance((await hear(backend_at(raw_server.url), ask())).error, UnknownModel)
    endless = b"HTTP/1.1 500 X\r\ncontent-length: 999999\r\n\r\n" + b"x" * 200_000
    raw_server.scripts = [told.says(endless)]
    heard = await hear(backend_at(raw_server.url), ask())
    assert heard.error is not None
    assert heard.error.code == "upstream_error"


async def test_a_redirect_is_not_followed(raw_server: RawServer, backend_at: MakeBackend) -> None:
    raw_server.scripts = [told.says(told.http(b"", status=307, location="http://127.0.0.1:9/"))]
    heard = await hear(backend_at(raw_server.url), ask())
    assert isinstance(heard.error, BackendUnavailable)
    assert not heard.error.retryable
    assert len(raw_server.requests) == 1


async def test_a_silence_in_an_error_body_is_bounded(raw_server: RawServer, backend_at: MakeBackend) -> None:
    raw_server.scripts = [told.says(b"HTTP/1.1 500 X\r\ncontent-length: 10\r\n\r\n")]
    heard = await hear(backend_at(raw_server.url), ask())
    assert isinstance(heard.error, BackendTimeout)


# --- mends ------------------------------------------------------------------------------------------------------------


async def test_on_demand_is_retried_once_through_the_profile(raw_server: RawServer, backend_at: MakeBackend) -> None:
    backend = backend_at(raw_server.url, region="eu-west-1")
    model = card(*FULL, profiles=("us", "eu", "global"))
    raw_server.scripts = [told.says(told.refusal(400, "ValidationException", ON_DEMAND)), told.says(told.stream())]
    heard = await hear(backend, ask(card=model))
    assert heard.completion is not None
    assert heard.completion.invoked_id == f"eu.{NOVA}"
    assert f"eu.{NOVA}" in heard.completion.warnings[0]
    heard = await hear(backend, ask(card=model))
    assert heard.completion is not None
    assert heard.completion.invoked_id == f"eu.{NOVA}"
    assert [line.split()[1].split(b"/")[2][:3] for line, _, _ in raw_server.requests] == [b"ama", b"eu.", b"eu."]


async def test_on_demand_without_any_profile_is_the_callers_error(
    raw_server: RawServer, backend_at: MakeBackend
) -> None:
    raw_server.scripts = [told.says(told.refusal(400, "ValidationException", ON_DEMAND))]
    heard = await hear(backend_at(raw_server.url), ask(card=card(*FULL)))
    assert isinstance(heard.error, InvalidRequest)
    assert heard.error.field == "model"
    assert len(raw_server.requests) == 1


@pytest.mark.parametrize(
    ("region", "profiles", "expected"),
    [
        ("us-east-1", ("us", "global"), "us"),
        ("us-gov-west-1", ("us", "us-gov"), "us-gov"),
        ("ca-central-1", ("us", "global"), "global"),
        ("eu-central-1", ("us", "eu"), "eu"),
        ("ap-northeast-1", ("jp", "global"), "jp"),
        ("ap-northeast-1", ("apac", "jp"), "jp"),
        ("ap-southeast-2", ("au",), "au"),
        ("ap-south-1", ("apac",), "apac"),
        ("sa-east-1", ("us", "global"), "global"),
        ("sa-east-1", ("us",), None),
    ],
)
def test_the_profile_is_the_nearest(region: str, profiles: tuple[str, ...], expected: str | None) -> None:
    found = profile_for(NOVA, card(profiles=profiles), region)
    assert found == (f"{expected}.{NOVA}" if expected else None)


def test_a_profile_of_an_unknown_model_is_guessed_by_region() -> None:
    assert profile_for("x.y", None, "eu-west-1") == "eu.x.y"
    assert profile_for("x.y", None, "me-south-1") == "global.x.y"
    assert profile_for("us.acme.rocket-1", None, "eu-west-1") is None
    assert profile_for("arn:aws:bedrock:::x", None, "eu-west-1") is None


async def test_a_model_that_cannot_stream_is_remembered(raw_server: RawServer, backend_at: MakeBackend) -> None:
    backend = backend_at(raw_server.url)
    no = told.refusal(400, "ValidationException", "The model is unsupported for streaming.")
    raw_server.scripts = [told.says(no), told.says(told.http(told.whole()))]
    assert (await hear(backend, ask())).text == "Hello"
    assert (await hear(backend, ask())).text == "Hello"
    assert operations(raw_server) == ["converse-stream", "converse", "converse"]


async def test_a_model_that_cannot_stream_tools_still_streams_text(
    raw_server: RawServer, backend_at: MakeBackend
) -> None:
    backend = backend_at(raw_server.url)
    no = told.refusal(400, "ValidationException", "This model doesn't support tool use in streaming mode.")
    raw_server.scripts = [
        told.says(no),
        told.says(told.http(told.whole())),
        told.says(told.http(told.whole())),
        told.says(told.stream()),
    ]
    tools = (ToolSpec("t", {"type": "object"}),)
    assert (await hear(backend, ask(tools=tools))).text == "Hello"
    assert (await hear(backend, ask(tools=tools))).text == "Hello"
    assert (await hear(backend, ask())).text == "Hello"
    assert operations(raw_server) == ["converse-stream", "converse", "converse", "converse-stream"]


def operations(raw_server: RawServer) -> list[str]:
    return [line.split()[1].decode().rpartition("/")[2] for line, _, _ in raw_server.requests]


async def test_expired_credentials_are_renewed_once(raw_server: RawServer, backend_at: MakeBackend) -> None:
    no = told.refusal(403, "ExpiredTokenException", "The security token included in the request is expired")
    raw_server.scripts = [told.says(no), told.says(told.stream())]
    assert (await hear(backend_at(raw_server.url), ask())).text == "Hello"
    raw_server.requests.clear()
    raw_server.scripts = [told.says(no)]
    heard = await hear(backend_at(raw_server.url), ask())
    assert isinstance(heard.error, BackendRefused)
    assert heard.error.code == "upstream_auth_error"
    assert heard.error.upstream_request_id == "id-9"
    assert len(raw_server.requests) == 2


async def test_a_wrong_clock_is_set_by_the_server(raw_server: RawServer, backend_at: MakeBackend) -> None:
    now_s = 1_795_000_000.0
    no = told.refusal(403, "InvalidSignatureException", "Signature expired: x is now earlier", date=formatdate(now_s))
    raw_server.scripts = [told.says(no), told.says(told.stream())]
    backend = backend_at(raw_server.url, wall_clock=lambda: now_s - 3_600)
    assert (await hear(backend, ask())).text == "Hello"
    first, second = [headers["x-amz-date"] for _, headers, _ in raw_server.requests]
    assert int(second[9:15]) - int(first[9:15]) == 10_000
    raw_server.scripts = [told.says(told.refusal(403, "InvalidSignatureException", "Signature expired", date="soon"))]
    assert isinstance((await hear(backend, ask())).error, BackendRefused)


async def test_a_bearer_token_is_sent_to_loopback_as_it_is(raw_server: RawServer, backend_at: MakeBackend) -> None:
    raw_server.scripts = [told.says(told.stream())]
    backend = backend_at(raw_server.url, bearer_token="key-1", access_key_id=None, secret_access_key=None)
    assert (await hear(backend, ask())).text == "Hello"
    assert raw_server.requests[0][1]["authorization"] == "Bearer key-1"
    assert "x-amz-date" not in raw_server.requests[0][1]


async def test_a_connection_that_never_comes_is_bounded(backend_at: MakeBackend) -> None:
    with socket.socket() as deaf, socket.socket() as queued, socket.socket() as queued_too:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)  # one waits in the queue; the kernel answers nobody after that
        for other in (queued, queued_too):
            other.setblocking(False)
            other.connect_ex(deaf.getsockname())
        backend = backend_at(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeouts=Timeouts(connect_s=0.2))
        heard = await hear(backend, ask())
    assert isinstance(heard.error, BackendTimeout)
    assert "BEDROCK_CONNECT_TIMEOUT" in heard.error.message
    assert heard.error.spent is None


async def test_a_request_that_converse_would_refuse_never_leaves(
    raw_server: RawServer, backend_at: MakeBackend
) -> None:
    heard = await hear(backend_at(raw_server.url), ask(assistant("Hi"), card=card(*FULL)))
    assert isinstance(heard.error, InvalidRequest)
    assert heard.error.field == "messages[0].role"
    assert not raw_server.requests


async def test_an_exception_in_the_first_chunk_after_the_start_has_its_kind(
    raw_server: RawServer, backend_at: MakeBackend
) -> None:
    from llm_gateway.sandbox.frames import exception_frame

    raw_server.scripts = [told.chunks(told.start() + exception_frame("validationException", "no"))]
    heard = await hear(backend_at(raw_server.url), ask())
    assert not heard.opened
    assert isinstance(heard.error, InvalidRequest)
    assert heard.error.code == "invalid_request"
