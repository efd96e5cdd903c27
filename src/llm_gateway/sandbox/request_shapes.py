"""The members of Converse, ConverseStream and CountTokens requests, as AWS's service model lists them. Data."""

from llm_gateway.sandbox.shapes import Anything, Flag, Items, Mapping, Members, Number, Shape, Text

_ANY_TEXT = Text()
_TOOL_NAME = Text(1, 64, pattern="[a-zA-Z0-9_-]+")
_TOOL_USE_ID = Text(1, 64, pattern="[a-zA-Z0-9_.:-]+")
_BYTES = Text(1)
_VENDOR_JSON = Anything()


def _one_of(name: str, **members: Shape) -> Members:
    return Members(members, one_of=True, name=name)


def _either(*values: str) -> Text:
    return Text(among=values)


_CACHE_POINT = Members({"type": _either("default"), "ttl": _either("5m", "1h")}, ("type",))
_S3 = Members(
    {
        "uri": Text(1, 1024, pattern=r"s3://[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9](/.*)?"),
        "bucketOwner": Text(pattern="[0-9]{12}"),
    },
    ("uri",),
)
_IMAGE = Members(
    {
        "format": _either("png", "jpeg", "gif", "webp"),
        "source": _one_of("ImageSource", bytes=_BYTES, s3Location=_S3),
        "error": Members({"message": _ANY_TEXT}),
    },
    ("format", "source"),
)
_TEXT_PART = Members({"text": _ANY_TEXT})
_CITATIONS = Members({"enabled": Flag()}, ("enabled",))
_DOCUMENT = Members(
    {
        "format": _either("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"),
        "name": Text(1, 200),
        "source": _one_of("DocumentSource", bytes=_BYTES, s3Location=_S3, text=_ANY_TEXT, content=Items(_TEXT_PART)),
        "context": _ANY_TEXT,
        "citations": _CITATIONS,
    },
    ("name", "source"),
)
_VIDEO = Members(
    {
        "format": _either("mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"),
        "source": _one_of("VideoSource", bytes=_BYTES, s3Location=_S3),
    },
    ("format", "source"),
)
_AUDIO = Members(
    {
        "format": _either(
            "mp3",
            "opus",
            "wav",
            "aac",
            "flac",
            "mp4",
            "ogg",
            "mkv",
            "mka",
            "x-aac",
            "m4a",
            "mpeg",
            "mpga",
            "pcm",
            "webm",
        ),
        "source": _one_of("AudioSource", bytes=_BYTES, s3Location=_S3),
        "error": Members({"message": _ANY_TEXT}),
    },
    ("format", "source"),
)
_SEARCH_RESULT = Members(
    {"source": _ANY_TEXT, "title": _ANY_TEXT, "content": Items(_TEXT_PART), "citations": _CITATIONS},
    ("source", "title", "content"),
)
_GUARD_CONTENT = _one_of(
    "GuardrailConverseContentBlock",
    text=Members(
        {"text": _ANY_TEXT, "qualifiers": Items(_either("grounding_source", "query", "guard_content"))}, ("text",)
    ),
    image=Members(
        {"format": _either("png", "jpeg"), "source": Members({"bytes": _BYTES}, ("bytes",))}, ("format", "source")
    ),
)
_TOOL_USE = Members(
    {"toolUseId": _TOOL_USE_ID, "name": _TOOL_NAME, "input": _VENDOR_JSON, "type": _either("server_tool_use")},
    ("toolUseId", "name", "input"),
)
_TOOL_RESULT = Members(
    {
        "toolUseId": _TOOL_USE_ID,
        "content": Items(
            _one_of(
                "ToolResultContentBlock",
                json=_VENDOR_JSON,
                text=_ANY_TEXT,
                image=_IMAGE,
                document=_DOCUMENT,
                video=_VIDEO,
                searchResult=_SEARCH_RESULT,
            )
        ),
        "status": _either("success", "error"),
        "type": _ANY_TEXT,
    },
    ("toolUseId", "content"),
)
_TOOL_CHANGE = Members(
    {"tool": Members({"type": Text(1, 64), "name": Text(1, 128), "serverName": Text(1, 128)})}, ("tool",)
)
_CONTENT = _one_of(
    "ContentBlock",
    text=_ANY_TEXT,
    image=_IMAGE,
    document=_DOCUMENT,
    video=_VIDEO,
    audio=_AUDIO,
    toolUse=_TOOL_USE,
    toolResult=_TOOL_RESULT,
    guardContent=_GUARD_CONTENT,
    cachePoint=_CACHE_POINT,
    reasoningContent=_one_of(
        "ReasoningContentBlock",
        reasoningText=Members({"text": _ANY_TEXT, "signature": _ANY_TEXT}, ("text",)),
        redactedContent=_ANY_TEXT,
    ),
    citationsContent=Members({"content": Items(_TEXT_PART), "citations": Items(Anything())}),
    searchResult=_SEARCH_RESULT,
    toolAddition=_TOOL_CHANGE,
    toolRemoval=_TOOL_CHANGE,
)
_MESSAGES = Items(
    Members({"role": _either("user", "assistant", "system"), "content": Items(_CONTENT)}, ("role", "content"))
)
_SYSTEM = Items(_one_of("SystemContentBlock", text=Text(1), guardContent=_GUARD_CONTENT, cachePoint=_CACHE_POINT))
_TOOL_SPEC = Members(
    {
        "name": _TOOL_NAME,
        "description": Text(1),
        "inputSchema": _one_of("ToolInputSchema", json=_VENDOR_JSON),
        "strict": Flag(),
    },
    ("name", "inputSchema"),
)
_TOOLS = Members(
    {
        "tools": Items(
            _one_of(
                "Tool",
                toolSpec=_TOOL_SPEC,
                systemTool=Members({"name": _TOOL_NAME}, ("name",)),
                cachePoint=_CACHE_POINT,
            ),
            1,
        ),
        "toolChoice": _one_of(
            "ToolChoice", auto=Members({}), any=Members({}), tool=Members({"name": _TOOL_NAME}, ("name",))
        ),
    },
    ("tools",),
)
_INFERENCE = Members(
    {
        "maxTokens": Number(1, whole=True),
        "temperature": Number(0, 1),
        "topP": Number(0, 1),
        "stopSequences": Items(Text(1), 0, 2500),
    }
)
_JSON_SCHEMA = Members({"schema": _ANY_TEXT, "name": _ANY_TEXT, "description": _ANY_TEXT}, ("schema",))
_OUTPUT = Members(
    {
        "textFormat": Members(
            {"type": _either("json_schema"), "structure": _one_of("OutputFormatStructure", jsonSchema=_JSON_SCHEMA)},
            ("type", "structure"),
        ),
        "effort": Text(0, 16),
    }
)
_METADATA_PATTERN = r"[a-zA-Z0-9\s:_@$#=/+,-.]"
_GUARDRAIL: dict[str, Shape] = {
    "guardrailIdentifier": Text(0, 2048),
    "guardrailVersion": Text(pattern="(|([1-9][0-9]{0,7})|(DRAFT))"),
    "trace": _either("enabled", "disabled", "enabled_full"),
}
_CONVERSE: dict[str, Shape] = {
    "messages": _MESSAGES,
    "system": _SYSTEM,
    "inferenceConfig": _INFERENCE,
    "toolConfig": _TOOLS,
    "guardrailConfig": Members(_GUARDRAIL),
    "additionalModelRequestFields": _VENDOR_JSON,
    "promptVariables": Mapping(_ANY_TEXT, _one_of("PromptVariableValues", text=_ANY_TEXT)),
    "additionalModelResponseFieldPaths": Items(Text(1, 256), 0, 10),
    "requestMetadata": Mapping(
        Text(1, 256, pattern=_METADATA_PATTERN + "{1,256}"), Text(0, 256, pattern=_METADATA_PATTERN + "{0,256}"), 1, 16
    ),
    "performanceConfig": Members({"latency": _either("standard", "optimized")}),
    "serviceTier": Members({"type": _either("priority", "default", "flex", "reserved")}, ("type",)),
    "outputConfig": _OUTPUT,
}
_COUNTED = {name: _CONVERSE[name] for name in ("messages", "system", "toolConfig", "additionalModelRequestFields")}

REQUESTS: dict[str, Members] = {
    "Converse": Members(_CONVERSE),
    "ConverseStream": Members(
        {**_CONVERSE, "guardrailConfig": Members({**_GUARDRAIL, "streamProcessingMode": _either("sync", "async")})}
    ),
    "CountTokens": Members(
        {
            "input": _one_of(
                "CountTokensInput",
                invokeModel=Members({"body": _ANY_TEXT}, ("body",)),
                converse=Members(_COUNTED),
            )
        },
        ("input",),
    ),
}
