"""Converse's own rules, checked before AWS is asked. Pure: raises InvalidRequest with the field and the mend.

Most of these pass botocore's validation and come back from Bedrock as a 400; some (NaN) would not even be JSON.
Source of the bounds: the service model of ``bedrock-runtime``, and Bedrock's answers where the model is silent.
"""

from typing import cast

from llm_gateway.backends.bedrock.call_settings import check_settings
from llm_gateway.backends.bedrock.check_blocks import check_block, check_system_block, check_tool_name
from llm_gateway.backends.bedrock.check_json import check_json
from llm_gateway.backends.bedrock.prompt_cache import check_cache_points
from llm_gateway.domain.content import CachePoint, Message, Text
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import GenerateRequest, ReasoningWish, ResponseFormat, ToolChoice, ToolSpec

MAX_STOP_SEQUENCES = 2_500
MAX_MODEL_ID_CHARACTERS = 2_048
MAX_TEMPERATURE = 2.0
"""Of our public range; Bedrock's ends at 1.0 (``fit.py`` lowers what is above)."""
_EFFORTS = (None, "none", "minimal", "low", "medium", "high", "max")


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
    check_cache_points(request)
    if request.tools or request.tool_choice:
        _check_tools(request.tools, request.tool_choice)
    if request.extra_fields:
        check_json(request.extra_fields, "extra_fields")
    if request.response_format is not None:
        _check_format(request.response_format)
    if request.reasoning is not None:
        _check_reasoning(request.reasoning)
    check_settings(request)


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


def _check_format(wanted: ResponseFormat) -> None:
    if wanted.kind == "json_schema" and wanted.schema is None:
        raise InvalidRequest("response_format has no schema; give one, or use json_object", field="response_format")
    if wanted.schema is not None:
        check_json(wanted.schema, "response_format.schema")


def _check_reasoning(wish: ReasoningWish) -> None:
    if wish.effort not in _EFFORTS:
        allowed = ", ".join([word for word in _EFFORTS if word])
        raise InvalidRequest(f"reasoning.effort is {wish.effort!r:.60}; use one of {allowed}", field="reasoning.effort")
    budget = wish.budget_tokens
    if budget is not None and (isinstance(budget, bool) or not isinstance(cast("object", budget), int) or budget < 1):
        raise InvalidRequest(
            f"reasoning.budget_tokens is {budget!r:.60}; give a whole number from 1 up", field="reasoning.budget_tokens"
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
    check_tool_name(tool.name, f"{field}.name")
    if tool.cache_point is not None:
        check_block(tool.cache_point, f"{field}.cache_point", "user")
    if tool.description is not None and not tool.description:
        raise InvalidRequest(f"{field}.description is empty; leave it out instead", field=f"{field}.description")
    check_json(tool.input_schema, f"{field}.input_schema")
