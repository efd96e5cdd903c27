"""Composes the answer to a checked request: text, tool calls, reasoning, JSON, usage. Same request, same answer."""

from dataclasses import dataclass, field

import orjson

from llm_gateway.sandbox.asked import Asked
from llm_gateway.sandbox.from_schema import value_for
from llm_gateway.sandbox.guardrail import blocked, blocked_answer
from llm_gateway.sandbox.models import ModelId
from llm_gateway.sandbox.prompt_cache import CacheCount, PromptCache, has_cache_point
from llm_gateway.sandbox.reasoning import reasoning_block, thinks
from llm_gateway.sandbox.script import Scripted
from llm_gateway.sandbox.tokens import CHARACTERS_PER_TOKEN, content_tokens, request_tokens
from llm_gateway.sandbox.tool_calls import Wanted, called_so_far, results_told, takes_one_call, tool_use, wanted_calls
from llm_gateway.sandbox.wire_json import Json, as_list, as_object, as_text, dump, objects
from llm_gateway.sandbox.words import Dice, dice_for, last_user_text, prose, thought


@dataclass(frozen=True, slots=True)
class Composer:
    """Remembers nothing but the prompt cache: `seed` and the request decide the words."""

    seed: int = 0
    prompt_cache: PromptCache = field(default_factory=PromptCache)

    def compose(self, asked: Asked, model: ModelId, *, scripted: Scripted | None = None) -> Json:
        """The whole Converse answer, without metrics; a stream tells the same one."""
        body = asked.body
        if blocked(body):
            return _with_echoes(blocked_answer(body), body)
        content, stop_reason, stop_sequence = _said(body, model, dice_for(asked.model_id, body, self.seed), scripted)
        counted = self.prompt_cache.count(model, body) if has_cache_point(body) else CacheCount()
        answer: Json = {
            "output": {"message": {"content": content, "role": "assistant"}},
            "stopReason": stop_reason,
            "usage": usage(request_tokens(body), content_tokens(content), counted),
        }
        if "/stop_sequence" in as_list(body.get("additionalModelResponseFieldPaths")):
            answer["additionalModelResponseFields"] = {"stop_sequence": stop_sequence}
        return _with_echoes(answer, body)


def usage(all_input: int, output: int, counted: CacheCount) -> Json:
    """`inputTokens` leaves cached tokens out; the total holds all four kinds."""
    written = sum(counted.written.values())
    told: Json = {
        "inputTokens": max(0, all_input - counted.read - written),
        "outputTokens": output,
        "totalTokens": max(all_input, counted.read + written) + output,
        "serverToolUsage": {},
    }
    if counted.read or written:
        told |= {
            "cacheReadInputTokens": counted.read,
            "cacheReadInputTokenCount": counted.read,
            "cacheWriteInputTokens": written,
            "cacheWriteInputTokenCount": written,
        }
    if written:
        told["cacheDetails"] = [{"ttl": ttl, "inputTokens": tokens} for ttl, tokens in counted.written.items()]
    return told


def _said(body: Json, model: ModelId, dice: Dice, scripted: Scripted | None) -> tuple[list[Json], str, str | None]:
    """(content, stop reason, the stop sequence that was met)."""
    asked = last_user_text(body)
    config = as_object(body.get("toolConfig"))
    content: list[Json] = []
    if scripted is None and thinks(body, model.facts):
        content.append(reasoning_block(thought(model.short, asked, dice), model.bare, asked, model.facts))
    results = results_told(objects(body["messages"])[-1])
    calls = _calls(body, asked, results, scripted)
    if calls:
        forced = set(as_object(config.get("toolChoice"))) & {"any", "tool"}
        told = scripted.text if scripted else "" if forced else f"[sandbox] {model.short} would call a tool."
        content += [{"text": told}] if told else []
        content += [tool_use(call, config, dice) for call in calls]
        return content, "tool_use", None
    text = scripted.text if scripted else _text(body, model, asked, results, dice)
    text, stop_reason, stop_sequence = _ended(text, as_object(body.get("inferenceConfig")))
    return [*content, {"text": text}], stop_reason, stop_sequence


def _calls(body: Json, asked: str, results: str, scripted: Scripted | None) -> list[Wanted]:
    if scripted is not None:
        return [Wanted(name, given) for name, given in scripted.calls]
    called = called_so_far(objects(body["messages"])) if results else ()
    calls = wanted_calls(as_object(body.get("toolConfig")), asked, after_results=bool(results), called=called)
    return calls[:1] if takes_one_call(body) else calls


def _text(body: Json, model: ModelId, asked: str, results: str, dice: Dice) -> str:
    form = as_object(as_object(body.get("outputConfig")).get("textFormat"))
    if form:
        written = as_text(as_object(as_object(form.get("structure")).get("jsonSchema")).get("schema"))
        return dump(value_for(as_object(orjson.loads(written)), dice)).decode()
    if results:
        return f"[sandbox] {model.short} would answer: the tools gave {results}"
    return prose(model.short, asked, dice)


def _ended(text: str, limits: Json) -> tuple[str, str, str | None]:
    """The text up to the first stop sequence and within maxTokens, and the reason for which it ends there."""
    stop_reason, stop_sequence = "end_turn", None
    stops = [(at, as_text(stop)) for stop in as_list(limits.get("stopSequences")) if (at := text.find(stop)) >= 0]
    if stops:
        at, stop_sequence = min(stops)
        text, stop_reason = text[:at], "stop_sequence"
    most = limits.get("maxTokens")
    if most is not None and len(text) > most * CHARACTERS_PER_TOKEN:
        text, stop_reason, stop_sequence = text[: most * CHARACTERS_PER_TOKEN], "max_tokens", None
    return text, stop_reason, stop_sequence


def _with_echoes(answer: Json, body: Json) -> Json:
    """The tier and the latency mode come back as they were asked for."""
    return {**answer, **{name: body[name] for name in ("performanceConfig", "serviceTier") if name in body}}
