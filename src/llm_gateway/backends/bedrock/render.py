"""Our words to Converse words. Pure: never sends, never reads a clock."""

import json
from collections.abc import Mapping
from typing import NamedTuple, cast

import orjson

from llm_gateway.backends.bedrock.check import check_request
from llm_gateway.backends.bedrock.converse_json import Json, block_json, message_json, tool_choice_json, tool_json
from llm_gateway.backends.bedrock.fit import Fitted, fit
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import ModelCall


class Rendered(NamedTuple):
    """The body of a Converse or ConverseStream request, what was changed so that the model can take it, and whether
    tools are declared in it."""

    body: bytes
    warnings: tuple[str, ...]
    with_tools: bool


def render(call: ModelCall) -> Rendered:
    """The request body.

    Raises:
        InvalidRequest: Converse would refuse the request; the field and the mend are named.
    """
    check_request(call.request, call.model.invoked_id)
    fitted = fit(call)
    return Rendered(write_json(render_fitted(fitted)), fitted.warnings, bool(fitted.tools))


def render_fitted(fitted: Fitted) -> Json:
    """The body as JSON values; members that are empty are left out."""
    body: Json = {"messages": [message_json(message) for message in fitted.messages]}
    if fitted.system:
        body["system"] = [block_json(block) for block in fitted.system]
    inference: Json = {}
    if fitted.max_tokens is not None:
        inference["maxTokens"] = fitted.max_tokens
    if fitted.temperature is not None:
        inference["temperature"] = fitted.temperature
    if fitted.top_p is not None:
        inference["topP"] = fitted.top_p
    if fitted.stop_sequences:
        inference["stopSequences"] = fitted.stop_sequences
    if inference:
        body["inferenceConfig"] = inference
    if fitted.tools:
        config: Json = {"tools": [tool_json(tool) for tool in fitted.tools]}
        if fitted.tool_choice is not None:
            config["toolChoice"] = tool_choice_json(fitted.tool_choice)
        body["toolConfig"] = config
    if fitted.extra_fields:
        body["additionalModelRequestFields"] = fitted.extra_fields
    return body


def write_json(body: Json) -> bytes:
    """Compact UTF-8; whole numbers of any size, as JSON allows them."""
    try:
        return orjson.dumps(body, default=_plain)
    except orjson.JSONEncodeError:
        pass  # a number beyond 64 bits, a deep nest: the standard library is slower and takes more
    try:
        return json.dumps(body, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_plain).encode()
    except (ValueError, TypeError, RecursionError) as fault:
        raise InvalidRequest("the request holds something that cannot be written as JSON in UTF-8") from fault


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    raise TypeError
