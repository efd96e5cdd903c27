"""Arguments mutated at any depth are refused with a field, or become a request that can be rendered. Nothing else."""

import copy
import math
import random
from datetime import date
from typing import Any

import pytest

from fuzzing import fuzzed
from houses import CATALOG
from llm_gateway.backends.bedrock.render import render
from llm_gateway.domain.errors import InvalidRequest, UnsupportedFeature
from llm_gateway.domain.requests import ModelCall
from llm_gateway.surfaces.generate_arguments import decode_generate

SEEDS, BODIES = fuzzed("3x1500")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 1}, "days": {"anyOf": [{"type": "integer"}, True]}},
    "required": ["city"],
}
FULL: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": [{"text": "Rules"}, {"cachePoint": {"ttl": "5m"}}]},
        {"role": "user", "content": [{"text": "Look"}, {"image": {"format": "png", "source": {"bytes": "aGk="}}}]},
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
                {"toolUse": {"toolUseId": "t1", "name": "a.b", "input": {"city": "Rome"}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "toolResult": {
                        "toolUseId": "t1",
                        "content": [{"json": {"x": 1}}, {"text": "rain"}],
                        "status": "success",
                    }
                },
                {"document": {"format": "txt", "name": "a.txt", "source": {"text": "x"}}},
            ],
        },
    ],
    "max_tokens": 3_000,
    "temperature": 0.5,
    "tools": [{"name": "a.b", "description": "A", "input_schema": SCHEMA, "strict": True}],
    "tool_choice": {"name": "a.b"},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "form", "schema": SCHEMA}},
    "reasoning": {"effort": "low"},
    "guardrail": {"id": "gr", "version": "1", "trace": "enabled", "stream_mode": "async"},
    "service_tier": "flex",
    "latency": "standard",
    "metadata": {"team": "a"},
    "additional_model_request_fields": {"thinking": {"type": "enabled", "budget_tokens": 2_000}, "top_k": 5},
    "cache_prompt": True,
}
MODELS = (
    "nova-lite",
    "nova-2-lite",
    "claude-haiku-4-5",
    "claude-sonnet-5-5",
    "llama-4-maverick",
    "gpt-oss-120b",
    "amazon.nova-9-v1:0",
)
STRANGE: list[Any] = [
    *(None, True, 0, -1, 1.5, math.nan, math.inf, 2**70, "", " ", "\ud800", "x" * 600, "日本", "none"),
    *([], {}, [[]], {"": {}}, {"type": "object"}, {"type": []}, [None], {"$ref": "#"}),
]


def mutated(value: Any, dice: random.Random) -> Any:
    """The value with one to three of its parts replaced, left out, doubled or renamed."""
    whole = copy.deepcopy(value)
    for _ in range(dice.randint(1, 3)):
        place, key = whole, dice.choice(list(whole))
        while isinstance(place[key], dict | list) and place[key] and dice.random() < 0.75:
            place = place[key]
            key = dice.choice(list(place)) if isinstance(place, dict) else dice.randrange(len(place))
        match dice.randrange(4) if isinstance(place, dict) else dice.randrange(2):
            case 0 | 3:
                place[key] = copy.deepcopy(dice.choice(STRANGE))
            case 1:
                place.pop(key)
            case _:
                place[f"{key}x"] = place.pop(key)
        if not whole:
            break
    return whole


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_mutated_arguments_are_refused_by_name_or_taken(seed: int) -> None:
    dice = random.Random(seed)
    taken = refused = 0
    for _ in range(BODIES):
        model = dice.choice(MODELS)
        arguments = {"model": model, **mutated(FULL, dice)}
        resolved = CATALOG.resolve(model, region="us-east-1", today=date(2026, 11, 21))
        try:
            render(ModelCall(decode_generate(arguments), resolved))
            taken += 1
        except (InvalidRequest, UnsupportedFeature) as error:
            assert error.field, (error.message, arguments)
            error.message.encode()
            refused += 1
    assert taken > BODIES / 20
    assert refused > BODIES / 20
