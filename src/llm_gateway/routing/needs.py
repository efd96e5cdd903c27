"""What a request needs of a model, and what a card lacks of it. Pure.

A card is a lower bound: where it says nothing about a model, that model is given a try.
"""

from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.content import Media, ToolResult, ToolUse
from llm_gateway.domain.requests import GenerateRequest


class Needs:
    """Of one request; worked out once."""

    __slots__ = ("media", "reasoning", "schema", "tools")

    def __init__(self, request: GenerateRequest) -> None:
        media: set[str] = set()
        calls = False
        for message in request.messages:
            for block in message.content:
                if isinstance(block, Media):
                    media.add(block.kind)
                elif isinstance(block, ToolUse):
                    calls = True
                elif isinstance(block, ToolResult):
                    calls = True
                    media.update([part.kind for part in block.content if isinstance(part, Media)])
        self.media = frozenset(media)
        self.tools = calls or bool(request.tools)
        wish = request.reasoning
        self.reasoning = wish is not None and wish.effort != "none"
        form = request.response_format
        self.schema = form is not None and form.kind == "json_schema"

    def lacking(self, card: ModelCard | None) -> tuple[str, ...]:
        """What the model cannot, in the words of ``list_models``; empty where it fits, or nothing is known."""
        if card is None:
            return ()
        if not card.answers:
            return ("text",)
        lacks = [f"{kind} input" for kind in sorted(self.media) if not card.takes(kind)]
        if self.tools and not card.can("tools"):
            lacks.append("tools")
        if self.reasoning and not card.can("reasoning"):
            lacks.append("reasoning")
        return tuple(lacks)

    def is_strained_by(self, card: ModelCard | None) -> bool:
        """Whether the model would answer, but not as well as others: with tools in one piece instead of a stream, or
        held to a schema by words alone."""
        if card is None:
            return False
        return (self.tools and not card.can("streaming_tools")) or (self.schema and not card.can("json_schema"))
