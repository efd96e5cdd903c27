"""Thinking aloud: when a reasoning block comes first, and its signature, which must come back unchanged. Pure."""

import base64
import hmac
from hashlib import blake2b

from llm_gateway.sandbox.models import ModelFacts
from llm_gateway.sandbox.refusals import from_the_model
from llm_gateway.sandbox.wire_json import Json, as_object, as_text, objects

_KEY = b"the sandbox keeps no secrets"
_SIGNED_HERE = "U2FuZGJveA"
_REDACTED = "[[redacted]]"


def thinks(body: Json, facts: ModelFacts) -> bool:
    """Whether the request, or the model's nature, asks for reasoning."""
    if facts.reasoning == "none":
        return False
    fields = as_object(body.get("additionalModelRequestFields"))
    return (
        as_object(fields.get("thinking")).get("type") in ("enabled", "adaptive")
        or as_object(fields.get("reasoningConfig")).get("type") == "enabled"
        or fields.get("reasoning_effort", "none") != "none"
        or "reasoning_config" in fields
        or facts.always_thinks
    )


def reasoning_block(thought: str, model_id: str, asked: str, facts: ModelFacts) -> Json:
    if _REDACTED in asked:
        hidden = base64.b64encode(f"{_SIGNED_HERE}:{thought}".encode()).decode()
        return {"reasoningContent": {"redactedContent": hidden}}
    if facts.family == "nova":
        return {"reasoningContent": {"reasoningText": {"text": "[REDACTED]"}}}
    told: Json = {"text": thought}
    if facts.signed:
        told["signature"] = signature(thought, model_id)
    return {"reasoningContent": {"reasoningText": told}}


def signature(thought: str, model_id: str) -> str:
    """Bound to the text and to the model, as the real ones are."""
    made = hmac.new(_KEY, f"{model_id}\x00{thought}".encode(), blake2b).digest()
    return _SIGNED_HERE + base64.b64encode(made).decode()


def check_signatures(body: Json, bare_id: str, facts: ModelFacts) -> None:
    """Raises Refused for a thought that was changed, or came from another model.

    Signatures that were not made here (real ones, of a recorded conversation) pass.
    """
    if not facts.signed:
        return
    for at, message in enumerate(objects(body.get("messages"))):
        for place, block in enumerate(objects(message.get("content"))):
            told = as_object(as_object(block.get("reasoningContent")).get("reasoningText"))
            given = as_text(told.get("signature"))
            if given.startswith(_SIGNED_HERE) and given != signature(as_text(told.get("text")), bare_id):
                raise from_the_model(f"messages.{at}.content.{place}: Invalid `signature` in `thinking` block")


def check_thoughts_kept(body: Json, facts: ModelFacts) -> None:
    """Raises Refused when thinking is on and the turn whose tool calls are answered comes without its thoughts."""
    fields = as_object(body.get("additionalModelRequestFields"))
    messages = objects(body.get("messages"))
    if not facts.signed or as_object(fields.get("thinking")).get("type") != "enabled" or len(messages) < 2:
        return
    turn = objects(messages[-2].get("content"))
    if any("toolUse" in block for block in turn) and "reasoningContent" not in turn[0]:
        found = "tool_use" if "toolUse" in turn[0] else "text"
        raise from_the_model(
            f"messages.{len(messages) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
            f"`{found}`."
        )
