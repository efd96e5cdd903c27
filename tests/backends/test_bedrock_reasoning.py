"""Effort or budget in the caller's terms becomes each family's own fields; thoughts go back where they belong."""

import json
from typing import Any

import pytest
from bedrock_words import FULL, ask, assistant, card, user

from llm_gateway.backends.bedrock.render import render
from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.content import Reasoning, Text, ToolResult, ToolUse
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import ReasoningWish


def model(base_id: str, *more: str, max_output: int = 64_000) -> ModelCard:
    return card(*FULL, "reasoning", *more, base_id=base_id, name=base_id.partition(".")[2], max_output=max_output)


BUDGETED = model("anthropic.claude-sonnet-4-5-20250929-v1:0")
ADAPTIVE = model("anthropic.claude-sonnet-4-6", "adaptive_thinking")
OPUS = model("anthropic.claude-opus-4-6-v1", "adaptive_thinking")
ALWAYS = model("anthropic.claude-sonnet-5-5", "adaptive_thinking", "thinking_always_on", "no_sampling_params")
NOVA_2 = model("amazon.nova-2-lite-v1:0")
GPT_OSS = model("openai.gpt-oss-120b-1:0", "thinking_always_on")
GPT = model("openai.gpt-6-sol")
QWEN = model("qwen.qwen3-32b-v1:0")
R1 = model("deepseek.r1-v1:0", "thinking_always_on")
GLM = model("zai.glm-5")
NONE = card(*FULL)

ADAPT = {"type": "adaptive"}


def nova(effort: str) -> dict[str, Any]:
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort}}


def enabled(budget: int) -> dict[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


# card, wish, fields, number of warnings
FIELDS: list[tuple[ModelCard | None, ReasoningWish, dict[str, Any] | None, int]] = [
    (BUDGETED, ReasoningWish("none"), None, 0),
    (BUDGETED, ReasoningWish(budget_tokens=5_000), enabled(5_000), 1),
    (BUDGETED, ReasoningWish("minimal"), enabled(1_024), 0),
    (BUDGETED, ReasoningWish("low"), enabled(2_048), 1),
    (BUDGETED, ReasoningWish(), enabled(8_192), 1),
    (BUDGETED, ReasoningWish("high"), enabled(16_384), 1),
    (BUDGETED, ReasoningWish(budget_tokens=10), enabled(1_024), 1),
    (BUDGETED, ReasoningWish(budget_tokens=100_000), enabled(62_976), 2),
    (ADAPTIVE, ReasoningWish(), {"thinking": ADAPT}, 0),
    (ADAPTIVE, ReasoningWish("none"), None, 0),
    (ADAPTIVE, ReasoningWish("minimal"), {"thinking": ADAPT, "output_config": {"effort": "low"}}, 0),
    (ADAPTIVE, ReasoningWish("high"), {"thinking": ADAPT, "output_config": {"effort": "high"}}, 0),
    (ADAPTIVE, ReasoningWish("max"), {"thinking": ADAPT, "output_config": {"effort": "high"}}, 1),
    (OPUS, ReasoningWish("max"), {"thinking": ADAPT, "output_config": {"effort": "max"}}, 0),
    (ADAPTIVE, ReasoningWish(budget_tokens=10_000), {"thinking": ADAPT, "output_config": {"effort": "medium"}}, 1),
    (ALWAYS, ReasoningWish("none"), None, 1),
    (ALWAYS, ReasoningWish("low"), {"thinking": ADAPT, "output_config": {"effort": "low"}}, 0),
    (NOVA_2, ReasoningWish("none"), None, 0),
    (NOVA_2, ReasoningWish(), nova("medium"), 0),
    (NOVA_2, ReasoningWish("minimal"), nova("low"), 0),
    (NOVA_2, ReasoningWish("high"), nova("high"), 0),
    (NOVA_2, ReasoningWish("max"), nova("high"), 1),
    (NOVA_2, ReasoningWish(budget_tokens=20_000), nova("high"), 1),
    (GPT_OSS, ReasoningWish("none"), {"reasoning_effort": "low"}, 1),
    (GPT_OSS, ReasoningWish("high"), {"reasoning_effort": "high"}, 0),
    (GPT, ReasoningWish("none"), None, 1),
    (GPT, ReasoningWish("minimal"), {"reasoning_effort": "low"}, 0),
    (QWEN, ReasoningWish("none"), None, 1),
    (QWEN, ReasoningWish("low"), {"reasoning_config": "low"}, 0),
    (QWEN, ReasoningWish("medium"), {"reasoning_config": "high"}, 1),
    (R1, ReasoningWish("none"), None, 1),
    (R1, ReasoningWish("high"), None, 1),
    (GLM, ReasoningWish("high"), None, 1),
    (GLM, ReasoningWish("none"), None, 1),
    (NONE, ReasoningWish("high"), None, 1),
    (NONE, ReasoningWish("none"), None, 0),
    (None, ReasoningWish("high"), None, 1),
    (None, ReasoningWish("none"), None, 0),
]


@pytest.mark.parametrize(("able", "wish", "fields", "warned"), FIELDS)
def test_a_wish_becomes_the_familys_own_fields(
    able: ModelCard | None, wish: ReasoningWish, fields: dict[str, Any] | None, warned: int
) -> None:
    rendered = render(ask(reasoning=wish, card=able))
    assert json.loads(rendered.body).get("additionalModelRequestFields") == fields
    assert len(rendered.warnings) == warned, rendered.warnings


@pytest.mark.parametrize(
    ("wish", "max_tokens", "budget", "sent"),
    [
        (ReasoningWish("high"), 4_000, 3_000, 4_000),
        (ReasoningWish("low"), 500, 2_048, 2_548),
        (ReasoningWish(budget_tokens=4_000), 1_000, 4_000, 5_000),
        (ReasoningWish(budget_tokens=4_000), 8_000, 4_000, 8_000),
        (ReasoningWish(budget_tokens=60_000), 10_000, 60_000, 64_000),
    ],
)
def test_thinking_has_room_within_max_tokens(wish: ReasoningWish, max_tokens: int, budget: int, sent: int) -> None:
    rendered = render(ask(reasoning=wish, max_tokens=max_tokens, card=BUDGETED))
    body = json.loads(rendered.body)
    assert body["additionalModelRequestFields"]["thinking"]["budget_tokens"] == budget
    assert body["inferenceConfig"]["maxTokens"] == sent
    assert bool(rendered.warnings) == (sent != max_tokens or budget not in (wish.budget_tokens, 16_384))


def test_nova_keeps_the_callers_limit_and_thinks_less() -> None:
    rendered = render(ask(reasoning=ReasoningWish("high"), max_tokens=100, card=NOVA_2))
    body = json.loads(rendered.body)
    assert body["additionalModelRequestFields"] == nova("medium")
    assert body["inferenceConfig"]["maxTokens"] == 100
    assert "inferenceConfig" not in json.loads(render(ask(reasoning=ReasoningWish("high"), card=NOVA_2)).body)


def test_sampling_is_left_out_while_claude_thinks() -> None:
    rendered = render(ask(reasoning=ReasoningWish("minimal"), card=BUDGETED))
    assert json.loads(rendered.body)["inferenceConfig"] == {"maxTokens": 2000}
    assert rendered.warnings == ()
    rendered = render(ask(reasoning=ReasoningWish("minimal"), temperature=0.2, top_p=0.5, card=BUDGETED))
    assert json.loads(rendered.body)["inferenceConfig"] == {"maxTokens": 2000}
    assert [warning.split()[0] for warning in rendered.warnings] == ["temperature", "top_p"]


def test_the_callers_own_fields_win() -> None:
    def fields(wish: ReasoningWish, **extra: Any) -> dict[str, Any]:
        body = json.loads(render(ask(reasoning=wish, extra_fields=extra, card=ADAPTIVE)).body)
        return body["additionalModelRequestFields"]

    high = ReasoningWish("high")
    assert fields(high, top_k=5) == {"thinking": ADAPT, "output_config": {"effort": "high"}, "top_k": 5}
    assert fields(high, output_config={"x": 1})["output_config"] == {"effort": "high", "x": 1}
    assert fields(high, output_config={"effort": "low"})["output_config"] == {"effort": "low"}
    assert fields(high, thinking={"type": "disabled"})["thinking"] == {"type": "disabled"}
    assert fields(high, thinking=7)["thinking"] == 7


@pytest.mark.parametrize("wish", [ReasoningWish(budget_tokens=0), ReasoningWish(budget_tokens=True)])
def test_a_budget_is_a_count(wish: ReasoningWish) -> None:
    with pytest.raises(InvalidRequest) as caught:
        render(ask(reasoning=wish))
    assert caught.value.field == "reasoning.budget_tokens"
    strange: Any = "a lot"
    with pytest.raises(InvalidRequest) as caught:
        render(ask(reasoning=ReasoningWish(strange)))
    assert caught.value.field == "reasoning.effort"


# --- thoughts of earlier turns ----------------------------------------------------------------------------------------

SIGNED, HIDDEN, PLAIN = Reasoning("I look", "c2ln"), Reasoning(redacted="c2Vj"), Reasoning("I look")
CALL, RESULT = ToolUse("t1", "look", {}), ToolResult("t1", (Text("found"),))


def kept_by(able: ModelCard | None) -> list[list[str]]:
    call = ask("Why?", assistant(SIGNED, HIDDEN, PLAIN, "So."), "Really?", card=able)
    content = json.loads(render(call).body)["messages"][1]["content"]
    return [sorted(next(iter(block["reasoningContent"].values()))) for block in content if "reasoningContent" in block]


def test_signed_thoughts_go_back_to_claude_and_others_to_the_rest() -> None:
    assert len(kept_by(None)) == 3
    claude = kept_by(BUDGETED)
    assert claude[0] == ["signature", "text"]
    assert len(claude) == 2
    assert kept_by(GPT_OSS) == [["text"]]
    assert kept_by(R1) == []
    assert kept_by(NONE) == []
    warned = render(ask("Why?", assistant(PLAIN, "So."), "Really?", card=BUDGETED)).warnings
    assert "1 blocks" in warned[0]
    assert render(ask("Why?", assistant(SIGNED, "So."), "Really?", card=BUDGETED)).warnings == ()


def test_a_turn_of_nothing_but_foreign_thoughts_goes_with_them() -> None:
    body = json.loads(render(ask("Why?", assistant(PLAIN), "Really?", card=BUDGETED)).body)
    assert [turn["role"] for turn in body["messages"]] == ["user"]


def test_signed_thoughts_before_a_call_keep_the_model_thinking() -> None:
    call = ask("Look", assistant(SIGNED, CALL), user(RESULT), reasoning=ReasoningWish("minimal"), card=BUDGETED)
    body = json.loads(render(call).body)
    assert body["additionalModelRequestFields"] == enabled(1_024)
    thought = {"reasoningText": {"text": "I look", "signature": "c2ln"}}
    assert body["messages"][1]["content"][0] == {"reasoningContent": thought}


@pytest.mark.parametrize("spoken", [(CALL,), ("I will", CALL), (PLAIN, CALL)])
def test_calls_without_their_thoughts_switch_thinking_off(spoken: tuple[Any, ...]) -> None:
    call = ask("Look", assistant(*spoken), user(RESULT), reasoning=ReasoningWish("low"), card=BUDGETED)
    rendered = render(call)
    assert "additionalModelRequestFields" not in json.loads(rendered.body)
    assert any("reasoning was left out of this turn" in warning for warning in rendered.warnings)
    later = ask(
        "Look", assistant(*spoken), user(RESULT), assistant("Ok"), "So?", reasoning=ReasoningWish("low"), card=BUDGETED
    )
    assert "additionalModelRequestFields" in json.loads(render(later).body)
