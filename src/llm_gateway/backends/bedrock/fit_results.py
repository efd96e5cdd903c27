"""Tool results as each family takes them: alone in their message, or without media. Pure.

What can be mended with certainty is (a text goes into the last result); the rest is refused with its place. Source:
live checks of other clients against Bedrock, 2026.
"""

from collections.abc import Sequence
from dataclasses import replace

from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.content import Block, CachePoint, Media, Message, Text, ToolResult
from llm_gateway.domain.errors import UnsupportedFeature

_ALONE = ("meta.", "mistral.", "writer.")
_NO_MEDIA = ("qwen.", "moonshot.", "moonshotai.")
_NO_IMAGES = ("mistral.",)
_NOVA_REFUSES = frozenset({"pdf", "doc", "docx"})
_CLAUDE_KEEPS_APART = frozenset({"document", "video"})


def fit_results(messages: tuple[Message, ...], card: ModelCard | None, warnings: list[str]) -> tuple[Message, ...]:
    """The conversation; each turn merged already.

    Raises:
        UnsupportedFeature: a result holds what this family does not take from a tool.
    """
    if card is None:
        return messages
    turns = [_fit_turn(message, at, card, warnings) for at, message in enumerate(messages)]
    return tuple(turns)


def _fit_turn(message: Message, at: int, card: ModelCard, warnings: list[str]) -> Message:
    results = [block for block in message.content if isinstance(block, ToolResult) and block.type is None]
    if not results:
        return message
    for result in results:
        _check_inside(result.content, card, f"messages[{at}].content")
    if card.id.startswith(_ALONE):
        return _moved(
            message, [block for block in message.content if not isinstance(block, ToolResult)], card, warnings
        )
    if card.provider == "anthropic":
        apart = [block for block in message.content if isinstance(block, Media) and block.kind in _CLAUDE_KEEPS_APART]
        return _moved(message, apart, card, warnings)
    return message


def _moved(message: Message, beside: Sequence[Block], card: ModelCard, warnings: list[str]) -> Message:
    """These blocks put at the end of the turn's last result."""
    if not beside:
        return message
    for block in beside:
        if not isinstance(block, Text | Media | CachePoint):
            return message  # nobody knows: Bedrock says
    moving = [block for block in beside if not isinstance(block, CachePoint)]
    content = [block for block in message.content if not any([block is each for each in beside])]
    last = max([at for at, block in enumerate(content) if isinstance(block, ToolResult)])
    result = content[last]
    if isinstance(result, ToolResult):
        content[last] = replace(result, content=(*result.content, *moving))
    warnings.append(f"what stands beside a tool result was put into it: {card.name} takes a result alone")
    return replace(message, content=tuple(content))


def _check_inside(content: Sequence[Block], card: ModelCard, field: str) -> None:
    for block in content:
        if isinstance(block, Media) and _is_refused(block, card):
            what = f"{block.format} documents" if block.kind == "document" else f"{block.kind}s"
            raise UnsupportedFeature(
                f"{card.name} takes no {what} inside a tool result; give a text there, or put it into a user message",
                model=card.name,
                feature=f"{block.kind}_in_tool_result",
                field=field,
            )


def _is_refused(media: Media, card: ModelCard) -> bool:
    if card.id.startswith(_NO_MEDIA):
        return True
    if card.id.startswith(_NO_IMAGES):
        return media.kind == "image"
    return card.id.startswith("amazon.nova") and media.kind == "document" and media.format in _NOVA_REFUSES
