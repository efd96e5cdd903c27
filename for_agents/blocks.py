"""Content blocks in the spellings that people know — LangChain's, OpenAI's, Anthropic's — to the gateway's. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/csv": "csv",
    "text/html": "html",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
_VIDEOS = {"quicktime": "mov", "x-matroska": "mkv", "3gpp": "three_gp", "x-flv": "flv", "x-ms-wmv": "wmv"}
_NOTHING = frozenset({"tool_call_chunk", "invalid_tool_call", "input_json_delta"})


def to_blocks(block: Any) -> list[Json]:
    """One block as the gateway reads it; what the gateway does not know is passed on, for it to say so.

    An empty text is no block; Anthropic's ``cache_control`` becomes a cache point after its block.
    """
    if isinstance(block, str):
        return [{"text": block}] if block else []
    kind, told = block.get("type"), None
    if kind == "text":
        told = {"text": block["text"]} if block.get("text") else None
    elif kind in _NOTHING:
        return []
    elif kind == "non_standard":
        return to_blocks(block["value"])
    else:
        told = _thought(kind, block) or _call(kind, block) or _media(kind, block) or dict(block)
        told.pop("cache_control", None)
    if told is None:
        return []
    control = block.get("cache_control")
    return [told, *([cache_point(control)] if isinstance(control, Mapping) else [])]


def cache_point(control: Mapping[str, Any]) -> Json:
    """Anthropic's ``{"type": "ephemeral", "ttl": …}`` as Converse writes it."""
    return {"cachePoint": {"type": "default", **({"ttl": control["ttl"]} if control.get("ttl") else {})}}


def thought(text: str, signature: str | None) -> Json:
    """A thought that goes back; Claude wants it signed as it was."""
    return {"reasoningContent": {"reasoningText": {"text": text, **({"signature": signature} if signature else {})}}}


def tool_use(call_id: str | None, name: str, arguments: Any) -> Json:
    """A call that was made."""
    given = arguments if isinstance(arguments, dict) else {"value": arguments}
    return {"toolUse": {"toolUseId": call_id, "name": name, "input": given}}


def with_calls(kept: Iterable[Json], calls: Iterable[Json]) -> list[Json]:
    """An answer's blocks with these calls in the place of those it had; what the model called by itself stays."""
    left = {call["toolUse"]["toolUseId"]: call for call in calls}
    told: list[Json] = []
    for block in kept:
        use = block.get("toolUse")
        if use is None or use.get("type") == "server_tool_use":
            told.append(dict(block))
        elif use["toolUseId"] in left:
            told.append(left.pop(use["toolUseId"]))
    return [*told, *left.values()]


def media(mime: str, data: str, name: str | None = None) -> Json:
    """Bytes (base64) by their media type: a picture, a sound, a film, else a document."""
    kind, _, format_ = mime.partition("/")
    if kind in ("image", "audio"):
        return {"type": kind, "data": data, "mimeType": mime}
    if kind == "video":
        return {"video": {"format": _VIDEOS.get(format_, format_), "source": {"bytes": data}}}
    told: Json = {"format": _DOCUMENTS.get(mime, format_), "source": {"bytes": data}}
    return {"document": told | ({"name": name} if name else {})}


def linked(url: str, name: str | None = None) -> Json:
    """What lies at an address, or in a ``data:`` address."""
    head, comma, data = url.partition(",")
    if head.startswith("data:") and comma:
        return media(head[5:].partition(";")[0], data, name)
    return {"type": "resource_link", "uri": url, **({"name": name} if name else {})}


def _thought(kind: Any, block: Mapping[str, Any]) -> Json | None:
    if kind == "thinking":
        return thought(block["thinking"], block.get("signature"))
    if kind == "redacted_thinking":
        return {"reasoningContent": {"redactedContent": block["data"]}}
    if kind == "reasoning":
        return thought(block.get("reasoning", ""), (block.get("extras") or {}).get("signature"))
    if kind == "reasoning_content":
        told = block["reasoning_content"]
        return thought(told.get("text", ""), told.get("signature"))
    return None


def _call(kind: Any, block: Mapping[str, Any]) -> Json | None:
    if kind in ("tool_use", "tool_call"):
        return tool_use(block["id"], block["name"], block.get("input") if kind == "tool_use" else block.get("args"))
    return None


def _media(kind: Any, block: Mapping[str, Any]) -> Json | None:
    name = block.get("title") or block.get("filename") or (block.get("extras") or {}).get("filename")
    if kind == "image_url":
        address = block["image_url"]
        return linked(address["url"] if isinstance(address, Mapping) else address)
    if kind == "input_audio":
        told = block["input_audio"]
        return media(f"audio/{told['format']}", told["data"])
    if kind == "file" and isinstance(block.get("file"), Mapping) and "file_data" in block["file"]:
        return linked(block["file"]["file_data"], block["file"].get("filename"))
    source = block.get("source")
    if kind in ("image", "document") and isinstance(source, Mapping):
        return _from_source(source, name)
    if kind not in ("image", "audio", "video", "file", "text-plain"):
        return None
    if "url" in block:
        return linked(block["url"], name)
    mime, data = block.get("mime_type"), block.get("base64") or block.get("data")
    return media(mime, data, name) if mime and data else None


def _from_source(source: Mapping[str, Any], name: str | None) -> Json | None:
    """What Anthropic calls a source."""
    if "url" in source:
        return linked(source["url"], name)
    if source.get("type") == "text":
        return {"document": {"format": "txt", "source": {"text": source["data"]}, **({"name": name} if name else {})}}
    return media(source["media_type"], source["data"], name) if "media_type" in source else None
