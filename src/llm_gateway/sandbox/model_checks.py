"""What only some models refuse: sampling, lengths, tools, reasoning settings, media. Decided by the facts of the model.

Every function raises Refused, in Bedrock's words or behind them in the vendor's, for the first thing that is wrong.
"""

from typing import Any

import orjson

from llm_gateway.sandbox.models import ModelFacts, ModelId
from llm_gateway.sandbox.refusals import from_the_model, invalid
from llm_gateway.sandbox.tokens import request_tokens
from llm_gateway.sandbox.wire_json import Json, as_object, as_text, objects

_MOST_CACHE_POINTS = 4
_LEAST_THINKING = 1024
_MEDIA = {"image": "IMAGE", "video": "VIDEO", "audio": "AUDIO"}


def check_on_demand(model: ModelId) -> None:
    if not model.facts.on_demand and not model.through_profile:
        raise invalid(
            f"Invocation of model ID {model.given} with on-demand throughput isn’t supported. Retry your request with "
            "the ID or ARN of an inference profile that contains this model."
        )


def check_for_model(body: Json, facts: ModelFacts, *, streaming: bool) -> None:
    """The body is right in shape and conversation already."""
    if streaming and not facts.streaming:
        raise invalid("The model is unsupported for streaming.")
    if facts.output != ("TEXT",):
        raise invalid(
            "This action doesn't support the model that you provided. Try again with a supported text or chat model."
        )
    _check_support(body, facts, streaming=streaming)
    _check_media(body, facts)
    _check_sampling(as_object(body.get("inferenceConfig")), facts)
    _check_thinking(body, facts)
    _check_vendor_fields(as_object(body.get("additionalModelRequestFields")), facts)
    _check_vendor_choice(body, facts)
    _check_structure(as_object(body.get("outputConfig")), facts)
    _check_length(body, facts)


def check_counting(body: Json, model: ModelId) -> None:
    if model.through_profile or not model.facts.counts_tokens:
        raise invalid("The provided model doesn't support counting tokens.")


def thinking_of(body: Json) -> Json:
    return as_object(as_object(body.get("additionalModelRequestFields")).get("thinking"))


def _check_support(body: Json, facts: ModelFacts, *, streaming: bool) -> None:
    messages = objects(body.get("messages"))
    if body.get("system") and not facts.system:
        raise invalid(
            "This model doesn't support system messages. Try again without a system message or use a model that "
            "supports system messages."
        )
    if "toolConfig" in body:
        _check_tool_support(as_object(body["toolConfig"]), facts, streaming=streaming)
    if messages[-1]["role"] == "assistant" and not facts.prefill:
        raise from_the_model(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
    for at, message in enumerate(messages):
        if message["role"] == "system" and not facts.mid_system:
            raise from_the_model(f"messages.{at}.role: Input should be 'user' or 'assistant'")
    _check_cache_points(body, messages)


def _check_cache_points(body: Json, messages: list[Json]) -> None:
    blocks = [block for message in messages for block in objects(message["content"])]
    places = (*_tools(body), *objects(body.get("system")), *blocks)
    points = [as_object(block["cachePoint"]) for block in places if "cachePoint" in block]
    if len(points) > _MOST_CACHE_POINTS:
        raise from_the_model(
            f"A maximum of {_MOST_CACHE_POINTS} blocks with cache_control may be provided. Found {len(points)}."
        )
    lives = [point.get("ttl", "5m") for point in points]
    if "5m" in lives and "1h" in lives[lives.index("5m") :]:
        raise from_the_model("a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block.")


def _check_media(body: Json, facts: ModelFacts) -> None:
    for at, message in enumerate(objects(body.get("messages"))):
        blocks = objects(message["content"])
        results = [part for block in blocks for part in objects(as_object(block.get("toolResult")).get("content"))]
        for block in (*blocks, *results):
            _check_medium(block, facts)
        if facts.lone_tool_results and results and any("toolResult" not in block for block in blocks):
            raise invalid(
                f"messages.{at}.content: Conversation blocks and tool use blocks cannot be provided in the same turn."
            )
        if facts.family == "nova" and any(_beyond_nova(part) for part in results):
            raise from_the_model(
                f"Malformed input request: #/messages/{at}/content/0: extraneous key [toolResult] is not permitted, "
                "please reformat your input and try again."
            )


def _check_medium(block: Json, facts: ModelFacts) -> None:
    for kind in block:
        if kind in _MEDIA and _MEDIA[kind] not in facts.input:
            raise invalid(
                f"This model doesn't support the {kind} content block that you provided. Update the content block and "
                "try again."
            )
        if not facts.s3 and kind != "document" and "s3Location" in as_object(as_object(block[kind]).get("source")):
            raise invalid("This model doesn't support the s3Uri field. Remove s3Uri and try again.")


def _beyond_nova(part: Json) -> bool:
    """Nova takes no video and no pdf or Word document out of a tool's hand."""
    return "video" in part or as_object(part.get("document")).get("format") in ("pdf", "doc", "docx")


def _tools(body: Json) -> list[Json]:
    return objects(as_object(body.get("toolConfig")).get("tools"))


def _check_tool_support(config: Json, facts: ModelFacts, *, streaming: bool) -> None:
    if not facts.tools:
        raise invalid("This model doesn't support tool use.")
    if streaming and not facts.tools_while_streaming:
        raise invalid("This model doesn't support tool use in streaming mode.")
    choice = as_object(config.get("toolChoice"))
    if not facts.forced_tool and ("any" in choice or "tool" in choice):
        raise invalid(
            "This model doesn't support the toolConfig.toolChoice.any field. Remove toolConfig.toolChoice.any "
            "and try again."
        )
    names = [
        as_text(as_object(tool["toolSpec"]).get("name")) for tool in objects(config.get("tools")) if "toolSpec" in tool
    ]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise invalid(f"The tool config contains duplicate tool names: {', '.join(doubles)}")
    wanted = as_object(choice.get("tool")).get("name")
    if wanted is not None and wanted not in names:
        raise invalid(f"Tool '{wanted}' not found in provided tools.")


def _check_sampling(limits: Json, facts: ModelFacts) -> None:
    given = [written for member, written in (("temperature", "temperature"), ("topP", "top_p")) if member in limits]
    if given and facts.sampling == "none":
        raise from_the_model(f"`{given[0]}` is deprecated for this model.")
    if len(given) == 2 and facts.sampling == "one":
        raise from_the_model("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    wanted = limits.get("maxTokens", 0)
    if wanted > facts.max_output_tokens:
        most = facts.max_output_tokens
        raise invalid(
            f"The maximum tokens you requested exceeds the model limit of {most}. Try again with a maximum "
            f"tokens value "
            f"that is lower than {most}."
        )


def _check_thinking(body: Json, facts: ModelFacts) -> None:
    thinking = thinking_of(body)
    if facts.family != "claude" or thinking.get("type") not in ("enabled", "adaptive"):
        return
    if facts.reasoning == "none":
        raise from_the_model("thinking: Extra inputs are not permitted")
    limits = as_object(body.get("inferenceConfig"))
    if limits.get("temperature", 1) != 1:
        raise from_the_model("`temperature` may only be set to 1 when thinking is enabled.")
    if set(as_object(as_object(body.get("toolConfig")).get("toolChoice"))) & {"any", "tool"}:
        raise from_the_model("Thinking may not be enabled when tool_choice forces tool use.")
    if thinking["type"] == "adaptive":
        if facts.reasoning != "adaptive":
            raise from_the_model("adaptive thinking is not supported on this model")
        return
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int):
        raise from_the_model("thinking.enabled.budget_tokens: Field required")
    if budget < _LEAST_THINKING:
        raise from_the_model(
            f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_LEAST_THINKING}"
        )
    if "maxTokens" in limits and limits["maxTokens"] <= budget:
        raise from_the_model("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _check_vendor_fields(given: Json, facts: ModelFacts) -> None:
    strange = [name for name in given if facts.strict_fields and name not in facts.strict_fields]
    if strange and facts.family == "claude":
        raise from_the_model(f"{strange[0]}: Extra inputs are not permitted")
    if strange:
        raise from_the_model(
            f"Malformed input request: #: extraneous key [{strange[0]}] is not permitted, please reformat your input "
            "and try again."
        )
    if facts.name == "gpt-oss" and given.get("reasoning_effort", "low") not in ("low", "medium", "high"):
        raise from_the_model(f"reasoning_effort: {given['reasoning_effort']} is not one of low, medium, high")


def _check_vendor_choice(body: Json, facts: ModelFacts) -> None:
    """Claude's own tool_choice, which may say that parallel calls are not wanted."""
    given = as_object(body.get("additionalModelRequestFields")).get("tool_choice")
    if given is None or facts.family != "claude":
        return
    if "type" not in as_object(given):
        raise from_the_model("tool_choice.type: Field required")
    chosen = next(iter(as_object(as_object(body.get("toolConfig")).get("toolChoice"))), None)
    if chosen is not None:
        raise invalid(
            f"The additional field tool_choice/type conflicts with the existing field toolConfig.toolChoice.{chosen}. "
            "Remove tool_choice/type and try again."
        )
    if "toolConfig" not in body:
        raise from_the_model("tool_choice may only be specified while providing tools")


def _check_structure(config: Json, facts: ModelFacts) -> None:
    form = as_object(config.get("textFormat"))
    if not form:
        return
    if not facts.json_schema:
        raise invalid(
            "This model doesn't support the outputConfig.textFormat field. Remove outputConfig.textFormat and "
            "try again."
        )
    written = as_text(as_object(as_object(form.get("structure")).get("jsonSchema")).get("schema"))
    try:
        schema: Any = orjson.loads(written)
    except orjson.JSONDecodeError as fault:
        raise invalid(
            f"The value at outputConfig.textFormat.structure.jsonSchema.schema is no JSON: {fault}"
        ) from fault
    if not isinstance(schema, dict):
        raise invalid("The value at outputConfig.textFormat.structure.jsonSchema.schema must be a JSON object.")


def _check_length(body: Json, facts: ModelFacts) -> None:
    counted = request_tokens(body)
    if counted > facts.context_tokens:
        raise facts.too_long(counted)
