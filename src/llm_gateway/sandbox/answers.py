"""Composes the answer to a checked request: text, tool calls, reasoning, usage. Same request, same answer."""

from dataclasses import dataclass

from llm_gateway.sandbox.asked import Asked
from llm_gateway.sandbox.models import ModelId
from llm_gateway.sandbox.tokens import CHARACTERS_PER_TOKEN, content_tokens, request_tokens
from llm_gateway.sandbox.wire_json import Json, as_list, as_object, as_text
from llm_gateway.sandbox.words import dice_for, last_user_text, prose


@dataclass(frozen=True, slots=True)
class Composer:
    seed: int = 0

    def compose(self, asked: Asked, model: ModelId, latency_ms: int) -> Json:
        """The whole Converse answer; a stream tells the same one."""
        body = asked.body
        dice = dice_for(asked.model_id, body, self.seed)
        text, stop_reason = _ended(
            prose(model.short, last_user_text(body), dice), as_object(body.get("inferenceConfig"))
        )
        content: list[Json] = [{"text": text}]
        usage = {"inputTokens": request_tokens(body), "outputTokens": content_tokens(content)}
        usage["totalTokens"] = sum(usage.values())
        return {
            "metrics": {"latencyMs": latency_ms},
            "output": {"message": {"content": content, "role": "assistant"}},
            "stopReason": stop_reason,
            "usage": usage,
        }


def _ended(text: str, limits: Json) -> tuple[str, str]:
    """The text up to the first stop sequence and within maxTokens, and the reason for which it ends there."""
    stop_reason = "end_turn"
    stops = [at for stop in as_list(limits.get("stopSequences")) if (at := text.find(as_text(stop))) >= 0]
    if stops:
        text, stop_reason = text[: min(stops)], "stop_sequence"
    most = limits.get("maxTokens")
    if isinstance(most, int) and len(text) > most * CHARACTERS_PER_TOKEN:
        text, stop_reason = text[: most * CHARACTERS_PER_TOKEN], "max_tokens"
    return text, stop_reason
