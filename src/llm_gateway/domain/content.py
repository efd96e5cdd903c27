"""What a message holds: the blocks of a conversation, as Converse knows them, in our own frozen values.

JSON that belongs to somebody else (a tool's input, a schema, a media source) stays as decoded JSON and is never
changed once it is inside a block.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

Role = Literal["user", "assistant"]
MediaKind = Literal["image", "document", "video", "audio"]


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text; never blank inside a request that was admitted."""

    text: str


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, document, video or sound.

    ``source`` is Converse's own source object: ``{"bytes": base64 text}``, ``{"s3Location": {...}}`` or, for
    documents, ``{"text": ...}`` or ``{"content": [...]}``. ``options`` holds the remaining members Converse takes
    beside it (``context``, ``citations``), as they go to the wire.
    """

    kind: MediaKind
    format: str
    source: Mapping[str, object]
    name: str | None = None
    options: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedMedia(Media):
    """Media that still stands at an address. The gateway puts the bytes in its place before anything else looks at it.

    ``kinds`` are those that may come from there, ``kind`` the first of them; ``format`` is the caller's word for it, or
    empty. ``field`` is the path of the address as the caller wrote it. ``source`` is empty.
    """

    url: str
    field: str
    kinds: tuple[MediaKind, ...]


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The model's call of a tool. ``input`` is decoded JSON, ``{}`` when the model sent nothing."""

    id: str
    name: str
    input: object
    type: str | None = None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave back: its content blocks are :class:`Text`, :class:`Media` or :class:`Native` (``json`` ...)."""

    tool_use_id: str
    content: tuple["Block", ...]
    status: Literal["success", "error"] | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Reasoning:
    """The model's thinking. Either ``text`` (with the ``signature`` that must come back unchanged) or ``redacted``,
    base64 text that only the model can read."""

    text: str | None = None
    signature: str | None = None
    redacted: str | None = None


@dataclass(frozen=True, slots=True)
class CachePoint:
    """Ends a prompt prefix that Bedrock is asked to keep; ``ttl`` is ``5m``, ``1h`` or unset (5m)."""

    ttl: str | None = None


@dataclass(frozen=True, slots=True)
class Native:
    """Any other Converse block, kept whole: ``kind`` is its name on the wire, ``body`` what stands under it."""

    kind: str
    body: object


Block = Text | Media | ToolUse | ToolResult | Reasoning | CachePoint | Native


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. ``content`` is in the order of the conversation and never empty."""

    role: Role
    content: tuple[Block, ...]


def has_links(messages: tuple[Message, ...]) -> bool:
    """Whether something in them still stands at an address."""
    for message in messages:
        for block in message.content:
            kind = type(block)
            if kind is LinkedMedia:
                return True
            if kind is ToolResult and any([type(inner) is LinkedMedia for inner in cast("ToolResult", block).content]):
                return True
    return False


def cited_texts(block: Native) -> list[str]:
    """The texts of an answer with citations (``citationsContent``); none for any other block."""
    if block.kind != "citationsContent" or not isinstance(block.body, dict):
        return []
    body = cast("dict[str, object]", block.body)  # pyright: ignore[reportUnknownMemberType] - any JSON object
    parts = body.get("content")
    if not isinstance(parts, list):
        return []
    texts = [
        cast("dict[str, object]", part).get("text") for part in cast("list[object]", parts) if isinstance(part, dict)
    ]
    return [text for text in texts if isinstance(text, str)]


def citations_of(block: Native) -> list[Mapping[str, object]]:
    """The sources that an answer with citations names, as Converse tells them."""
    if block.kind != "citationsContent" or not isinstance(block.body, dict):
        return []
    told = cast("dict[str, object]", block.body).get("citations")  # pyright: ignore[reportUnknownMemberType] - any JSON
    items = cast("list[object]", told) if isinstance(told, list) else []
    return [cast("Mapping[str, object]", item) for item in items if isinstance(item, dict)]


def text_of(blocks: tuple[Block, ...]) -> str:
    """All text of the blocks, cited text too, joined without a separator; tool calls and reasoning are left out."""
    pieces: list[str] = []
    for block in blocks:
        if isinstance(block, Text):
            pieces.append(block.text)
        elif isinstance(block, Native):
            pieces.extend(cited_texts(block))
    return "".join(pieces)
