"""Reading Bedrock's words: what a message means, and what of it a caller may see. Pure.

Types and statuses decide first; words are read only where one type means several things. More wordings exist than are
known, so an idea is matched, not a sentence. Sources: recorded answers of Bedrock and public reports.
"""

import re

_ARN = re.compile(r"arn:aws[a-z-]*:[^\s\"'<>,;]*[^\s\"'<>,;.:)]")
_MODEL_IN_ARN = re.compile(r":(?:foundation-model|inference-profile)/(.+)$")
_ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")
_URL = re.compile(r"https?://(?!docs\.aws\.amazon\.com)\S+")
_HOST = re.compile(r"[\w.-]+\.(?:amazonaws\.com(?:\.cn)?|api\.aws)\b")
_SECRET = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b|\bbedrock-api-key-\S+|\bABSK\S+")
_VENDOR_PREFIX = re.compile(r"^The model returned the following errors:\s*")
_LONGEST = 600

_TOO_LONG = re.compile(r"too long|too large|too many|exceed|maximum|longer than|overflow", re.IGNORECASE)
_OF_CONTEXT = re.compile(
    r"input (?:is|length|token|sequence)|prompt|context (?:length|limit|window|size)|number of (?:input )?tokens|"
    r"tokens in the (?:input|prompt|messages)|input.{0,40}tokens|tokens.{0,60}(?:input|context)",
    re.IGNORECASE,
)
_NOT_OF_CONTEXT = re.compile(r"maximum tokens you requested|validation errors? detected", re.IGNORECASE)
_NUMBERS = (
    re.compile(r"(?P<asked>\d[\d,]*) tokens? > (?P<limit>\d[\d,]*)"),
    re.compile(r"maximum context length is (?P<limit>\d[\d,]*) tokens(?:\D+(?P<asked>\d[\d,]*) tokens)?"),
    re.compile(r"expected maxLength: (?P<limit>\d[\d,]*), actual: (?P<asked>\d[\d,]*)"),
)
_SCHEMA_COMPLAINT = re.compile(r"expected maxLength: \d+, actual: \d+")
_ACTION = re.compile(r"perform: ([\w-]+:\w+)")
_PATHS = re.compile(r"\b((?:messages|system|toolConfig|inferenceConfig|additionalModelRequestFields)[\w.]*)")

_FIELDS = {
    "inferenceConfig.temperature": "temperature",
    "inferenceConfig.topP": "top_p",
    "inferenceConfig.maxTokens": "max_tokens",
    "inferenceConfig.stopSequences": "stop_sequences",
    "toolConfig": "tools",
    "toolConfig.tools": "tools",
    "toolConfig.toolChoice": "tool_choice",
}


def shown(message: str) -> str:
    """Bedrock's message without ARNs, account numbers, hosts and keys; at most 600 characters.

    The id of a foundation model or of a system's inference profile is no secret and stays.
    """
    text = _VENDOR_PREFIX.sub("", message)
    text = _ARN.sub(_arn_shown, text)
    text = _URL.sub("(address)", text)
    text = _HOST.sub("(host)", text)
    text = _SECRET.sub("(key)", text)
    text = _ACCOUNT.sub("(account)", text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def _arn_shown(found: re.Match[str]) -> str:
    model = _MODEL_IN_ARN.search(found.group())
    return model.group(1) if model else "(arn)"


def overflow(message: str) -> tuple[int | None, int | None] | None:
    """Limit and asked tokens when the message says that the input is too long; each ``None`` when it was not said."""
    if _NOT_OF_CONTEXT.search(message):
        return None
    if not (_TOO_LONG.search(message) and _OF_CONTEXT.search(message)) and not _SCHEMA_COMPLAINT.search(message):
        return None
    for pattern in _NUMBERS:
        found = pattern.search(message)
        if found:
            in_characters = "maxLength" in found.group()
            return None if in_characters else _number(found["limit"]), None if in_characters else _number(
                found["asked"]
            )
    return None, None


def _number(digits: str | None) -> int | None:
    return int(digits.replace(",", "")) if digits else None


def field_of(message: str) -> str | None:
    """Our name for the member a validation message speaks of, if it names one.

    Paths in prose count from 0 (``messages.2.content``), those with ``.member`` from 1.
    """
    found = _PATHS.search(message)
    if not found:
        return None
    path = found.group(1).rstrip(".")
    if path in _FIELDS:
        return _FIELDS[path]
    path = re.sub(r"\.(\d+)\.member\b", lambda number: f"[{int(number[1]) - 1}]", path)
    path = re.sub(r"\.(\d+)", r"[\1]", path)
    path = path.replace("toolConfig.tools", "tools").replace(".toolSpec.inputSchema", ".input_schema")
    path = path.replace(".toolSpec", "").replace("additionalModelRequestFields", "extra_fields")
    return path.replace("toolConfig.toolChoice", "tool_choice")


def iam_action(message: str) -> str | None:
    """The IAM action that was denied, as ``bedrock:InvokeModel``, if the message names it."""
    found = _ACTION.search(message)
    return found.group(1) if found else None
