"""A whole Converse answer into stream events, and stream events into a whole answer. Pure.

Order: messageStart, the blocks one after the other, messageStop, metadata. Only tool blocks have a contentBlockStart.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from llm_gateway.sandbox.wire_json import Json, as_list, as_object, as_text, dump, objects

Event = tuple[str, Json]
_TEXT_PIECE = 20
_INPUT_PIECE = 24
_IN_METADATA = ("usage", "metrics", "trace", "performanceConfig", "serviceTier")


def events_of(whole: Json) -> list[Event]:
    """The stream that would have told the same."""
    message = as_object(as_object(whole.get("output")).get("message"))
    events: list[Event] = [("messageStart", {"role": message.get("role", "assistant")})]
    for index, block in enumerate(objects(message.get("content"))):
        events += _block_events(index, block)
    if "stopReason" in whole:
        stop: Json = {"stopReason": whole["stopReason"]}
        if "additionalModelResponseFields" in whole:
            stop["additionalModelResponseFields"] = whole["additionalModelResponseFields"]
        events.append(("messageStop", stop))
    metadata = {name: whole[name] for name in _IN_METADATA if name in whole}
    if metadata:
        events.append(("metadata", metadata))
    return events


def whole_of(events: list[Event]) -> Json:
    """The Converse answer with the content, stop reason and usage of a stream."""
    content: dict[int, Json] = {}
    whole: Json = {}
    role: object = "assistant"
    for kind, payload in events:
        if kind == "messageStart":
            role = payload.get("role", role)
        elif kind == "contentBlockStart":
            content[int(payload["contentBlockIndex"])] = _opened(as_object(payload.get("start")))
        elif kind == "contentBlockDelta":
            _grow(content.setdefault(int(payload["contentBlockIndex"]), {}), as_object(payload.get("delta")))
        elif kind == "messageStop":
            whole |= {name: value for name, value in payload.items() if name != "p"}
        elif kind == "metadata":
            whole |= {name: payload[name] for name in _IN_METADATA if name in payload}
    blocks = [_closed(content[index]) for index in sorted(content)]
    return {"output": {"message": {"role": role, "content": blocks}}, **whole}


def pieces(text: str, length: int) -> Iterator[str]:
    """The text in order, in pieces of about `length` characters that end behind a space where one is near."""
    at = 0
    while at < len(text):
        end = at + length
        space = text.find(" ", end - 6, end + 6)
        end = space + 1 if space >= 0 else end
        yield text[at:end]
        at = end


def _block_events(index: int, block: Json) -> list[Event]:
    start, deltas = _told(block)
    events: list[Event] = []
    if start is not None:
        events.append(("contentBlockStart", {"contentBlockIndex": index, "start": start}))
    events += [("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in deltas]
    events.append(("contentBlockStop", {"contentBlockIndex": index}))
    return events


def _told(block: Json) -> tuple[Json | None, list[Json]]:
    """How one block begins (None: with its first delta) and its deltas."""
    if "toolUse" in block:
        call = as_object(block["toolUse"])
        start = {name: call[name] for name in ("toolUseId", "name", "type") if name in call}
        told = "" if call.get("input") == {} else dump(call.get("input")).decode()
        return {"toolUse": start}, [{"toolUse": {"input": piece}} for piece in pieces(told, _INPUT_PIECE)]
    if "toolResult" in block:
        result = as_object(block["toolResult"])
        start = {name: result[name] for name in ("toolUseId", "type", "status") if name in result}
        return {"toolResult": start}, [{"toolResult": [part]} for part in as_list(result.get("content"))]
    if "reasoningContent" in block:
        return None, _reasoning_deltas(as_object(block["reasoningContent"]))
    if "citationsContent" in block:
        cited = as_object(block["citationsContent"])
        return None, [
            *({"text": as_text(part.get("text"))} for part in objects(cited.get("content"))),
            *({"citation": citation} for citation in objects(cited.get("citations"))),
        ]
    if "image" in block:
        image = as_object(block["image"])
        return {"image": {"format": image.get("format")}}, [{"image": {"source": image.get("source")}}]
    text = as_text(block.get("text"))
    return None, [{"text": piece} for piece in pieces(text, _TEXT_PIECE)] or [{"text": ""}]


def _reasoning_deltas(reasoning: Json) -> list[Json]:
    if "redactedContent" in reasoning:
        return [{"reasoningContent": {"redactedContent": reasoning["redactedContent"]}}]
    thought = as_object(reasoning.get("reasoningText"))
    deltas: list[Json] = [
        {"reasoningContent": {"text": piece}} for piece in pieces(as_text(thought.get("text")), _TEXT_PIECE)
    ]
    if "signature" in thought:
        deltas.append({"reasoningContent": {"signature": thought["signature"]}})
    return deltas


def _opened(start: Json) -> Json:
    if "toolUse" in start:
        return {"toolUse": {**start["toolUse"], "input": ""}}
    if "toolResult" in start:
        return {"toolResult": {**start["toolResult"], "content": []}}
    return {kind: dict(value) for kind, value in start.items()}


def _grow(block: Json, delta: Json) -> None:
    if "text" in delta:
        _grow_text(block, as_text(delta["text"]))
    elif "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"].get("input", "")
    elif "toolResult" in delta:
        block["toolResult"]["content"] += delta["toolResult"]
    elif "reasoningContent" in delta:
        _grow_reasoning(block.setdefault("reasoningContent", {}), as_object(delta["reasoningContent"]))
    elif "citation" in delta:
        _cited(block)["citations"].append(delta["citation"])
    elif "image" in delta:
        block["image"] |= delta["image"]


def _grow_text(block: Json, text: str) -> None:
    if "citationsContent" in block:
        block["citationsContent"]["content"].append({"text": text})
    else:
        block["text"] = block.get("text", "") + text


def _cited(block: Json) -> Json:
    """A block turns out to be citations only when its first citation comes, behind the text."""
    if "citationsContent" not in block:
        text: object = block.pop("text", "")
        block["citationsContent"] = {"content": [{"text": text}], "citations": []}
    return block["citationsContent"]


def _grow_reasoning(reasoning: Json, delta: Json) -> None:
    if "redactedContent" in delta:
        reasoning["redactedContent"] = reasoning.get("redactedContent", "") + delta["redactedContent"]
        return
    thought: Json = reasoning.setdefault("reasoningText", {"text": ""})
    for name in ("text", "signature"):
        if name in delta:
            thought[name] = thought.get(name, "") + delta[name]


def _closed(block: Json) -> Json:
    if "toolUse" not in block:
        return block
    call: Json = block["toolUse"]
    told: str = call["input"]
    given: Any = orjson.loads(told) if told else {}
    return {"toolUse": {**call, "input": given}}
