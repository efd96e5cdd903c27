"""Our words to Converse words. Pure: never sends, never reads a clock."""

import json
from collections.abc import Mapping
from typing import NamedTuple, cast

import orjson

from llm_gateway.backends.bedrock.call_settings import differs_in_streams, settings_json
from llm_gateway.backends.bedrock.check import check_request
from llm_gateway.backends.bedrock.converse_json import Json, block_json, message_json, tool_choice_json, tools_json
from llm_gateway.backends.bedrock.fit import Fitted, fit
from llm_gateway.backends.bedrock.reading import Reading
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import ModelCall

_COUNTED = ("messages", "system", "toolConfig", "additionalModelRequestFields")


class Rendered(NamedTuple):
    """The body of a ConverseStream request, what was changed so that the model can take it, and whether tools are
    declared in it. ``whole_body`` is the body of a Converse request; ``reading`` undoes the changes in the answer."""

    body: bytes
    warnings: tuple[str, ...]
    with_tools: bool
    whole_body: bytes
    reading: Reading


def render(call: ModelCall) -> Rendered:
    """The request body.

    Raises:
        InvalidRequest: Converse would refuse the request; the field and the mend are named.
    """
    check_request(call.request, call.model.invoked_id)
    fitted, request = fit(call), call.request
    shared = render_fitted(fitted)
    body = whole_body = write_json(shared | settings_json(request, streaming=True))
    if differs_in_streams(request):
        whole_body = write_json(shared | settings_json(request, streaming=False))
    return Rendered(body, fitted.warnings, bool(fitted.tools), whole_body, fitted.reading)


def render_counting(call: ModelCall) -> bytes:
    """The body of a CountTokens request: what of the call is read by the model.

    Raises:
        InvalidRequest: as :func:`render`.
    """
    check_request(call.request, call.model.invoked_id)
    body = render_fitted(fit(call))
    return write_json({"input": {"converse": {name: body[name] for name in _COUNTED if name in body}}})


def render_fitted(fitted: Fitted) -> Json:
    """The body as JSON values; members that are empty are left out."""
    body: Json = {"messages": [message_json(message) for message in fitted.messages]}
    if fitted.system:
        body["system"] = [block_json(block) for block in fitted.system]
    inference = _inference_json(fitted)
    if inference:
        body["inferenceConfig"] = inference
    if fitted.tools:
        config: Json = {"tools": tools_json(fitted.tools)}
        if fitted.tool_choice is not None:
            config["toolChoice"] = tool_choice_json(fitted.tool_choice)
        body["toolConfig"] = config
    if fitted.extra_fields:
        body["additionalModelRequestFields"] = fitted.extra_fields
    if fitted.output_config:
        body["outputConfig"] = fitted.output_config
    return body


def _inference_json(fitted: Fitted) -> Json:
    inference: Json = {}
    if fitted.max_tokens is not None:
        inference["maxTokens"] = fitted.max_tokens
    if fitted.temperature is not None:
        inference["temperature"] = fitted.temperature
    if fitted.top_p is not None:
        inference["topP"] = fitted.top_p
    if fitted.stop_sequences:
        inference["stopSequences"] = fitted.stop_sequences
    return inference


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
