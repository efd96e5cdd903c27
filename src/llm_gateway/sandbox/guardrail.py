"""A guardrail that blocks: guardrailConfig is given, and its id holds `block` or a text holds `[[blocked]]`. Pure."""

from llm_gateway.sandbox.wire_json import Json, as_object, as_text, canonical

_MARKER = b"[[blocked]]"
_WORDS = "Sorry, the sandbox's guardrail has blocked this."
_NO_UNITS = {
    "topicPolicyUnits": 0,
    "contentPolicyUnits": 0,
    "wordPolicyUnits": 1,
    "sensitiveInformationPolicyUnits": 0,
    "sensitiveInformationPolicyFreeUnits": 0,
    "contextualGroundingPolicyUnits": 0,
}


def blocked(body: Json) -> bool:
    config = as_object(body.get("guardrailConfig"))
    if not config:
        return False
    return "block" in as_text(config.get("guardrailIdentifier")) or _MARKER in canonical(body.get("messages"))


def blocked_answer(body: Json) -> Json:
    """The guardrail's own words; the model was not asked, so no tokens."""
    config = as_object(body.get("guardrailConfig"))
    answer: Json = {
        "output": {"message": {"content": [{"text": _WORDS}], "role": "assistant"}},
        "stopReason": "guardrail_intervened",
        "usage": {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0, "serverToolUsage": {}},
    }
    if config.get("trace") in ("enabled", "enabled_full"):
        answer["trace"] = {"guardrail": _assessment(as_text(config.get("guardrailIdentifier")))}
    return answer


def _assessment(guardrail_id: str) -> Json:
    word = {"match": "[[blocked]]", "action": "BLOCKED", "detected": True}
    return {
        "actionReason": "Guardrail blocked.",
        "modelOutput": [],
        "inputAssessment": {
            guardrail_id: {
                "wordPolicy": {"customWords": [word], "managedWordLists": []},
                "invocationMetrics": {"guardrailProcessingLatency": 1, "usage": _NO_UNITS},
            }
        },
    }
