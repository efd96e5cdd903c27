"""Bedrock's citations as Anthropic's. Pure. A place that Anthropic has no form for is left out."""

from collections.abc import Mapping, Sequence
from typing import cast

from llm_gateway.domain.content import Native, citations_of, cited_texts

Json = dict[str, object]

# Converse's location: Anthropic's type, its member for the index, and for the two ends
_PLACES: Mapping[str, tuple[str, str, str]] = {
    "documentChar": ("char_location", "document", "char_index"),
    "documentPage": ("page_location", "document", "page_number"),
    "documentChunk": ("content_block_location", "document", "block_index"),
    "searchResultLocation": ("search_result_location", "search_result", "block_index"),
}


def cited_json(block: Native) -> list[Json]:
    """A text block with its citations; none where the block is no text with citations."""
    text = "".join(cited_texts(block))
    if not text:
        return []
    found = [citation_json(citation) for citation in citations_of(block)]
    return [{"type": "text", "text": text, "citations": [citation for citation in found if citation is not None]}]


def citation_json(told: Mapping[str, object]) -> Json | None:
    """One citation; ``None`` for a place that Anthropic has no form for."""
    location = _object(told.get("location"))
    for kind, (type_, what, end) in _PLACES.items():
        place = _object(location.get(kind))
        if not place:
            continue
        cited: Json = {
            "type": type_,
            "cited_text": "".join([_text(_object(part).get("text")) for part in _items(told.get("sourceContent"))]),
            f"{what}_index": place.get(_index_of(what), 0),
            f"start_{end}": place.get("start", 0),
            f"end_{end}": place.get("end", 0),
        }
        if what == "document":
            return cited | {"document_title": told.get("title"), "file_id": None}
        return cited | {"title": told.get("title"), "source": _text(told.get("source"))}
    return None


def _index_of(what: str) -> str:
    return "documentIndex" if what == "document" else "searchResultIndex"


def _object(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _items(value: object) -> Sequence[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
