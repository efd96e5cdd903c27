"""Addresses in place of bytes, as callers write them. Pure: whether and how they are fetched is decided later."""

from collections.abc import Mapping

from llm_gateway.domain.content import LinkedMedia, MediaKind
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.surfaces.json_values import filled_text, shown

ANY_KIND: tuple[MediaKind, ...] = ("document", "image", "video", "audio")


def is_link(text: str) -> bool:
    """Whether the text is an address of the web."""
    return text[:8].lower().startswith(("http://", "https://"))


def a_link(value: object, field: str) -> str:
    """The value as an address of the web."""
    url = filled_text(value, field)
    if not is_link(url):
        raise InvalidRequest(f"{field} must be an address, https://...; got {shown(url)}", field=field)
    return url


def linked(
    url: str,
    field: str,
    *kinds: MediaKind,
    format_: str = "",
    name: str | None = None,
    options: Mapping[str, object] | None = None,
) -> LinkedMedia:
    """What stands at the address: one of ``kinds``."""
    return LinkedMedia(
        kind=kinds[0], format=format_, source={}, name=name, options=options, url=url, field=field, kinds=kinds
    )
