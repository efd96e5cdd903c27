"""A generation as OpenAI's chat completion. Pure; money leaves as text here and nowhere earlier."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import orjson

from llm_gateway.domain.completions import Completion, FinishReason, Generation, Usage
from llm_gateway.domain.content import Block, Native, Reasoning, ToolUse, citations_of, text_of
from llm_gateway.surfaces.notes import notes_json

Json = dict[str, object]

FINISH_REASONS: Mapping[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "tool_use": "tool_calls",
    "content_filter": "content_filter",
}
_TIERS = frozenset({"default", "flex", "priority"})


def chat_completion(generation: Generation, *, asked: str, answer_id: str, created_s: int) -> Json:
    """The whole answer; ``asked`` is the caller's word for the model."""
    completion = generation.completion
    encoded: Json = {
        "id": answer_id,
        "object": "chat.completion",
        "created": created_s,
        "model": asked,
        "choices": [
            {
                "index": 0,
                "message": _message(completion),
                "logprobs": None,
                "finish_reason": FINISH_REASONS[completion.finish_reason],
            }
        ],
        "usage": usage_json(completion),
        "service_tier": service_tier(completion),
        "system_fingerprint": None,
    }
    notes = chat_notes(generation)
    if notes:
        encoded["llm_gateway"] = notes
    return encoded


def _message(completion: Completion) -> Json:
    blocks = completion.blocks
    calls = [_tool_call(block) for block in blocks if is_call(block)]
    text = text_of(blocks)
    message: Json = {
        "role": "assistant",
        "content": text if text or not calls else None,
        "refusal": None,
        "annotations": [],
    }
    if calls:
        message["tool_calls"] = calls
    thoughts = [block for block in blocks if isinstance(block, Reasoning)]
    if thoughts:
        spoken = "".join([block.text or "" for block in thoughts])
        message["reasoning_content"] = spoken or None
        message["reasoning_details"] = thought_details(thoughts)
    return message


def thought_details(thoughts: Sequence[Reasoning]) -> list[Json]:
    """What has to come back unchanged in the next turn."""
    return [_detail(block, number) for number, block in enumerate(thoughts)]


def is_call(block: Block) -> bool:
    """Whether the caller has to answer it: tools of the model's own server answer themselves."""
    return isinstance(block, ToolUse) and block.type is None


def _tool_call(block: Block) -> Json:
    assert isinstance(block, ToolUse)  # noqa: S101 - is_call said so
    arguments = orjson.dumps(block.input).decode()
    return {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": arguments}}


def _detail(thought: Reasoning, number: int) -> Json:
    if thought.redacted is not None:
        return {"type": "reasoning.encrypted", "data": thought.redacted, "index": number}
    detail: Json = {"type": "reasoning.text", "text": thought.text or ""}
    if thought.signature is not None:
        detail["signature"] = thought.signature
    return detail | {"index": number}


def usage_json(completion: Completion) -> Json:
    """Tokens as OpenAI counts them: what came from the prompt cache is a part of ``prompt_tokens``.

    Bedrock does not tell how many of the output tokens were thought: without any thoughts it is none, else unknown.
    """
    usage: Usage = completion.usage
    prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    details: Json = {"cached_tokens": usage.cache_read_tokens}
    if usage.cache_write_tokens:
        details["cache_write_tokens"] = usage.cache_write_tokens
    encoded: Json = {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output_tokens,
        "total_tokens": prompt + usage.output_tokens,
        "prompt_tokens_details": details,
    }
    if not any([isinstance(block, Reasoning) for block in completion.blocks]):
        encoded["completion_tokens_details"] = {"reasoning_tokens": 0}
    return encoded


def service_tier(completion: Completion) -> str | None:
    """The tier that was used, in OpenAI's words; ``None`` where they have none for it."""
    tier = completion.service_tier or "default"
    return tier if tier in _TIERS else None


def chat_notes(generation: Generation) -> Json:
    """What OpenAI's answer has no member for; empty in the plain case."""
    notes, citations = notes_json(generation), _citations(generation.completion.blocks)
    return {**notes, "citations": citations} if citations else notes


def _citations(blocks: Sequence[Block]) -> list[Json]:
    """What was cited, as Converse tells it, and where in the answer's text."""
    found: list[Json] = []
    at = 0
    for block in blocks:
        end = at + len(text_of((block,)))
        if isinstance(block, Native):
            found += [{"start_index": at, "end_index": end, **citation} for citation in citations_of(block)]
        at = end
    return found


def cost_text(nano_usd: int) -> bytes:
    """US dollars without exponent: ``0.000123``."""
    if not nano_usd:
        return b"0"
    return format(Decimal(nano_usd).scaleb(-9), "f").rstrip("0").rstrip(".").encode()
