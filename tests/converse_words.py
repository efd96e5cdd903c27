"""A recorded Converse request in the words of each door, and its recorded answer in words that can be compared."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

MIMES = {
    **{word: f"image/{word}" for word in ("png", "jpeg", "gif", "webp")},
    "pdf": "application/pdf",
    "txt": "text/plain",
    "csv": "text/csv",
    "md": "text/markdown",
    "html": "text/html",
    "mp4": "video/mp4",
}


class NotInTheseWords(Exception):
    """The door has no word for it."""


# --- what was said ----------------------------------------------------------------------------------------------------


@dataclass
class Said:
    """An answer. ``tokens``: input, output, cache read, written for 5 minutes and for an hour."""

    text: str = ""
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    thoughts: list[tuple[str, str | None]] = field(default_factory=list)
    finish: str = ""
    tokens: tuple[int, ...] | None = None
    tier: str | None = None


def recorded_answer(response: Mapping[str, Any]) -> Said | None:
    """``None`` where it is a failure, of a stream too."""
    if response["status"] != 200:
        return None
    if isinstance(response.get("body"), dict) and "output" in response["body"]:
        body = response["body"]
        return _said(body["output"]["message"]["content"], body["stopReason"], body.get("usage"), body)
    blocks: dict[int, Json] = {}
    stop, told = None, dict[str, Any]()
    for event in response.get("events_decoded") or ():
        if event["message_type"] != "event":
            return None
        payload, kind = event["payload"], event["type"]
        if kind == "contentBlockStart":
            blocks.setdefault(payload["contentBlockIndex"], {})["start"] = payload["start"]
        elif kind == "contentBlockDelta":
            blocks.setdefault(payload["contentBlockIndex"], {}).setdefault("deltas", []).append(payload["delta"])
        elif kind == "messageStop":
            stop = payload["stopReason"]
        elif kind == "metadata":
            told = payload
    whole = [_put_together(blocks[number]) for number in sorted(blocks)]
    return _said(whole, stop, told.get("usage"), told) if stop else None


def _put_together(parts: Json) -> Json:
    start, deltas = parts.get("start", {}), parts.get("deltas", [])
    if "toolUse" in start:
        written = "".join([delta["toolUse"].get("input", "") for delta in deltas if "toolUse" in delta])
        return {"toolUse": {**start["toolUse"], "input": json.loads(written) if written.strip() else {}}}
    thoughts = [delta["reasoningContent"] for delta in deltas if "reasoningContent" in delta]
    if any(["redactedContent" in thought for thought in thoughts]):
        raw = b"".join([base64.b64decode(thought.get("redactedContent", "")) for thought in thoughts])
        return {"reasoningContent": {"redactedContent": base64.b64encode(raw).decode()}}
    if thoughts:
        text = "".join([thought.get("text", "") for thought in thoughts])
        signature = "".join([thought.get("signature", "") for thought in thoughts])
        return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature or None}}}
    if "toolResult" in start:
        return {"toolResult": start["toolResult"]}
    return {"text": "".join([delta.get("text", "") for delta in deltas])}


def _said(blocks: Sequence[Json], stop: str, usage: Mapping[str, Any] | None, told: Mapping[str, Any]) -> Said:
    said = Said(finish=stop, tokens=_tokens(usage), tier=(told.get("serviceTier") or {}).get("type"))
    for block in blocks:
        said.text += block.get("text") or ""
        said.text += "".join([part.get("text", "") for part in block.get("citationsContent", {}).get("content", ())])
        if block.get("toolUse", {}).get("type", "tool_use") == "tool_use" and "toolUse" in block:
            call = block["toolUse"]
            said.calls.append((call["toolUseId"], call["name"], call.get("input") or {}))
        thought = block.get("reasoningContent")
        if thought is not None:
            text = thought.get("reasoningText") or {}
            if not thought:
                continue
            said.thoughts.append((text.get("text") or thought.get("redactedContent") or "", text.get("signature")))
    return said


def _tokens(usage: Mapping[str, Any] | None) -> tuple[int, ...] | None:
    if not usage:
        return None
    written, hour = usage.get("cacheWriteInputTokens") or 0, 0
    for part in usage.get("cacheDetails") or ():
        hour += part["inputTokens"] if part["ttl"] == "1h" else 0
    read = usage.get("cacheReadInputTokens") or 0
    return usage["inputTokens"], usage["outputTokens"], read, written - hour, hour


# --- MCP --------------------------------------------------------------------------------------------------------------


def mcp_arguments(model: str, body: Json) -> Json:
    """The same request as the arguments of ``generate``."""
    system = [{"role": "system", "content": body["system"]}] if body.get("system") else []
    arguments: Json = {"model": model, "messages": system + body["messages"]}
    inference = body.get("inferenceConfig") or {}
    for theirs, ours in (("maxTokens", "max_tokens"), ("temperature", "temperature"), ("topP", "top_p")):
        if inference.get(theirs) is not None:
            arguments[ours] = inference[theirs]
    if inference.get("stopSequences"):
        arguments["stop_sequences"] = inference["stopSequences"]
    config = body.get("toolConfig") or {}
    if config.get("tools"):
        arguments["tools"] = config["tools"]
        arguments |= {"tool_choice": config["toolChoice"]} if config.get("toolChoice") else {}
    if body.get("additionalModelRequestFields"):
        arguments["additional_model_request_fields"] = body["additionalModelRequestFields"]
    arguments |= _common(body)
    form = (body.get("outputConfig") or {}).get("textFormat")
    if form:
        told = form["structure"]["jsonSchema"]
        schema = {"name": told.get("name", "form"), "schema": json.loads(told["schema"])}
        arguments["response_format"] = {"type": "json_schema", "json_schema": schema}
    return arguments


def _common(body: Json) -> Json:
    """What all doors call alike."""
    told: Json = {}
    guardrail = body.get("guardrailConfig")
    if guardrail:
        told["guardrail"] = {"id": guardrail["guardrailIdentifier"], "version": guardrail["guardrailVersion"]}
        told["guardrail"] |= {"trace": guardrail["trace"]} if "trace" in guardrail else {}
    if (body.get("serviceTier") or {}).get("type"):
        told["service_tier"] = body["serviceTier"]["type"]
    if (body.get("performanceConfig") or {}).get("latency"):
        told["latency"] = body["performanceConfig"]["latency"]
    return told


# --- OpenAI -----------------------------------------------------------------------------------------------------------


def chat_body(model: str, body: Json) -> Json:
    """The same request for ``/v1/chat/completions``. Raises NotInTheseWords."""
    messages: list[Json] = []
    if body.get("system"):
        messages.append({"role": "system", "content": _parts(body["system"])})
    for turn in body["messages"]:
        messages += _assistant(turn["content"]) if turn["role"] == "assistant" else _user(turn["content"])
    told: Json = {"model": model, "messages": messages, **_common(body)}
    inference = body.get("inferenceConfig") or {}
    for theirs, ours in (("maxTokens", "max_tokens"), ("temperature", "temperature"), ("topP", "top_p")):
        if inference.get(theirs) is not None:
            told[ours] = inference[theirs]
    if inference.get("stopSequences"):
        told["stop"] = inference["stopSequences"]
    tools = [each["toolSpec"] for each in (body.get("toolConfig") or {}).get("tools", ()) if "toolSpec" in each]
    own = [each for each in (body.get("toolConfig") or {}).get("tools", ()) if "systemTool" in each]
    if tools or own:
        told["tools"] = [{"type": "function", "function": _function(tool)} for tool in tools] + own
        choice = (body["toolConfig"].get("toolChoice")) or {}
        if "tool" in choice:
            told["tool_choice"] = {"type": "function", "function": {"name": choice["tool"]["name"]}}
        elif choice:
            told["tool_choice"] = "required" if "any" in choice else "auto"
    if body.get("additionalModelRequestFields"):
        told["extra_fields"] = body["additionalModelRequestFields"]
    return told


def _function(tool: Json) -> Json:
    named = {"name": tool["name"], "parameters": tool["inputSchema"]["json"]}
    return named | {name: tool[name] for name in ("description", "strict") if name in tool}


def _parts(blocks: Sequence[Json]) -> list[Json]:
    parts: list[Json] = []
    for block in blocks:
        if "cachePoint" in block:
            if not parts:
                raise NotInTheseWords("a cache point before everything")
            ttl = block["cachePoint"].get("ttl")
            parts[-1]["cache_control"] = {"type": "ephemeral"} | ({"ttl": ttl} if ttl else {})
        else:
            parts.append(_part(block))
    return parts


def _part(block: Json) -> Json:
    if "text" in block:
        return {"type": "text", "text": block["text"]}
    ((kind, media),) = block.items()
    if kind not in ("image", "document", "video") or "bytes" not in media.get("source", {}) or "citations" in media:
        raise NotInTheseWords(f"{kind} by {', '.join(media.get('source', media))}")
    mime = MIMES.get(media["format"], media["format"])
    url = f"data:{mime};base64,{media['source']['bytes']}"
    if kind == "document":
        return {"type": "file", "file": {"filename": f"{media['name']}.{media['format']}", "file_data": url}}
    return {"type": f"{kind}_url", f"{kind}_url": {"url": url}}


def _user(blocks: Sequence[Json]) -> Iterator[Json]:
    for block in blocks:
        if "toolResult" in block:
            result = block["toolResult"]
            said = [_result_part(part) for part in result["content"]]
            yield {"role": "tool", "tool_call_id": result["toolUseId"], "content": said}
    rest = [block for block in blocks if "toolResult" not in block]
    if rest:
        yield {"role": "user", "content": _parts(rest)}


def _result_part(part: Json) -> Json:
    return {"type": "text", "text": json.dumps(part["json"])} if "json" in part else _part(part)


def _assistant(blocks: Sequence[Json]) -> list[Json]:
    message: Json = {"role": "assistant", "content": "".join([block.get("text", "") for block in blocks]) or None}
    calls = [block["toolUse"] for block in blocks if "toolUse" in block]
    if any(["toolResult" in block or "type" in block.get("toolUse", {}) for block in blocks]):
        raise NotInTheseWords("a tool of the model's own server")
    if calls:
        message["tool_calls"] = [
            {
                "id": call["toolUseId"],
                "type": "function",
                "function": {"name": call["name"], "arguments": json.dumps(call["input"])},
            }
            for call in calls
        ]
    details = [_detail(block["reasoningContent"]) for block in blocks if "reasoningContent" in block]
    return [message | ({"reasoning_details": details} if details else {})]


def _detail(thought: Json) -> Json:
    if "redactedContent" in thought:
        return {"type": "reasoning.encrypted", "data": thought["redactedContent"]}
    text = thought["reasoningText"]
    signed = {"signature": text["signature"]} if text.get("signature") else {}
    return {"type": "reasoning.text", "text": text["text"], **signed}


# --- Anthropic --------------------------------------------------------------------------------------------------------


def messages_body(model: str, body: Json) -> Json:
    """The same request for ``/v1/messages``. Raises NotInTheseWords."""
    told: Json = {"model": model, "messages": []}
    for turn in body["messages"]:
        told["messages"].append({"role": turn["role"], "content": _blocks(turn["content"])})
    if body.get("system"):
        told["system"] = _blocks(body["system"])
    inference = body.get("inferenceConfig") or {}
    thinking = (body.get("additionalModelRequestFields") or {}).get("thinking")
    told["max_tokens"] = inference.get("maxTokens") or 2_000 + (thinking or {}).get("budget_tokens", 0)
    for theirs, ours in (("temperature", "temperature"), ("topP", "top_p"), ("stopSequences", "stop_sequences")):
        if inference.get(theirs):
            told[ours] = inference[theirs]
    if thinking:
        told["thinking"] = thinking
    tools = [each["toolSpec"] for each in (body.get("toolConfig") or {}).get("tools", ()) if "toolSpec" in each]
    if tools:
        told["tools"] = [
            {"name": tool["name"], "input_schema": tool["inputSchema"]["json"]}
            | {name: tool[name] for name in ("description", "strict") if name in tool}
            for tool in tools
        ]
        choice = (body["toolConfig"].get("toolChoice")) or {}
        if "tool" in choice:
            told["tool_choice"] = {"type": "tool", "name": choice["tool"]["name"]}
        elif choice:
            told["tool_choice"] = {"type": "any" if "any" in choice else "auto"}
    return told


def _blocks(blocks: Sequence[Json]) -> list[Json]:
    found: list[Json] = []
    for block in blocks:
        if "cachePoint" in block:
            if not found:
                raise NotInTheseWords("a cache point before everything")
            ttl = block["cachePoint"].get("ttl")
            found[-1]["cache_control"] = {"type": "ephemeral"} | ({"ttl": ttl} if ttl else {})
        else:
            found.append(_block(block))
    return found


def _block(block: Json) -> Json:
    ((kind, told),) = block.items()
    if kind == "text":
        return {"type": "text", "text": told}
    if kind == "toolUse" and "type" not in told:
        return {"type": "tool_use", "id": told["toolUseId"], "name": told["name"], "input": told["input"]}
    if kind == "toolResult" and "type" not in told:
        said = [{"text": json.dumps(part["json"])} if "json" in part else part for part in told["content"]]
        failed = {"is_error": True} if told.get("status") == "error" else {}
        return {"type": "tool_result", "tool_use_id": told["toolUseId"], "content": _blocks(said), **failed}
    if kind == "reasoningContent":
        if "redactedContent" in told:
            return {"type": "redacted_thinking", "data": told["redactedContent"]}
        text = told["reasoningText"]
        return {"type": "thinking", "thinking": text["text"], "signature": text.get("signature", "")}
    if kind in ("image", "document"):
        return _media(kind, told)
    raise NotInTheseWords(kind)


def _media(kind: str, media: Json) -> Json:
    source, cited = media["source"], {"citations": media["citations"]} if "citations" in media else {}
    title = {"title": media["name"]} if "name" in media else {}
    if "text" in source and kind == "document":
        plain = {"type": "text", "media_type": "text/plain", "data": source["text"]}
        return {"type": kind, "source": plain, **title, **cited}
    if "bytes" not in source or media["format"] not in ("pdf", "txt", "png", "jpeg", "gif", "webp"):
        raise NotInTheseWords(f"{kind} of {media['format']} by {', '.join(source)}")
    if media["format"] == "txt":
        data = base64.b64decode(source["bytes"]).decode()
        return {"type": kind, "source": {"type": "text", "media_type": "text/plain", "data": data}, **title, **cited}
    told = {"type": "base64", "media_type": MIMES[media["format"]], "data": source["bytes"]}
    return {"type": kind, "source": told, **title, **cited}
