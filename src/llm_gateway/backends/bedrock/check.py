"""Converse's own rules, checked before AWS is asked. Pure: raises InvalidRequest with the field and the mend.

Most of these pass botocore's validation and come back from Bedrock as a 400; some (NaN) would not even be JSON.
Source of the bounds: the service model of ``bedrock-runtime``, and Bedrock's answers where the model is silent.
"""

import re
from typing import cast

from llm_gateway.backends.bedrock.check_blocks import check_block, check_system_block
from llm_gateway.backends.bedrock.check_json import check_json
from llm_gateway.domain.content import CachePoint, Message, Text, ToolResult
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import GenerateRequest, ToolChoice, ToolSpec

MAX_STOP_SEQUENCES = 2_500
MAX_MODEL_ID_CHARACTERS = 2_048
MAX_CACHE_POINTS = 4
MAX_TEMPERATURE = 2.0
"""Of our public range; Bedrock's ends at 1.0 (``fit.py`` lowers what is above)."""

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)


def check_request(request: GenerateRequest, model_id: str) -> None:
    """Raises InvalidRequest for the first thing Converse would refuse."""
    if not 1 <= len(model_id) <= MAX_MODEL_ID_CHARACTERS:
        raise InvalidRequest(f"model has {len(model_id)} characters; 1 to 2048 are allowed", field="model")
    _check_numbers(request)
    _check_stops(request.stop_sequences)
    if not request.messages:
        raise InvalidRequest("messages is empty; send at least one user message", field="messages")
    for at, message in enumerate(request.messages):
        _check_message(message, f"messages[{at}]")
    for at, block in enumerate(request.system):
        check_system_block(block, f"system[{at}]")
    _check_cache_points(request)
    if request.tools or request.tool_choice:
        _check_tools(request.tools, request.tool_choice)
    if request.extra_fields:
        check_json(request.extra_fields, "extra_fields")


def _check_numbers(request: GenerateRequest) -> None:
    _check_range(request.temperature, "temperature", MAX_TEMPERATURE)
    _check_range(request.top_p, "top_p", 1.0)
    limit = request.max_tokens
    if limit is not None and (isinstance(limit, bool) or not isinstance(cast("object", limit), int) or limit < 1):
        raise InvalidRequest(f"max_tokens is {limit!r}; give a whole number from 1 up", field="max_tokens")


def _check_range(value: float | None, field: str, highest: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(cast("object", value), int | float) or not 0 <= value <= highest:
        raise InvalidRequest(f"{field} is {value!r}; give a number from 0 to {highest:g}", field=field)


def _check_stops(stops: tuple[str, ...]) -> None:
    if len(stops) > MAX_STOP_SEQUENCES:
        raise InvalidRequest(
            f"stop_sequences has {len(stops)} entries; Bedrock takes at most {MAX_STOP_SEQUENCES}",
            field="stop_sequences",
        )
    for at, stop in enumerate(stops):
        if not stop or not isinstance(cast("object", stop), str):
            field = f"stop_sequences[{at}]"
            raise InvalidRequest(f"{field} is empty; leave it out or give at least one character", field=field)


def _check_message(message: Message, field: str) -> None:
    if message.role not in ("user", "assistant"):
        raise InvalidRequest(f"{field}.role is {message.role!r}; use user or assistant", field=f"{field}.role")
    if not message.content:
        raise InvalidRequest(
            f"{field}.content is empty; give it a text or at least one block", field=f"{field}.content"
        )
    if all([isinstance(block, Text) and block.text.isspace() for block in message.content]):
        raise InvalidRequest(f"{field}.content is blank; write something or leave it out", field=f"{field}.content")
    for at, block in enumerate(message.content):
        check_block(block, f"{field}.content[{at}]", message.role)
        if isinstance(block, CachePoint) and at == 0:
            raise InvalidRequest(
                f"{field}.content begins with a cache point; put it after what is to be kept",
                field=f"{field}.content[0]",
            )


def _check_cache_points(request: GenerateRequest) -> None:
    points = sum([isinstance(block, CachePoint) for block in request.system])
    for message in request.messages:
        for block in message.content:
            inside = block.content if isinstance(block, ToolResult) else (block,)
            points += sum([isinstance(inner, CachePoint) for inner in inside])
    if points > MAX_CACHE_POINTS:
        raise InvalidRequest(
            f"the request has {points} cache points; Bedrock takes at most {MAX_CACHE_POINTS}", field="messages"
        )


def _check_tools(tools: tuple[ToolSpec, ...], choice: ToolChoice | None) -> None:
    names: set[str] = set()
    for at, tool in enumerate(tools):
        _check_tool(tool, f"tools[{at}]")
        if tool.name in names:
            raise InvalidRequest(f"tools[{at}].name {tool.name!r} is there twice", field=f"tools[{at}].name")
        names.add(tool.name)
    if choice is None or choice.kind in ("auto", "none"):
        return
    if choice.kind == "tool" and choice.name not in names:
        known = ", ".join(sorted(names)) or "none"
        raise InvalidRequest(
            f"tool_choice names {choice.name!r}, which is not among the tools ({known})", field="tool_choice"
        )
    if not tools:
        raise InvalidRequest("tool_choice asks for a tool, but tools is empty", field="tool_choice")


def _check_tool(tool: ToolSpec, field: str) -> None:
    if not _TOOL_NAME.fullmatch(tool.name):
        raise InvalidRequest(
            f"{field}.name is {tool.name[:80]!r}; 1 to 64 letters, digits, underscores and hyphens are allowed",
            field=f"{field}.name",
        )
    if tool.description is not None and not tool.description:
        raise InvalidRequest(f"{field}.description is empty; leave it out instead", field=f"{field}.description")
    check_json(tool.input_schema, f"{field}.input_schema")
