"""The whole way over a real wire: every fault the sandbox knows gives its documented error, and nothing hangs."""

import asyncio
from collections.abc import Callable

import pytest
from bedrock_words import FULL, NOVA, Heard, ask, assistant, card, hear, user

from llm_gateway.backends.bedrock.client import BedrockBackend, Timeouts
from llm_gateway.domain.completions import ReasoningDelta, TextDelta, ToolInputDelta, ToolUseStart
from llm_gateway.domain.content import Text, ToolResult, ToolUse, text_of
from llm_gateway.domain.errors import (
    BackendError,
    BackendGarbled,
    BackendRefused,
    BackendThrottled,
    BackendTimeout,
    BackendUnavailable,
    ConnectionLost,
    ContextTooLong,
    GatewayError,
    InvalidRequest,
    UnknownModel,
)
from llm_gateway.domain.requests import ToolChoice, ToolSpec
from llm_gateway.sandbox.faults import FAULTS
from llm_gateway.sandbox.server import Sandbox

NOTHING, INPUT, PARTIAL = "nothing", "input", "partial"
PROTOCOL = (BackendGarbled, "upstream_protocol_error")
# fault -> class, code, what may have been paid for; by the matrix of errors
BEFORE_THE_ANSWER: dict[str, tuple[type[GatewayError], str, str]] = {
    "throttle": (BackendThrottled, "upstream_throttled", NOTHING),
    "throttle-requests": (BackendThrottled, "upstream_throttled", NOTHING),
    "throttle-day": (BackendThrottled, "upstream_quota_exceeded", NOTHING),
    "too-many-connections": (BackendUnavailable, "upstream_unavailable", NOTHING),
    "not-ready": (BackendUnavailable, "upstream_not_ready", NOTHING),
    "quota": (BackendThrottled, "upstream_quota_exceeded", NOTHING),
    "validation": (InvalidRequest, "invalid_request", NOTHING),
    "too-long": (ContextTooLong, "context_length_exceeded", NOTHING),
    "access-denied": (BackendRefused, "upstream_access_denied", NOTHING),
    "expired-token": (BackendRefused, "upstream_auth_error", NOTHING),
    "unrecognized-client": (BackendRefused, "upstream_auth_error", NOTHING),
    "invalid-signature": (BackendRefused, "upstream_auth_error", NOTHING),
    "not-found": (UnknownModel, "model_not_found", NOTHING),
    "legacy-not-found": (UnknownModel, "model_not_found", NOTHING),
    "end-of-life": (UnknownModel, "model_not_found", NOTHING),
    "on-demand": (InvalidRequest, "invalid_request", NOTHING),
    "model-timeout": (BackendTimeout, "upstream_timeout", INPUT),
    "model-error": (BackendUnavailable, "upstream_model_error", NOTHING),
    "internal": (BackendUnavailable, "upstream_error", NOTHING),
    "unavailable": (BackendUnavailable, "upstream_unavailable", NOTHING),
    "bad-gateway-html": (BackendUnavailable, "upstream_error", NOTHING),
    "gateway-timeout-empty": (BackendTimeout, "upstream_timeout", NOTHING),
    "reset": (ConnectionLost, "upstream_connection_error", NOTHING),
    "hang": (BackendTimeout, "upstream_timeout", INPUT),
    "empty-200": (*PROTOCOL, INPUT),
    "html-200": (*PROTOCOL, INPUT),
    "wrong-content-type": (*PROTOCOL, INPUT),
    "error-frame-first": (BackendUnavailable, "upstream_error", INPUT),
    "exception-first": (BackendThrottled, "upstream_throttled", INPUT),
    "exception-first-throttle": (BackendThrottled, "upstream_throttled", INPUT),
    "exception-first-validation": (ContextTooLong, "context_length_exceeded", NOTHING),
    "exception-first-internal": (BackendUnavailable, "upstream_error", INPUT),
    "exception-first-model-stream": (BackendUnavailable, "upstream_model_error", INPUT),
    "exception-first-unavailable": (BackendUnavailable, "upstream_unavailable", INPUT),
    "slow-first-token": (BackendTimeout, "upstream_timeout", INPUT),  # 2 s, beyond the limit of these tests
}
STREAM_ERROR = "upstream_stream_error"
AFTER_TOKENS: dict[str, tuple[type[GatewayError], str]] = {
    "exception-mid": (BackendThrottled, STREAM_ERROR),
    "exception-mid-throttle": (BackendThrottled, STREAM_ERROR),
    "exception-mid-validation": (InvalidRequest, STREAM_ERROR),
    "exception-mid-internal": (BackendGarbled, STREAM_ERROR),
    "exception-mid-model-stream": (BackendGarbled, STREAM_ERROR),
    "exception-mid-unavailable": (BackendGarbled, STREAM_ERROR),
    "error-frame-mid": (BackendGarbled, STREAM_ERROR),
    "crc": PROTOCOL,
    "cut-frame": PROTOCOL,
    "half-body": PROTOCOL,
    "reset-mid": PROTOCOL,
    "no-stop": PROTOCOL,
    "unknown-stop-reason": PROTOCOL,
    "malformed-tool-use": (BackendUnavailable, "upstream_model_error"),
    "malformed-output": (BackendUnavailable, "upstream_model_error"),
    "stall": (BackendTimeout, "upstream_timeout"),
    "huge-frame": (BackendTimeout, "upstream_timeout"),
    "endless": (BackendTimeout, "upstream_timeout"),
}
HARMLESS = [
    "slow-bytes:0",
    "one-byte-chunks",
    "merged-frames",
    "split-multibyte",
    "unknown-event",
    "late-metadata:0.1",
    "usage-twice",
    "slow-first-token:0.05",
]
ESTIMATED = ["no-usage", "no-metadata"]
OTHER_ENDS = {
    "context-window-exceeded": ("length", "model_context_window_exceeded"),
    "content-filtered": ("content_filter", "content_filtered"),
}


def test_every_fault_of_the_sandbox_is_in_these_tables() -> None:
    told = {*BEFORE_THE_ANSWER, *AFTER_TOKENS, *ESTIMATED, *OTHER_ENDS, "cut-json"}
    assert set(FAULTS) - told - {name.partition(":")[0] for name in HARMLESS} == set()


@pytest.mark.parametrize("fault", BEFORE_THE_ANSWER)
async def test_a_fault_before_the_answer_is_raised_when_it_is_opened(fault: str, backend: BedrockBackend) -> None:
    kind, code, paid = BEFORE_THE_ANSWER[fault]
    heard = await hear(backend, ask(f"[[fault:{fault}]] tell me something"))
    assert not heard.opened
    assert_error(heard, kind, code, paid)


@pytest.mark.parametrize("fault", AFTER_TOKENS)
async def test_a_fault_in_mid_answer_comes_after_what_was_said(fault: str, backend: BedrockBackend) -> None:
    kind, code = AFTER_TOKENS[fault]
    heard = await hear(backend, ask(f"[[fault:{fault}]] tell me something"))
    assert heard.opened
    assert heard.text
    assert_error(heard, kind, code, PARTIAL)


def assert_error(heard: Heard, kind: type[GatewayError], code: str, paid: str) -> None:
    error = heard.error
    assert error is not None
    assert (type(error), error.code) == (kind, code), error.message
    assert heard.completion is None
    if not isinstance(error, BackendError):
        return
    if paid == NOTHING:
        assert error.spent is None
        return
    assert error.spent is not None
    assert error.spent.input_tokens > 0
    assert (error.spent.output_tokens > 0) == (paid == PARTIAL)


@pytest.mark.parametrize("fault", HARMLESS)
async def test_odd_bytes_of_a_good_answer_change_nothing(
    fault: str, sandbox: Sandbox, backend_at: Callable[..., BedrockBackend]
) -> None:
    backend = backend_at(sandbox.url, timeouts=Timeouts())
    few = 10 if fault.startswith("slow-bytes") else None
    heard = await hear(backend, ask(f"[[fault:{fault}]] tell me something", max_tokens=few))
    assert heard.error is None
    assert heard.completion is not None
    assert not heard.completion.usage.estimated
    assert text_of(heard.completion.blocks) == heard.text
    assert heard.completion.finish_reason == ("length" if few else "stop")
    assert heard.partial == heard.completion


@pytest.mark.parametrize("fault", ESTIMATED)
async def test_an_answer_without_usage_is_estimated_and_flagged(fault: str, backend: BedrockBackend) -> None:
    heard = await hear(backend, ask(f"[[fault:{fault}]] tell me something"))
    assert heard.completion is not None
    usage = heard.completion.usage
    assert usage.estimated
    assert usage.input_tokens > 0
    assert usage.output_tokens > 0


@pytest.mark.parametrize("fault", OTHER_ENDS)
async def test_other_ends_have_our_words(fault: str, backend: BedrockBackend) -> None:
    heard = await hear(backend, ask(f"[[fault:{fault}]] tell me something"))
    assert heard.completion is not None
    assert (heard.completion.finish_reason, heard.completion.stop_reason) == OTHER_ENDS[fault]
    assert bool(heard.completion.warnings) == (fault == "context-window-exceeded")


# --- a whole answer instead of a stream -------------------------------------------------------------------------------

NO_STREAM = card("system", "tools")
WHOLE: dict[str, tuple[type[GatewayError], str, str]] = {
    "cut-json": (*PROTOCOL, INPUT),
    "half-body": (*PROTOCOL, INPUT),
    "empty-200": (*PROTOCOL, INPUT),
    "html-200": (*PROTOCOL, INPUT),
    "wrong-content-type": (*PROTOCOL, INPUT),
    "no-stop": (*PROTOCOL, INPUT),
    "hang": (BackendTimeout, "upstream_timeout", INPUT),
    "endless": (BackendTimeout, "upstream_timeout", INPUT),
    "huge-frame": (BackendTimeout, "upstream_timeout", INPUT),
    "throttle": (BackendThrottled, "upstream_throttled", NOTHING),
    "reset": (ConnectionLost, "upstream_connection_error", NOTHING),
    "unknown-stop-reason": (*PROTOCOL, PARTIAL),
    "malformed-output": (BackendUnavailable, "upstream_model_error", PARTIAL),
}


@pytest.mark.parametrize("fault", WHOLE)
async def test_a_broken_whole_answer_is_an_error(fault: str, backend: BedrockBackend) -> None:
    kind, code, paid = WHOLE[fault]
    heard = await hear(backend, ask(f"[[fault:{fault}]] tell me something", card=NO_STREAM))
    assert not heard.opened
    assert_error(heard, kind, code, paid)


async def test_a_model_that_cannot_stream_is_asked_for_a_whole_answer(
    sandbox: Sandbox, backend: BedrockBackend
) -> None:
    heard = await hear(backend, ask("tell me something", card=NO_STREAM))
    assert heard.completion is not None
    assert text_of(heard.completion.blocks) == heard.text
    assert heard.completion.usage.output_tokens > 0
    assert [record.operation for record in sandbox.log] == ["Converse"]


# --- good answers -----------------------------------------------------------------------------------------------------


async def test_an_answer_comes_in_pieces_and_is_whole_at_the_end(backend: BedrockBackend) -> None:
    heard = await hear(backend, ask("tell me something", card=card(*FULL)))
    assert heard.error is None
    assert len(heard.deltas) > 2
    completion = heard.completion
    assert completion is not None
    assert completion.blocks == (Text(heard.text),)
    assert completion.stop_reason == "end_turn"
    assert completion.upstream_request_id
    assert completion.first_delta_ms is not None
    assert 0 < completion.first_delta_ms <= completion.upstream_ms
    assert completion.warnings == ()
    assert completion.invoked_id is None


async def test_a_forced_tool_is_called(backend: BedrockBackend) -> None:
    tool = ToolSpec("get_weather", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
    heard = await hear(
        backend, ask("Weather in Rome?", tools=(tool,), tool_choice=ToolChoice("any"), card=card(*FULL, "forced_tools"))
    )
    assert heard.completion is not None
    assert heard.completion.finish_reason == "tool_use"
    (call,) = [block for block in heard.completion.blocks if isinstance(block, ToolUse)]
    assert call.name == "get_weather"
    assert any(isinstance(delta, ToolUseStart) and delta.id == call.id for delta in heard.deltas)
    assert any(isinstance(delta, ToolInputDelta) for delta in heard.deltas)


async def test_a_model_without_streaming_tools_is_asked_whole(sandbox: Sandbox, backend: BedrockBackend) -> None:
    tool = ToolSpec("get_weather", {"type": "object"})
    model = card("system", "streaming", "tools")
    heard = await hear(backend, ask("Weather?", tools=(tool,), card=model))
    assert heard.completion is not None
    await hear(backend, ask("Weather?", card=model))
    history = (user("Weather?"), assistant(ToolUse("t", "look", {})), user(ToolResult("t", (Text("rain"),))))
    await hear(backend, ask(*history, card=model))
    assert [record.operation for record in sandbox.log] == ["Converse", "ConverseStream", "Converse"]


async def test_thinking_is_heard(backend: BedrockBackend) -> None:
    call = ask(
        "Why?",
        model="us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        extra_fields={"thinking": {"type": "enabled", "budget_tokens": 1024}},
    )
    heard = await hear(backend, call)
    assert heard.error is None, heard.error
    assert any(isinstance(delta, ReasoningDelta) and delta.text for delta in heard.deltas)
    assert any(isinstance(delta, ReasoningDelta) and delta.signature for delta in heard.deltas)


async def test_many_calls_share_the_loop(sandbox: Sandbox, backend_at: Callable[..., BedrockBackend]) -> None:
    backend = backend_at(sandbox.url, timeouts=Timeouts())  # the shipped ones: a busy machine is no failure
    heard = await asyncio.gather(*[hear(backend, ask(f"number {number}")) for number in range(200)])
    assert all(one.completion is not None for one in heard)
    assert sandbox.open_now == 0


# --- leaving ----------------------------------------------------------------------------------------------------------


async def test_a_caller_who_leaves_lets_the_connection_go(sandbox: Sandbox, backend: BedrockBackend) -> None:
    answer = await backend.open(ask("[[fault:endless]] go on"))
    async for batch in answer:
        assert batch
        break
    partial = answer.partial()
    assert partial.usage.estimated
    assert partial.usage.output_tokens > 0
    assert partial.stop_reason == "incomplete"
    with pytest.raises(RuntimeError):
        answer.completion()
    await answer.aclose()
    await answer.aclose()
    await until(lambda: sandbox.open_now == 0)


async def test_a_cancelled_wait_lets_the_connection_go(sandbox: Sandbox, backend: BedrockBackend) -> None:
    for fault in ("hang", "stall"):
        task = asyncio.create_task(hear(backend, ask(f"[[fault:{fault}]] go on")))
        await until(lambda: sandbox.open_now == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: sandbox.open_now == 0)


async def test_a_closing_backend_ends_its_open_answers(sandbox: Sandbox, backend: BedrockBackend) -> None:
    answer = await backend.open(ask("[[fault:endless]] go on"))
    await backend.aclose()
    with pytest.raises(BackendError):
        async for _ in answer:
            pass
    with pytest.raises(BackendUnavailable):
        await backend.open(ask("Hello"))
    await backend.aclose()


async def test_a_silent_call_is_asked_once_only(sandbox: Sandbox, backend: BedrockBackend) -> None:
    await hear(backend, ask("[[fault:hang]] go on"))
    await hear(backend, ask("[[fault:stall]] go on"))
    assert len(sandbox.log) == 2


async def test_time_outs_name_their_setting(sandbox: Sandbox, backend_at: Callable[..., BedrockBackend]) -> None:
    backend = backend_at(sandbox.url, timeouts=Timeouts(first_event_s=0.1, idle_s=0.2, total_s=0.5))
    named = {}
    for fault in ("hang", "stall", "endless"):
        heard = await hear(backend, ask(f"[[fault:{fault}]] go on"))
        assert isinstance(heard.error, BackendTimeout)
        named[fault] = heard.error.message
    assert "BEDROCK_FIRST_EVENT_TIMEOUT" in named["hang"]
    assert "BEDROCK_IDLE_TIMEOUT" in named["stall"]
    assert "BEDROCK_TOTAL_TIMEOUT" in named["endless"]
    assert "0.5 s" in named["endless"]


async def test_a_throttle_keeps_what_bedrock_asks_for(backend: BedrockBackend) -> None:
    heard = await hear(backend, ask("[[fault:throttle:3]] go on"))
    assert heard.error is not None
    assert heard.error.retry_after_s == 3


async def test_deltas_before_a_fault_are_all_heard(backend: BedrockBackend) -> None:
    heard = await hear(backend, ask("[[fault:exception-mid]] tell me something"))
    assert [delta for delta in heard.deltas if isinstance(delta, TextDelta)]
    assert heard.partial is not None
    assert text_of(heard.partial.blocks) == heard.text
    assert heard.partial.usage.estimated
    assert heard.partial.usage.output_tokens > 0
    assert NOVA in str(heard.error and heard.error.facts())


async def until(done: Callable[[], bool]) -> None:
    for _ in range(400):
        if done():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come about")
