"""How much a model should think, from the caller's terms to each family's own fields. Pure.

A thinking budget counts within ``max_tokens``; Claude takes one of at least 1,024 tokens that is smaller than it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from llm_gateway.backends.bedrock.json_shape import as_object
from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.content import Message, Reasoning, ToolResult, ToolUse
from llm_gateway.domain.requests import GenerateRequest, ReasoningWish

Json = dict[str, object]

LEAST_BUDGET_TOKENS = 1_024
_ROOM_TO_ANSWER_TOKENS = 1_024
_BUDGETS: Mapping[str, int] = {"minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 16_384, "max": 32_000}
_LOW_UP_TO, _MEDIUM_UP_TO = 4_096, 16_384
_THREE: Mapping[str, str] = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "max": "high"}
_MAX_EFFORT = ("opus", "fable", "mythos")
"""Claude models that are said to take the effort ``max``."""


class Thinking(NamedTuple):
    """Fields for the model, and the caller's ``max_tokens``, changed where thinking needs it."""

    fields: Json
    max_tokens: int | None


def plan_thinking(
    request: GenerateRequest, card: ModelCard | None, messages: Sequence[Message], warnings: list[str]
) -> Thinking:
    """What the wish means for this model; nothing without a wish."""
    wish = request.reasoning
    if wish is None:
        return Thinking({}, request.max_tokens)
    if card is None:
        if wish.effort != "none":
            warnings.append(
                "reasoning was left out: it is not known how this model is asked to think; "
                "use additional_model_request_fields"
            )
        return Thinking({}, request.max_tokens)
    plan = _Plan(wish, card, request.max_tokens, messages, warnings)
    return Thinking(_family(card)(plan), plan.max_tokens)


def merged(ours: Json, callers: Mapping[str, object] | None) -> Mapping[str, object] | None:
    """Both fields; the caller's win, also inside objects that both name."""
    if not ours or not callers:
        return callers or ours or None
    return {**ours, **{name: _joined(ours.get(name), value) for name, value in callers.items()}}


def _joined(ours: object, callers: object) -> object:
    """Members of both, unless the caller's object is of another type than ours (``thinking: {type: disabled}``)."""
    own, theirs = as_object(ours), as_object(callers)
    if not own or not theirs or theirs.get("type", own.get("type")) != own.get("type"):
        return callers
    return {**own, **theirs}


@dataclass(slots=True)
class _Plan:
    wish: ReasoningWish
    card: ModelCard
    max_tokens: int | None
    messages: Sequence[Message]
    warnings: list[str]

    @property
    def is_off(self) -> bool:
        return self.wish.effort == "none"

    def effort(self, default: str | None = None) -> str | None:
        """The effort asked for, or the one a budget stands for."""
        budget = self.wish.budget_tokens
        if budget is None:
            return self.wish.effort or default
        word = "low" if budget <= _LOW_UP_TO else "medium" if budget <= _MEDIUM_UP_TO else "high"
        self.warnings.append(
            f"reasoning.budget_tokens {budget} was sent as the effort {word}: {self.card.name} takes no budget"
        )
        return word

    def three(self, default: str = "medium") -> str:
        """One of low, medium, high."""
        asked = self.effort(default) or default
        if asked == "max":
            self.warnings.append(f"reasoning.effort max was sent as high, the most {self.card.name} takes")
        return _THREE[asked]

    def cannot_stop(self) -> None:
        self.warnings.append(f"reasoning cannot be switched off: {self.card.name} always thinks")


def _family(card: ModelCard) -> Callable[[_Plan], Json]:
    if not card.can("reasoning"):
        return _without
    return next((plan for start, plan in _FAMILIES if card.id.startswith(start)), _unknown)


def _claude(plan: _Plan) -> Json:
    always = plan.card.can("thinking_always_on")
    if plan.is_off:
        if always:
            plan.cannot_stop()
        return {}
    if always or plan.card.can("adaptive_thinking"):
        return _adaptive(plan)
    if _lacks_thoughts(plan.messages):
        plan.warnings.append(
            "reasoning was left out of this turn: the tool calls that are answered came without the signed "
            "reasoning that led to them; send it back to keep the model thinking"
        )
        return {}
    return {"thinking": {"type": "enabled", "budget_tokens": _budget(plan)}}


def _adaptive(plan: _Plan) -> Json:
    fields: Json = {"thinking": {"type": "adaptive"}}
    effort = plan.effort()
    if effort is None:
        return fields
    if effort == "max" and not any([word in plan.card.id for word in _MAX_EFFORT]):
        effort = plan.three()
    return {**fields, "output_config": {"effort": "low" if effort == "minimal" else effort}}


def _budget(plan: _Plan) -> int:
    """The budget; sets ``max_tokens`` where the caller's leaves no room."""
    most, asked = plan.card.max_output_tokens, plan.max_tokens
    ceiling = max(LEAST_BUDGET_TOKENS, most - _ROOM_TO_ANSWER_TOKENS)
    budget = plan.wish.budget_tokens
    if budget is None:
        budget = min(_BUDGETS[plan.wish.effort or "medium"], ceiling)
        if asked is not None and budget >= asked and asked - asked // 4 >= LEAST_BUDGET_TOKENS:
            budget = asked - asked // 4
            plan.warnings.append(f"thinking was limited to {budget} tokens, three quarters of max_tokens")
    elif not LEAST_BUDGET_TOKENS <= budget <= ceiling:
        given, budget = budget, min(max(budget, LEAST_BUDGET_TOKENS), ceiling)
        plan.warnings.append(
            f"reasoning.budget_tokens was changed from {given} to {budget}, what {plan.card.name} takes"
        )
    if asked is not None and asked <= budget:
        plan.max_tokens = min(asked + budget, most)
        plan.warnings.append(
            f"max_tokens was raised from {asked} to {plan.max_tokens}: thinking may take {budget} of them"
        )
    return budget


def _lacks_thoughts(messages: Sequence[Message]) -> bool:
    """Whether the last turn answers calls that were made without (signed) thinking before them."""
    at = len(messages)
    while at and messages[at - 1].role == "user":
        at -= 1
    if not any([isinstance(block, ToolResult) for message in messages[at:] for block in message.content]):
        return False
    start = at
    while start and messages[start - 1].role == "assistant":
        start -= 1
    spoken = [block for message in messages[start:at] for block in message.content]
    calls = any([isinstance(block, ToolUse) and block.type is None for block in spoken])
    return calls and not isinstance(spoken[0], Reasoning)


def _nova(plan: _Plan) -> Json:
    if plan.is_off:
        return {}
    effort = plan.three()
    if effort == "high" and plan.max_tokens is not None:
        effort = "medium"
        plan.warnings.append(
            f"reasoning.effort high was sent as medium: {plan.card.name} takes no max_tokens with high"
        )
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort}}


def _openai(plan: _Plan) -> Json:
    if plan.is_off:
        if plan.card.can("thinking_always_on"):
            plan.cannot_stop()
            return {"reasoning_effort": "low"}
        return _unknown_off(plan)
    return {"reasoning_effort": plan.three()}


def _qwen(plan: _Plan) -> Json:
    if plan.is_off:
        return _unknown_off(plan)
    effort = plan.three()
    if effort == "medium":
        plan.warnings.append(f"reasoning.effort medium was sent as high: {plan.card.name} takes low or high")
    return {"reasoning_config": "low" if effort == "low" else "high"}


def _always(plan: _Plan) -> Json:
    if plan.is_off:
        plan.cannot_stop()
    else:
        plan.warnings.append(f"reasoning was left out: {plan.card.name} always thinks, and takes no setting for it")
    return {}


def _unknown(plan: _Plan) -> Json:
    if plan.is_off:
        return _unknown_off(plan)
    plan.warnings.append(f"reasoning was left out: no setting for it is known for {plan.card.name}")
    return {}


def _unknown_off(plan: _Plan) -> Json:
    plan.warnings.append(f"reasoning.effort none was left out: {plan.card.name} knows no way to switch it off")
    return {}


def _without(plan: _Plan) -> Json:
    if not plan.is_off:
        plan.warnings.append(f"reasoning was left out: {plan.card.name} does not think aloud")
    return {}


_FAMILIES: tuple[tuple[str, Callable[[_Plan], Json]], ...] = (
    ("anthropic.", _claude),
    ("amazon.nova-2", _nova),
    ("openai.", _openai),
    ("qwen.", _qwen),
    ("deepseek.r1", _always),
)
