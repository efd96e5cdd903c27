"""Reasoning of earlier turns: what may go back to this model, unchanged, and what may not. Pure.

Claude takes only thoughts that it signed, or hid itself; the others take none of those. DeepSeek takes none at all.
"""

from dataclasses import replace

from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.content import Block, Message, Reasoning


def fit_thoughts(messages: tuple[Message, ...], card: ModelCard | None, warnings: list[str]) -> tuple[Message, ...]:
    """The conversation without reasoning that this model would refuse. Without a card nothing is left out."""
    if card is None:
        return messages
    dropped = 0
    turns: list[Message] = []
    for message in messages:
        kept = tuple([block for block in message.content if not _is_foreign(block, card)])
        if len(kept) == len(message.content):
            turns.append(message)
            continue
        dropped += len(message.content) - len(kept)
        if kept:
            turns.append(replace(message, content=kept))
    if not dropped or not turns:
        return messages
    warnings.append(f"reasoning of earlier turns that {card.name} would refuse was left out ({dropped} blocks)")
    return tuple(turns)


def _is_foreign(block: Block, card: ModelCard) -> bool:
    if not isinstance(block, Reasoning):
        return False
    sealed = block.signature is not None or block.redacted is not None
    if card.provider == "anthropic":
        return not sealed
    return sealed or not card.can("reasoning") or card.provider == "deepseek"
