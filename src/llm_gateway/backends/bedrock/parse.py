"""A finished transcript or a whole Converse answer to a Completion, or to the error it stands for. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from llm_gateway.backends.bedrock.asked import Asked
from llm_gateway.backends.bedrock.converse_json import read_block
from llm_gateway.backends.bedrock.estimate import blocks_tokens
from llm_gateway.backends.bedrock.json_shape import as_list, as_object, as_text
from llm_gateway.backends.bedrock.reading import read_blocks, settled
from llm_gateway.backends.bedrock.transcript import GarbledEvent, Transcript
from llm_gateway.backends.bedrock.usage_json import CUT_STOPS, FINISH_REASONS, MALFORMED_STOPS, read_usage
from llm_gateway.domain.completions import (
    CitationDelta,
    Completion,
    Delta,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolInputDelta,
    ToolUseStart,
    Usage,
)
from llm_gateway.domain.content import Block, Native, Reasoning, Text, ToolUse, citations_of, cited_texts
from llm_gateway.domain.errors import BackendGarbled, BackendUnavailable
from llm_gateway.domain.remedies import ONCE_MORE

INCOMPLETE = "incomplete"
"""Stands for the stop reason of an answer that never came to its end."""


class Told(NamedTuple):
    """What came with the answer beside its content."""

    request_id: str | None = None
    upstream_ms: float = 0.0
    first_delta_ms: float | None = None


def complete_stream(transcript: Transcript, asked: Asked, told: Told) -> Completion:
    """The completion of a stream that ended by itself.

    Raises:
        BackendError: the stream ended too early, or the model said that it failed; with what it used.
    """
    stop, usage = transcript.stop_reason, transcript.usage
    if stop is None:
        raise BackendGarbled(
            "the answer ended before its end was announced; ask again",
            model=asked.model,
            spent=usage or asked.spent(transcript.output_tokens()),
            upstream_request_id=told.request_id,
        )
    if usage is None:
        usage = asked.spent(transcript.output_tokens())
    finish = finish_reason(stop, asked, usage, told.request_id)
    lost: list[str] = []
    if stop in CUT_STOPS:
        blocks, lost = transcript.blocks_of_cut_answer()
    else:
        try:
            blocks = transcript.blocks()
        except GarbledEvent as fault:
            raise BackendGarbled(
                f"{fault}; ask again", model=asked.model, spent=usage, upstream_request_id=told.request_id
            ) from fault
    completion = Completion(
        blocks=blocks,
        finish_reason=finish,
        stop_reason=stop,
        usage=usage,
        upstream_request_id=told.request_id,
        upstream_ms=told.upstream_ms,
        first_delta_ms=told.first_delta_ms,
        service_tier=transcript.service_tier,
        invoked_id=asked.other_id,
        warnings=asked.warnings + _stop_warnings(stop, lost),
        guardrail_trace=transcript.guardrail_trace,
    )
    return settled(completion, asked.reading)


def partial_stream(transcript: Transcript, asked: Asked, told: Told) -> Completion:
    """What a stream has given so far; the usage is estimated unless it was already told."""
    return Completion(
        blocks=transcript.blocks_so_far(),
        finish_reason=FINISH_REASONS.get(transcript.stop_reason or "", "length"),
        stop_reason=transcript.stop_reason or INCOMPLETE,
        usage=transcript.usage or asked.spent(transcript.output_tokens()),
        upstream_request_id=told.request_id,
        upstream_ms=told.upstream_ms,
        first_delta_ms=told.first_delta_ms,
        service_tier=transcript.service_tier,
        invoked_id=asked.other_id,
        warnings=asked.warnings,
        guardrail_trace=transcript.guardrail_trace,
    )


def parse_whole(body: bytes, asked: Asked, told: Told) -> Completion:
    """The completion of a whole Converse answer.

    Raises:
        BackendError: the body is empty, no JSON, or misses the message or the stop reason; the input counts as spent.
    """
    try:
        answer = as_object(orjson.loads(body))
    except orjson.JSONDecodeError as fault:
        why = "an empty body" if not body.strip() else "a body that is no JSON"
        raise _unreadable(why, asked, told) from fault
    message = as_object(as_object(answer.get("output")).get("message"))
    stop = as_text(answer.get("stopReason"))
    if not isinstance(message.get("content"), list):
        raise _unreadable("a body without a message", asked, told)
    blocks = read_blocks(_read_blocks(as_list(message["content"])), asked.reading)
    if not stop:
        raise _unreadable("a body without a stop reason", asked, told)
    usage = read_usage(answer.get("usage")) or asked.spent(blocks_tokens(blocks))
    completion = Completion(
        blocks=blocks,
        finish_reason=finish_reason(stop, asked, usage, told.request_id),
        stop_reason=stop,
        usage=usage,
        upstream_request_id=told.request_id,
        upstream_ms=told.upstream_ms,
        first_delta_ms=told.upstream_ms,
        service_tier=as_text(as_object(answer.get("serviceTier")).get("type")),
        invoked_id=asked.other_id,
        warnings=asked.warnings + _stop_warnings(stop, ()),
        guardrail_trace=as_object(as_object(answer.get("trace")).get("guardrail")) or None,
    )
    return settled(completion, asked.reading)


def _read_blocks(content: Sequence[object]) -> tuple[Block, ...]:
    found = [read_block(as_object(block)) for block in content]
    return tuple([block for block in found if not (isinstance(block, Text) and not block.text)])


def deltas_of(blocks: Sequence[Block]) -> list[Delta]:
    """A whole answer as the deltas that would have made it."""
    deltas: list[Delta] = []
    for at, block in enumerate(blocks):
        if isinstance(block, Text):
            deltas.append(TextDelta(at, block.text))
        elif isinstance(block, ToolUse) and block.type is None:
            deltas.append(ToolUseStart(at, block.id, block.name))
            if block.input:
                deltas.append(ToolInputDelta(at, orjson.dumps(block.input).decode()))
        elif isinstance(block, Reasoning):
            deltas.append(ReasoningDelta(at, block.text, block.signature, block.redacted))
        elif isinstance(block, Native):
            deltas.extend([TextDelta(at, text) for text in cited_texts(block)])
            deltas.extend([CitationDelta(at, citation) for citation in citations_of(block)])
    return deltas


def finish_reason(stop: str, asked: Asked, usage: Usage, request_id: str | None) -> FinishReason:
    """Our word for Bedrock's stop reason.

    Raises:
        BackendUnavailable: the model failed (``malformed_...``).
        BackendGarbled: a reason we do not know; taking it for a good end could hide a failure.
    """
    finish = FINISH_REASONS.get(stop)
    if finish is not None:
        return finish
    if stop in MALFORMED_STOPS:
        raise BackendUnavailable(
            f"the model produced an answer that Bedrock could not read ({stop}); ask again, at another temperature, "
            "or ask another model",
            model=asked.model,
            code="upstream_model_error",
            remedy=ONCE_MORE,
            spent=usage,
            upstream_request_id=request_id,
        )
    raise BackendGarbled(
        f"the answer ended with the unknown stop reason {stop[:60]!r}",
        model=asked.model,
        spent=usage,
        upstream_request_id=request_id,
    )


def _unreadable(why: str, asked: Asked, told: Told) -> BackendGarbled:
    return BackendGarbled(
        f"Bedrock answered 200 with {why}; ask again",
        model=asked.model,
        spent=asked.input_spent(),
        upstream_request_id=told.request_id,
    )


def _stop_warnings(stop: str, lost: Sequence[str]) -> tuple[str, ...]:
    warnings: tuple[str, ...] = ()
    if stop == "model_context_window_exceeded":
        warnings = ("the answer was cut where the model's context window ended",)
    if lost:
        warnings = (*warnings, f"a tool call was cut by the token limit and left out: {', '.join(lost)}")
    return warnings
