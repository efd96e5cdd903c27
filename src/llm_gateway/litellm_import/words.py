"""Values of LiteLLM's configuration read one by one, and what is said of keys that have no counterpart."""

import re
from collections.abc import Mapping
from math import isfinite
from typing import cast

from llm_gateway.gateway_file.plain_values import plain_value
from llm_gateway.litellm_import.draft import Draft, Value

MOST = 1_000_000_000
LONGEST_S = 86_400
UNKNOWN = "is not known to this import; left out"
_REFERENCE = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")

FOR_ALL_CALLS = "LiteLLM gives each call so long, this gateway all calls of a request together"

DEPLOYMENT_NOTES: Mapping[str, str] = {
    **dict.fromkeys(
        ("temperature", "max_tokens", "max_completion_tokens", "top_p", "top_k", "stop", "seed", "thinking", "system"),
        "parameters come with each request here, not from the file; left out",
    ),
    **dict.fromkeys(
        ("reasoning_effort", "extra_body", "extra_headers", "response_format", "guardrailConfig", "performanceConfig"),
        "parameters come with each request here, not from the file; left out",
    ),
    **dict.fromkeys(
        ("input_cost_per_token", "output_cost_per_token", "input_cost_per_second", "cache_read_input_token_cost"),
        "prices come from the catalog; MODELS_FILE changes them",
    ),
    **dict.fromkeys(
        ("num_retries", "max_retries"), "retries are counted for a request over all its targets: attempts of the route"
    ),
    "stream_timeout": "BEDROCK_FIRST_EVENT_TIMEOUT and BEDROCK_IDLE_TIMEOUT say how long a stream may be silent",
    "aws_session_name": "the gateway names its sessions itself; session_tags of the account tell who asked",
    "aws_web_identity_token": "AWS's own chain reads AWS_WEB_IDENTITY_TOKEN_FILE",
    "aws_sts_endpoint": "AWS's own chain reads AWS_ENDPOINT_URL_STS",
    "drop_params": "is set for the whole gateway: strict_params",
    "additional_drop_params": "what a model cannot take is dropped by its card; left out",
    "tags": "routes take the place of tags: one name for each; left out",
    "mock_response": "`llm-gateway sandbox` answers as it is told; left out",
}


def mapping(value: object) -> Mapping[str, object]:
    """A mapping, an empty one where it is none."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def names(value: object) -> list[str]:
    """A list of texts; one text is a list of one."""
    if isinstance(value, str):
        return [value]
    return [item for item in cast("list[object]", value) if isinstance(item, str)] if isinstance(value, list) else []


def a_text(value: object) -> str | None:
    """A text, ``None`` where there is none."""
    return value.strip() or None if isinstance(value, str) else None


def is_reference(text: str) -> bool:
    """Whether a text is looked up in the environment: ``os.environ/NAME`` means the same in both files."""
    return _REFERENCE.fullmatch(text) is not None


def within(text: str) -> str:
    """A text as a part of a longer one: ``${NAME}`` for a reference."""
    found = _REFERENCE.fullmatch(text)
    return f"${{{found[1]}}}" if found else without_references(text)


def without_references(text: str) -> str:
    """A text in which ``${`` is no reference, since LiteLLM knows none of that form."""
    return text.replace("${", "$${")


def a_number(
    value: object, where: str, draft: Draft, *, least: float, most: float = MOST, whole: bool = False
) -> int | float | str | None:
    """A number within bounds, or a reference to one; what is none is told."""
    if value is None:
        return None
    if isinstance(value, str):
        if is_reference(value):
            return value
        value = plain_value(value.strip())
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and least <= value <= most:
        if value == int(value):
            return int(value)
        if not whole:
            return value
    draft.note(where, f"must be a {'whole ' if whole else ''}number from {least:g} to {most:.0f}; left out")
    return None


def larger(values: list[Value]) -> Value:
    """The larger of limits; a reference cannot be compared, and the first stays."""
    numbers = [value for value in values if isinstance(value, int | float)]
    return max(numbers) if len(numbers) == len(values) else values[0]


def a_flag(value: object) -> bool | None:
    """true or false, as a boolean or a word; else ``None``."""
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None
