"""How the tests of this room speak: a call in one line, a card in one line, an answer gathered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_gateway.backends.contract import AnswerStream, Backend
from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.completions import Completion, Delta, TextDelta
from llm_gateway.domain.content import Block, Message, Text
from llm_gateway.domain.errors import GatewayError
from llm_gateway.domain.requests import GenerateRequest, ModelCall, ResolvedModel

NOVA = "amazon.nova-pro-v1:0"


def card(
    *capabilities: str, name: str = "nova-pro", base_id: str = NOVA, max_output: int = 10_000, **more: Any
) -> ModelCard:
    return ModelCard(
        name=name,
        id=base_id,
        provider=base_id.partition(".")[0],
        description="",
        context_window_tokens=300_000,
        max_output_tokens=max_output,
        capabilities=frozenset(capabilities),
        **more,
    )


FULL = ("system", "streaming", "tools", "streaming_tools")


def user(*content: Block | str) -> Message:
    return Message("user", blocks(content))


def assistant(*content: Block | str) -> Message:
    return Message("assistant", blocks(content))


def blocks(content: tuple[Block | str, ...]) -> tuple[Block, ...]:
    return tuple(Text(block) if isinstance(block, str) else block for block in content)


def ask(*messages: Message | str, model: str = NOVA, card: ModelCard | None = None, **more: Any) -> ModelCall:
    turns = tuple(user(message) if isinstance(message, str) else message for message in messages or ("Hello",))
    return ModelCall(GenerateRequest(model=model, messages=turns, **more), ResolvedModel(model, model, card))


@dataclass
class Heard:
    """What a caller heard of an answer, to its end or to its fault."""

    batches: list[list[Delta]] = field(default_factory=list)
    completion: Completion | None = None
    error: GatewayError | None = None
    opened: bool = False
    partial: Completion | None = None

    @property
    def deltas(self) -> list[Delta]:
        return [delta for batch in self.batches for delta in batch]

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.deltas if isinstance(delta, TextDelta))


async def hear(backend: Backend, call: ModelCall) -> Heard:
    heard = Heard()
    answer: AnswerStream | None = None
    try:
        answer = await backend.open(call)
        heard.opened = True
        async for batch in answer:
            heard.batches.append(list(batch))
        heard.completion = answer.completion()
    except GatewayError as error:
        heard.error = error
    finally:
        if answer is not None:
            heard.partial = answer.partial()
            await answer.aclose()
    return heard


def without(mapping: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name not in names}
