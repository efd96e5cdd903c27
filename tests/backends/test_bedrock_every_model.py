"""Every model of the catalog, asked in every mixture of what a request can hold: the sandbox refuses none of it."""

import json
import random
from datetime import date
from typing import Any

from bedrock_words import assistant, user

from houses import CATALOG
from llm_gateway.backends.bedrock.render import render
from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.content import Message, Reasoning, Text, ToolResult, ToolUse
from llm_gateway.domain.requests import (
    GenerateRequest,
    ModelCall,
    ReasoningWish,
    ResponseFormat,
    ToolChoice,
    ToolSpec,
)
from llm_gateway.sandbox.asked import Asked
from llm_gateway.sandbox.checks import check
from llm_gateway.sandbox.models import read_model_id
from llm_gateway.sandbox.refusals import Refused

REQUESTS_A_MODEL = 40
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "integer", "minimum": 0}}, "required": ["x"]}
CALL, RESULT = ToolUse("t1", "a.b", {}), ToolResult("t1", (Text("rain"),), "success")
TALKS: list[tuple[Message, ...]] = [
    (user("Hi"),),
    (user("Hi"), assistant("Yes"), user("Well")),
    (user("Hi"), user("there")),
]
TOOL_TALKS: list[tuple[Message, ...]] = [
    (user("Hi"), assistant(CALL), user(RESULT)),
    (user("Hi"), assistant(Reasoning("hm", "c2ln"), CALL), user(RESULT, "and?")),
    (user("Hi"), assistant(Reasoning("hm"), "I look", CALL), user(RESULT), assistant("So"), user("Well")),
]
WISHES = [
    *(ReasoningWish(), ReasoningWish("none"), ReasoningWish("minimal"), ReasoningWish("high"), ReasoningWish("max")),
    *(ReasoningWish(budget_tokens=5_000), ReasoningWish(budget_tokens=500_000)),
]
FORMS = [ResponseFormat("json_schema", SCHEMA, "form"), ResponseFormat("json_object")]
CHOICES = [ToolChoice("auto"), ToolChoice("any"), ToolChoice("none"), ToolChoice("tool", "a.b")]
DISAGREEMENTS = (
    "exceeds the model limit",  # the sandbox's table of longest answers is its own
    "on-demand throughput",  # the exchange asks again through a profile
    "tool use in streaming mode",  # the exchange asks again for a whole answer
)


def a_request(card: ModelCard, dice: random.Random) -> GenerateRequest:
    def maybe(chance: float, value: Any) -> Any:
        return value if dice.random() < chance else None

    with_tools = card.can("tools") and dice.random() < 0.6
    return GenerateRequest(
        model=card.name,
        messages=dice.choice([*TALKS, *TOOL_TALKS] if card.can("tools") else TALKS),
        system=(Text("Rules"),) if dice.random() < 0.5 else (),
        tools=(ToolSpec("a.b", SCHEMA, "A", strict=maybe(0.3, True)),) if with_tools else (),
        tool_choice=maybe(0.6, dice.choice(CHOICES)) if with_tools else None,
        reasoning=maybe(0.6, dice.choice(WISHES)),
        response_format=maybe(0.4, dice.choice(FORMS)),
        max_tokens=maybe(0.5, dice.choice([10, 1_500, 5_000, 100_000])),
        temperature=maybe(0.3, 1.5),
        top_p=maybe(0.3, 0.5),
        cache_prompt=dice.random() < 0.5,
    )


def test_no_mixture_is_refused() -> None:
    dice = random.Random(20261121)
    for name in [card.name for card in CATALOG.cards if card.answers and card.lifecycle.status != "retired"]:
        resolved = CATALOG.resolve(name, region="us-east-1", today=date(2026, 11, 21))
        card = resolved.card
        assert card is not None
        for _ in range(REQUESTS_A_MODEL):
            request = a_request(card, dice)
            rendered = render(ModelCall(request, resolved))
            streams = card.can("streaming") and (not rendered.with_tools or card.can("streaming_tools"))
            body = json.loads(rendered.body if streams else rendered.whole_body)
            asked = Asked("ConverseStream" if streams else "Converse", resolved.invoked_id, body)
            try:
                check(asked, read_model_id(resolved.invoked_id))
            except Refused as refused:
                told = refused.refusal.message
                assert any(words in told for words in DISAGREEMENTS), (told, request)
