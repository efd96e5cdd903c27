"""What a conversation says, whoever wrote it down: for finding the recording of a request that came in other words.

Left out is what doors and clients spell in their own way: how texts are cut into blocks and turns, white space, cache
points, names of documents, the status of results that went well, and whether a tool's result is JSON or its text. Pure.
"""

from base64 import b64encode
from contextlib import suppress

import orjson

from llm_gateway.sandbox.wire_json import Json, as_list, as_object, as_text, canonical

_MEDIA = ("image", "document", "video", "audio")


def said_by(body: object) -> bytes:
    """Equal for conversations that say the same."""
    turns: list[list[object]] = []
    for message in as_list(as_object(body).get("messages")):
        turn = as_object(message)
        said = _said(as_list(turn.get("content")))
        if turns and turns[-1][0] == turn.get("role"):
            turns[-1].append(said)
        else:
            turns.append([turn.get("role"), said])
    return canonical([[role, _joined(parts)] for role, *parts in turns])


def _said(blocks: list[object]) -> Json:
    """Texts as one, the rest in its order."""
    texts: list[str] = []
    rest: list[object] = []
    for item in blocks:
        block = as_object(item)
        texts.append(as_text(block.get("text")))
        guarded = as_object(as_object(block.get("guardContent")).get("text"))
        texts.append(as_text(guarded.get("text")))
        for kind in _MEDIA:
            if kind in block:
                rest.append([kind, _bytes_of(as_object(as_object(block[kind]).get("source")))])
        if "toolUse" in block:
            call = as_object(block["toolUse"])
            given: object = call.get("input") or None
            rest.append(["call", call.get("toolUseId"), given])
        if "toolResult" in block:
            result = as_object(block["toolResult"])
            rest.append(["result", result.get("toolUseId"), _result(as_list(result.get("content")))])
    return {"text": "".join(texts), "rest": rest}


def _joined(parts: list[object]) -> Json:
    said = [as_object(part) for part in parts]
    texts = "".join([as_text(part.get("text")) for part in said])
    return {"text": texts.split(), "rest": [item for part in said for item in as_list(part.get("rest"))]}


def _result(content: list[object]) -> object:
    plain = [as_object(part) for part in content]
    texts: list[object] = [_as_json(part) for part in plain if "text" in part or "json" in part]
    return [texts, _said(content)["rest"]]


def _as_json(part: Json) -> object:
    """The JSON of a result, or of a text that is JSON; any other text as it is."""
    told: object = part.get("json")
    if "json" not in part:
        told = text = as_text(part.get("text"))
        with suppress(orjson.JSONDecodeError):
            told = orjson.loads(text)
    return told


def _bytes_of(source: Json) -> object:
    if "text" in source:
        return b64encode(as_text(source["text"]).encode("utf-8", "replace")).decode()
    return source.get("bytes", source)
