"""Pictures, documents, video and sound against the model's card, before AWS is asked. Pure.

Sizes: Converse's documentation, 3.75 MB an image and 4.5 MB a document, 20 images and 5 documents a message. Whether a
model reads documents is not refused here: the cards do not know it of every model.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.content import Block, Media, Message, ToolResult
from llm_gateway.domain.errors import InvalidRequest, UnsupportedFeature
from llm_gateway.domain.media_types import LARGEST_BYTES, LARGEST_WORDS

_MOST = {"image": 20, "document": 5}
_NAME = re.compile(r"[a-zA-Z0-9 \-()\[\]]{1,200}", re.ASCII)
_REFUSED_CHARACTERS = re.compile(r"[^a-zA-Z0-9 \-()\[\]]+", re.ASCII)
_LONGEST_NAME = 200


def fit_media(messages: tuple[Message, ...], card: ModelCard | None, warnings: list[str]) -> tuple[Message, ...]:
    """The messages with documents named as Bedrock takes it.

    Raises:
        UnsupportedFeature: the card says that the model cannot take such a thing.
        InvalidRequest: too large, or too many.
    """
    has_documents = False
    for at, message in enumerate(messages):
        counts = {"image": 0, "document": 0}
        for field, media in _media_of(message.content, f"messages[{at}].content"):
            _check_kind(media, card, field)
            _check_size(media, field)
            if media.kind in counts:
                counts[media.kind] += 1
                has_documents = has_documents or media.kind == "document"
        for kind, count in counts.items():
            if count > _MOST[kind]:
                field = f"messages[{at}].content"
                raise InvalidRequest(
                    f"{field} holds {count} {kind}s; Bedrock takes at most {_MOST[kind]} in a message", field=field
                )
    return _named(messages, warnings) if has_documents else messages


def _media_of(content: tuple[Block, ...], field: str) -> Iterator[tuple[str, Media]]:
    for at, block in enumerate(content):
        if isinstance(block, Media):
            yield f"{field}[{at}]", block
        elif isinstance(block, ToolResult):
            yield from _media_of(block.content, f"{field}[{at}].content")


def _check_kind(media: Media, card: ModelCard | None, field: str) -> None:
    if card is None or card.takes(media.kind):
        return
    what = "an image" if media.kind == "image" else f"{media.kind} content"
    raise UnsupportedFeature(
        f"{card.name} takes no {media.kind}; {field} holds {what}. "
        f"list_models with the capability {'vision' if media.kind == 'image' else media.kind} shows models that do",
        model=card.name,
        feature=media.kind,
        field=field,
    )


def _check_size(media: Media, field: str) -> None:
    largest, data = LARGEST_BYTES.get(media.kind), media.source.get("bytes")
    if largest is None or not isinstance(data, str):
        return
    size = len(data) * 3 // 4
    if size > largest + 2:
        raise InvalidRequest(
            f"{field} has {size / 1_048_576:.2f} MB; Bedrock takes {media.kind}s of at most "
            f"{LARGEST_WORDS[media.kind]}: make it smaller or give it by s3Location",
            field=f"{field}.source.bytes",
        )


# --- names of documents -----------------------------------------------------------------------------------------------


def _named(messages: tuple[Message, ...], warnings: list[str]) -> tuple[Message, ...]:
    names = _Names()
    named = tuple([replace(message, content=names.named(message.content)) for message in messages])
    for given, sent in names.changed:
        warnings.append(
            f"the document {given[:60]!r} was sent as {sent[:60]!r}: Bedrock allows few characters in names"
        )
    return named if names.touched else messages


class _Names:
    """Gives out names that are allowed, each once."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self.changed: list[tuple[str, str]] = []
        self.touched = False

    def named(self, content: tuple[Block, ...]) -> tuple[Block, ...]:
        return tuple([self._block(block) for block in content])

    def _block(self, block: Block) -> Block:
        if isinstance(block, ToolResult):
            return replace(block, content=self.named(block.content))
        if not isinstance(block, Media) or block.kind != "document":
            return block
        name = self._free(_allowed(block.name or "document"))
        if name == block.name:
            return block
        self.touched = True
        if block.name:
            self.changed.append((block.name, name))
        return replace(block, name=name)

    def _free(self, name: str) -> str:
        free, number = name, 1
        while free in self._used:
            number += 1
            free = f"{name[: _LONGEST_NAME - 8]} ({number})"
        self._used.add(free)
        return free


def _allowed(name: str) -> str:
    if _NAME.fullmatch(name) and "  " not in name:
        return name
    cleaned = " ".join(_REFUSED_CHARACTERS.sub("-", name).split())
    return cleaned[:_LONGEST_NAME].strip("- ") or "document"
