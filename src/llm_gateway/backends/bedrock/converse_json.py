"""Converse's JSON and our blocks, both ways. Pure: it translates, it does not judge.

Source of the shapes: the service model of ``bedrock-runtime`` (operation Converse).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from llm_gateway.backends.bedrock.call_settings import read_settings
from llm_gateway.backends.bedrock.json_shape import as_list, as_object, as_text
from llm_gateway.domain.content import (
    Block,
    CachePoint,
    Media,
    MediaKind,
    Message,
    Native,
    Reasoning,
    Role,
    Text,
    ToolResult,
    ToolUse,
)
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import GenerateRequest, ToolChoice, ToolSpec

Json = dict[str, object]

_MEDIA_KINDS: dict[str, MediaKind] = {"image": "image", "document": "document", "video": "video", "audio": "audio"}
_MEDIA_MEMBERS = frozenset({"format", "name", "source"})
_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant"}
_READ_MEMBERS = frozenset({"messages", "system", "inferenceConfig", "toolConfig", "additionalModelRequestFields"})


# --- ours to Converse -------------------------------------------------------------------------------------------------


def block_json(block: Block) -> Json:
    """One block as Converse writes it: an object with a single member."""
    if isinstance(block, Text):  # by far the most frequent
        return {"text": block.text}
    return _WRITERS[type(block)](block)


def message_json(message: Message) -> Json:
    """One turn of the conversation."""
    return {"role": message.role, "content": [block_json(block) for block in message.content]}


def tool_json(tool: ToolSpec) -> Json:
    """One tool the model may call."""
    if tool.is_system:
        return {"systemTool": {"name": tool.name}}
    spec: Json = {"name": tool.name}
    if tool.description is not None:
        spec["description"] = tool.description
    spec["inputSchema"] = {"json": tool.input_schema}
    if tool.strict is not None:
        spec["strict"] = tool.strict
    return {"toolSpec": spec}


def tools_json(tools: Sequence[ToolSpec]) -> list[Json]:
    """The tools, each followed by its cache point."""
    entries: list[Json] = []
    for tool in tools:
        entries.append(tool_json(tool))
        if tool.cache_point is not None:
            entries.append(_cache_point_json(tool.cache_point))
    return entries


def tool_choice_json(choice: ToolChoice) -> Json:
    """``auto``, ``any`` or one tool. Converse has no word for ``none``."""
    return {"tool": {"name": choice.name}} if choice.kind == "tool" else {choice.kind: {}}


def _media_json(block: Block) -> Json:
    block = cast("Media", block)
    body: Json = {"format": block.format} if block.format else {}
    if block.name is not None:
        body["name"] = block.name
    body["source"] = block.source
    if block.options:
        body.update(block.options)
    return {block.kind: body}


def _tool_use_json(block: Block) -> Json:
    block = cast("ToolUse", block)
    body: Json = {"toolUseId": block.id, "name": block.name, "input": block.input}
    if block.type is not None:
        body["type"] = block.type
    return {"toolUse": body}


def _tool_result_json(block: Block) -> Json:
    block = cast("ToolResult", block)
    body: Json = {"toolUseId": block.tool_use_id, "content": [block_json(inner) for inner in block.content]}
    if block.status is not None:
        body["status"] = block.status
    if block.type is not None:
        body["type"] = block.type
    return {"toolResult": body}


def _reasoning_json(block: Block) -> Json:
    block = cast("Reasoning", block)
    if block.redacted is not None:
        return {"reasoningContent": {"redactedContent": block.redacted}}
    said: Json = {"text": block.text or ""}
    if block.signature is not None:
        said["signature"] = block.signature
    return {"reasoningContent": {"reasoningText": said}}


def _cache_point_json(block: Block) -> Json:
    block = cast("CachePoint", block)
    return {"cachePoint": {"type": "default"} if block.ttl is None else {"type": "default", "ttl": block.ttl}}


def _native_json(block: Block) -> Json:
    block = cast("Native", block)
    return {block.kind: block.body}


_WRITERS: dict[type, Callable[[Block], Json]] = {
    Media: _media_json,
    ToolUse: _tool_use_json,
    ToolResult: _tool_result_json,
    Reasoning: _reasoning_json,
    CachePoint: _cache_point_json,
    Native: _native_json,
}


# --- Converse to ours -------------------------------------------------------------------------------------------------


def read_block(value: Mapping[str, object]) -> Block:
    """One Converse block as ours; what we have no value for stays whole as :class:`Native`.

    Members we do not know are passed over inside the blocks we do know.
    """
    for kind, body in value.items():
        if kind == "text" and isinstance(body, str):
            return Text(body)
        reader = _READERS.get(kind)
        if reader is not None and isinstance(body, dict):
            return reader(kind, as_object(cast("object", body))) or Native(kind, cast("object", body))
        if kind not in _PADDING:
            return Native(kind, body)
    return Native("", None)


def read_message(value: Mapping[str, object], at: str) -> Message:
    """One turn. Raises InvalidRequest for a role that is neither ``user`` nor ``assistant``."""
    role = _ROLES.get(as_text(value.get("role")) or "")
    if role is None:
        raise InvalidRequest(f"{at}.role is {value.get('role')!r}; use user or assistant", field=f"{at}.role")
    return Message(role, tuple([read_block(as_object(block)) for block in as_list(value.get("content"))]))


def read_request(model: str, body: Mapping[str, object]) -> tuple[GenerateRequest, tuple[str, ...]]:
    """A Converse request body as ours, and the names of the members that have no place in it.

    Raises:
        InvalidRequest: a member is of the wrong shape.
    """
    inference, tool_config = as_object(body.get("inferenceConfig")), as_object(body.get("toolConfig"))
    tools, left_tools = _read_tools(as_list(tool_config.get("tools")))
    settings = read_settings(body)
    left = [name for name in body if name not in _READ_MEMBERS and name not in settings.read] + left_tools
    stops = [stop for stop in as_list(inference.get("stopSequences")) if isinstance(stop, str)]
    request = GenerateRequest(
        model=model,
        messages=tuple(
            [read_message(as_object(turn), f"messages[{at}]") for at, turn in enumerate(as_list(body.get("messages")))]
        ),
        system=tuple([read_block(as_object(block)) for block in as_list(body.get("system"))]),
        temperature=_number(inference.get("temperature"), "temperature"),
        top_p=_number(inference.get("topP"), "top_p"),
        max_tokens=_whole(inference.get("maxTokens"), "max_tokens"),
        stop_sequences=tuple(stops),
        tools=tools,
        tool_choice=_read_tool_choice(as_object(tool_config.get("toolChoice"))),
        extra_fields=as_object(body.get("additionalModelRequestFields")) or None,
        guardrail=settings.guardrail,
        service_tier=settings.service_tier,
        latency=settings.latency,
        metadata=settings.metadata,
        response_format=settings.response_format,
    )
    return request, tuple(left)


_PADDING = frozenset({"p"})


def _read_media(kind: str, body: Mapping[str, object]) -> Block | None:
    source = body.get("source")
    if not isinstance(source, dict):
        return None
    options = {name: value for name, value in body.items() if name not in _MEDIA_MEMBERS}
    return Media(
        kind=_MEDIA_KINDS[kind],
        format=as_text(body.get("format")) or "",
        source=as_object(cast("object", source)),
        name=as_text(body.get("name")),
        options=options or None,
    )


def _read_tool_use(_kind: str, body: Mapping[str, object]) -> Block | None:
    call_id, name = as_text(body.get("toolUseId")), as_text(body.get("name"))
    if call_id is None or name is None:
        return None
    return ToolUse(call_id, name, body.get("input", {}), call_type(body))


def call_type(call: Mapping[str, object]) -> str | None:
    """Whose tool is called: ``None`` the caller's, which answers may also call ``tool_use``."""
    kind = as_text(call.get("type"))
    return None if kind == "tool_use" else kind


def _read_tool_result(_kind: str, body: Mapping[str, object]) -> Block | None:
    call_id, status = as_text(body.get("toolUseId")), body.get("status")
    if call_id is None or status not in (None, "success", "error"):
        return None
    content = tuple([read_block(as_object(inner)) for inner in as_list(body.get("content"))])
    told = "success" if status == "success" else "error" if status == "error" else None
    return ToolResult(call_id, content, told, as_text(body.get("type")))


def _read_reasoning(_kind: str, body: Mapping[str, object]) -> Block | None:
    redacted = as_text(body.get("redactedContent"))
    if redacted is not None:
        return Reasoning(redacted=redacted)
    said = as_object(body.get("reasoningText"))
    text = as_text(said.get("text"))
    return None if text is None else Reasoning(text=text, signature=as_text(said.get("signature")))


def _read_cache_point(_kind: str, body: Mapping[str, object]) -> Block | None:
    return CachePoint(as_text(body.get("ttl")))


_READERS: dict[str, Callable[[str, Mapping[str, object]], Block | None]] = {
    **dict.fromkeys(_MEDIA_KINDS, _read_media),
    "toolUse": _read_tool_use,
    "toolResult": _read_tool_result,
    "reasoningContent": _read_reasoning,
    "cachePoint": _read_cache_point,
}


def _read_tools(entries: Sequence[object]) -> tuple[tuple[ToolSpec, ...], list[str]]:
    """The tools, each with the cache point behind it, and what has no place among them."""
    tools: list[ToolSpec] = []
    left: list[str] = []
    for entry in entries:
        for kind, value in as_object(entry).items():
            if kind == "toolSpec":
                tools.append(_read_tool(as_object(value)))
            elif kind == "systemTool":
                tools.append(ToolSpec(as_text(as_object(value).get("name")) or "", {}, is_system=True))
            elif kind == "cachePoint" and tools and tools[-1].cache_point is None:
                tools[-1] = replace(tools[-1], cache_point=CachePoint(as_text(as_object(value).get("ttl"))))
            else:
                left.append(f"toolConfig.tools.{kind}")
    return tuple(tools), left


def _read_tool(spec: Mapping[str, object]) -> ToolSpec:
    strict = spec.get("strict")
    return ToolSpec(
        name=as_text(spec.get("name")) or "",
        input_schema=as_object(as_object(spec.get("inputSchema")).get("json")),
        description=as_text(spec.get("description")),
        strict=strict if isinstance(strict, bool) else None,
    )


def _read_tool_choice(choice: Mapping[str, object]) -> ToolChoice | None:
    if "tool" in choice:
        return ToolChoice("tool", as_text(as_object(choice["tool"]).get("name")))
    return ToolChoice("any") if "any" in choice else ToolChoice("auto") if "auto" in choice else None


def _number(value: object, field: str) -> float | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise InvalidRequest(f"{field} is {value!r}; give a number", field=field)


def _whole(value: object, field: str) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise InvalidRequest(f"{field} is {value!r}; give a whole number", field=field)
