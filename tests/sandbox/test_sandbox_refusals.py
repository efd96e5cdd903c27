"""The sandbox refuses what Bedrock refuses, in Bedrock's words."""

import json

import pytest
from botocore.exceptions import ClientError

NOVA = "amazon.nova-pro-v1:0"
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OPUS = "global.anthropic.claude-opus-4-7"
FABLE = "us.anthropic.claude-sonnet-5-5"
GREETING = {"role": "user", "content": [{"text": "Hi"}]}
REPLY = {"role": "assistant", "content": [{"text": "Hello"}]}
SPEC = {"name": "look", "inputSchema": {"json": {"type": "object"}}}
TOOLS = {"tools": [{"toolSpec": SPEC}]}
CALL = {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "look", "input": {}}}]}
RESULT = {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "seen"}]}}]}
POINT = {"cachePoint": {"type": "default"}}
PREFIX = "The model returned the following errors: "


def detected(*complaints):
    errors = "1 validation error" if len(complaints) == 1 else f"{len(complaints)} validation errors"
    return f"{errors} detected: {'; '.join(complaints)}"


def broken(value, path, constraint):
    shown = "Value at" if value is None else f"Value '{value}' at"
    return f"{shown} '{path}' failed to satisfy constraint: Member must {constraint}"


def result(**members):
    return {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "x"}], **members}}]}


def thinking(budget=1024, **more):
    return {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": budget}}, **more}


def schema(text):
    structure = {"jsonSchema": {"schema": text}}
    return {"outputConfig": {"textFormat": {"type": "json_schema", "structure": structure}}}


SHAPES = [
    ({"inferenceConfig": {"temperature": 1.5}},
     detected(broken(1.5, "inferenceConfig.temperature", "have value less than or equal to 1"))),
    ({"inferenceConfig": {"temperature": -1, "maxTokens": 0}},
     detected(broken(-1, "inferenceConfig.temperature", "have value greater than or equal to 0"),
              broken(0, "inferenceConfig.maxTokens", "have value greater than or equal to 1"))),
    ({"messages": [{"role": "robot", "content": [{"text": "Hi"}]}]},
     detected(broken("robot", "messages.1.member.role", "satisfy enum value set: [user, assistant, system]"))),
    ({"messages": [{"content": [{"text": "Hi"}]}]},
     detected(broken(None, "messages.1.member.role", "not be null"))),
    ({"toolConfig": {"tools": []}},
     detected(broken(None, "toolConfig.tools", "have length greater than or equal to 1"))),
    ({"toolConfig": {"tools": [{"toolSpec": {**SPEC, "name": "a.b"}}]}},
     detected(broken("a.b", "toolConfig.tools.1.member.toolSpec.name",
                     "satisfy regular expression pattern: [a-zA-Z0-9_-]+"))),
    ({"system": [{"text": ""}]},
     detected(broken("", "system.1.member.text", "have length greater than or equal to 1"))),
    ({"requestMetadata": {str(n): "x" for n in range(17)}},
     detected(broken(None, "requestMetadata", "have length less than or equal to 16"))),
    ({"requestMetadata": {"a": "ü"}},
     detected(broken("ü", "requestMetadata.a",
                     r"satisfy regular expression pattern: [a-zA-Z0-9\s:_@$#=/+,-.]{0,256}"))),
    ({"serviceTier": {"type": "x"}},
     detected(broken("x", "serviceTier.type", "satisfy enum value set: [priority, default, flex, reserved]"))),
    ({"novelty": 1},
     "Malformed input request: #: extraneous key [novelty] is not permitted, please reformat your input and try "
     "again."),
    ({"messages": [{**GREETING, "x": 1}]},
     "Malformed input request: #/messages/0: extraneous key [x] is not permitted, please reformat your input and try "
     "again."),
    ({"toolConfig": {"tools": [{}]}},
     "The Tool object at toolConfig.tools.0 must set one of the following keys: toolSpec, systemTool, cachePoint."),
]  # fmt: skip
UNREADABLE = [
    ({"messages": "Hi"}, "STRING_VALUE can not be converted to a List"),
    ({"messages": ["Hi"]}, "STRING_VALUE can not be converted to an Object"),
    ({"inferenceConfig": {"maxTokens": True}}, "BOOLEAN_VALUE can not be converted to an Integer"),
    ({"inferenceConfig": {"maxTokens": 1.5}}, "DECIMAL_VALUE can not be converted to an Integer"),
    ({"inferenceConfig": {"topP": "1"}}, "STRING_VALUE can not be converted to a Float"),
    ({"messages": [{"role": "user", "content": [{"text": 3}]}]}, "NUMBER_VALUE can not be converted to a String"),
    (
        {"messages": [{"role": "user", "content": [{"text": {}}]}]},
        "Start of structure or map found where not expected.",
    ),
    ({"messages": [{"role": "user", "content": [{"text": []}]}]}, "Start of list found where not expected."),
    ({"requestMetadata": 3}, "NUMBER_VALUE can not be converted to a Map"),
    ({"messages": [None]}, "NULL_VALUE can not be converted to an Object"),
    (
        {"toolConfig": {"tools": [{"toolSpec": {**SPEC, "strict": 1}}]}},
        "NUMBER_VALUE can not be converted to a Boolean",
    ),
]
CONVERSATIONS = [
    ({"messages": []}, "A conversation must start with a user message."),
    ({"messages": [REPLY, GREETING]}, "A conversation must start with a user message."),
    ({"messages": [GREETING, GREETING]}, "A conversation must alternate between user and assistant roles."),
    ({"messages": [{"role": "user", "content": []}]},
     "The content field in the Message object at messages.0 is empty."),
    ({"messages": [GREETING, REPLY, {"role": "user", "content": [{"text": "a"}, {"text": " \n"}]}]},
     "The text field in the ContentBlock object at messages.2.content.1 is blank. Add text to the text field, and try "
     "again."),
    ({"system": [{"text": " "}]}, "The text field in the SystemContentBlock object at system.0 is blank."),
    ({"messages": [GREETING, CALL, RESULT]},
     "The toolConfig field must be defined when using toolUse and toolResult content blocks."),
    ({"messages": [GREETING, CALL, GREETING], "toolConfig": TOOLS},
     "Expected toolResult blocks at messages.2.content for the following Ids: t1"),
    ({"messages": [RESULT], "toolConfig": TOOLS},
     "The number of toolResult blocks at messages.0.content exceeds the number of toolUse blocks of previous turn."),
    ({"messages": [GREETING, CALL, {"role": "user", "content": RESULT["content"] * 2}], "toolConfig": TOOLS},
     "The toolResult blocks at messages.2.content contain duplicate Ids: t1"),
    ({"messages": [GREETING, {"role": "assistant", "content": CALL["content"] * 2}], "toolConfig": TOOLS},
     "The toolUse blocks at messages.1.content contain duplicate Ids: t1"),
    ({"messages": [GREETING, CALL, result(toolUseId="t2")], "toolConfig": TOOLS},
     "Expected toolResult blocks at messages.2.content for the following Ids: t1"),
    ({"messages": [GREETING, CALL, result(content=[], status="error")], "toolConfig": TOOLS},
     "The content field at messages.2.content.0.toolResult cannot be empty when status value is error."),
    ({"messages": [GREETING, {"role": "assistant", "content": [
        {"toolUse": {"toolUseId": "t1", "name": "look", "input": "x"}}]}], "toolConfig": TOOLS},
     "The format of the value at messages.1.content.0.toolUse.input is invalid."),
]  # fmt: skip
MODELS = [
    (NOVA, {"inferenceConfig": {"maxTokens": 10001}},
     "The maximum tokens you requested exceeds the model limit of 10000. Try again with a maximum tokens value that is "
     "lower than 10000."),
    (SONNET, {"inferenceConfig": {"temperature": 1, "topP": 1}},
     PREFIX + "`temperature` and `top_p` cannot both be specified for this model. Please use only one."),
    (OPUS, {"inferenceConfig": {"topP": 1}}, PREFIX + "`top_p` is deprecated for this model."),
    (OPUS, {"messages": [GREETING, REPLY]}, PREFIX + "This model does not support assistant message prefill."),
    (FABLE, {"toolConfig": {**TOOLS, "toolChoice": {"any": {}}}},
     "This model doesn't support the toolConfig.toolChoice"),
    (NOVA, {"toolConfig": {**TOOLS, "toolChoice": {"tool": {"name": "no"}}}}, "Tool 'no' not found in provided tools."),
    (NOVA, {"toolConfig": {"tools": TOOLS["tools"] * 2}}, "The tool config contains duplicate tool names: look"),
    ("us.deepseek.r1-v1:0", {"toolConfig": TOOLS}, "This model doesn't support tool use."),
    ("amazon.titan-text-lite-v1", {"system": [{"text": "Be"}]}, "This model doesn't support system messages."),
    ("amazon.titan-embed-text-v1", {}, "This action doesn't support the model that you provided."),
    ("amazon.nova-micro-v1:0",
     {"messages": [{"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": "eA=="}}}]}]},
     "This model doesn't support the image content block that you provided. Update the content block and try again."),
    (SONNET,
     {"messages": [{"role": "user", "content": [
         {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/key"}}}}]}]},
     "This model doesn't support the s3Uri field. Remove s3Uri and try again."),
    (NOVA, {"system": [{"text": "a"}, POINT] * 5},
     PREFIX + "A maximum of 4 blocks with cache_control may be provided."),
    (NOVA, {"additionalModelRequestFields": {"top_k": 5}},
     PREFIX + "Malformed input request: #: extraneous key [top_k]"),
    (SONNET, {"additionalModelRequestFields": {"topK": 5}}, PREFIX + "topK: Extra inputs are not permitted"),
    ("openai.gpt-oss-20b-1:0", {"additionalModelRequestFields": {"reasoning_effort": "none"}},
     PREFIX + "reasoning_effort"),
    (NOVA, schema("{}"), "This model doesn't support the outputConfig.textFormat field."),
    (SONNET, schema("{"), "The value at outputConfig.textFormat.structure.jsonSchema.schema is no JSON"),
    (SONNET, schema("[]"), "The value at outputConfig.textFormat.structure.jsonSchema.schema must be a JSON object."),
    ("us.meta.llama3-3-70b-instruct-v1:0",
     {"messages": [GREETING, CALL, {"role": "user", "content": [*RESULT["content"], {"text": "And?"}]}],
      "toolConfig": TOOLS},
     "messages.2.content: Conversation blocks and tool use blocks cannot be provided in the same turn."),
    (NOVA,
     {"messages": [GREETING, CALL, result(content=[
         {"document": {"name": "d", "format": "pdf", "source": {"bytes": "eA=="}}}])], "toolConfig": TOOLS},
     PREFIX + "Malformed input request: #/messages/2/content/0: extraneous key [toolResult] is not permitted"),
    ("anthropic.claude-3-haiku-20240307-v1:0", thinking(), PREFIX + "thinking: Extra inputs"),
    (SONNET, thinking(inferenceConfig={"temperature": 0.5}), PREFIX + "`temperature` may only be set to 1"),
    (SONNET, thinking(toolConfig={**TOOLS, "toolChoice": {"any": {}}}), PREFIX + "Thinking may not be enabled"),
    (SONNET, {"system": [{"text": "a"}, POINT, {"text": "b"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]},
     PREFIX + "a ttl='1h' cache_control block must not come after a ttl='5m'"),
    (SONNET, {"messages": [GREETING, {"role": "system", "content": [{"text": "x"}]}]},
     PREFIX + "messages.1.role: Input should be 'user' or 'assistant'"),
    (SONNET, thinking(messages=[GREETING, CALL, RESULT], toolConfig=TOOLS),
     PREFIX + "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`."),
    (SONNET, thinking(100), PREFIX + "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"),
    (SONNET, thinking(None), PREFIX + "thinking.enabled.budget_tokens: Field required"),
    (SONNET, thinking(inferenceConfig={"maxTokens": 1024}), PREFIX + "`max_tokens` must be greater than"),
    (SONNET, {"additionalModelRequestFields": {"thinking": {"type": "adaptive"}}}, PREFIX + "adaptive thinking"),
    (SONNET, {"additionalModelRequestFields": {"tool_choice": {"disable_parallel_tool_use": True}},
              "toolConfig": TOOLS}, PREFIX + "tool_choice.type: Field required"),
    (SONNET, {"additionalModelRequestFields": {"tool_choice": {"type": "auto"}}}, PREFIX + "tool_choice may only"),
    (SONNET, {"additionalModelRequestFields": {"tool_choice": {"type": "auto"}},
              "toolConfig": {**TOOLS, "toolChoice": {"any": {}}}},
     "The additional field tool_choice/type conflicts with the existing field toolConfig.toolChoice.any."),
    ("anthropic.claude-3-5-sonnet-20241022-v2:0", {},
     "Invocation of model ID anthropic.claude-3-5-sonnet-20241022-v2:0 with on-demand throughput isn’t supported. "
     "Retry your request with the ID or ARN of an inference profile that contains this model."),
    ("meta.llama3-8b-instruct-v1:0", {"messages": [{"role": "user", "content": [{"text": "word " * 8000}]}]},
     PREFIX + "Input is too long for requested model."),
    (SONNET, {"messages": [{"role": "user", "content": [{"text": "x" * 900000}]}]},
     PREFIX + "prompt is too long: 225003 tokens > 200000 maximum"),
]  # fmt: skip
FINE = [
    (SONNET, {"messages": [REPLY, GREETING]}),
    ("amazon.titan-text-lite-v1", {"messages": [GREETING, GREETING]}),
    (NOVA, {"additionalModelRequestFields": {"inferenceConfig": {"topK": 5}}, "inferenceConfig": {"temperature": 1}}),
    (SONNET, thinking(inferenceConfig={"maxTokens": 2000, "temperature": 1})),
    (FABLE, {"messages": [GREETING, {"role": "system", "content": [{"text": "x"}]}, GREETING]}),
    (SONNET, thinking()),
    (SONNET, {"system": [{"text": "a"}, {"cachePoint": {"type": "default", "ttl": "1h"}}, {"text": "b"}, POINT]}),
    (FABLE, {"additionalModelRequestFields": {"thinking": {"type": "adaptive"}}}),
    (NOVA, {"messages": [GREETING, CALL, RESULT], "toolConfig": TOOLS}),
    (SONNET, {"messages": [{"role": "user", "content": [
        {"document": {"name": "d", "format": "txt", "source": {"text": "x"}}}, {"text": "\n"}]}]}),
    ("arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0", {}),
    ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", {}),
    ("arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123", {}),
    (NOVA, {"messages": [GREETING, {"role": "assistant", "content": [
        {"toolUse": {"toolUseId": "s", "name": "look", "input": {}, "type": "server_tool_use"}},
        {"toolResult": {"toolUseId": "s", "content": [{"json": {}}], "type": "look_result"}},
        {"text": "So"}]}, GREETING],
        "toolConfig": {"tools": [{"systemTool": {"name": "look"}}]}}),
]  # fmt: skip


async def refusal(wire, model, operation, body):
    heard = await wire.post(model, operation, body)
    return heard.status, heard.headers.get("x-amzn-errortype", "").partition(":")[0], json.loads(heard.data)["message"]


@pytest.mark.parametrize(("body", "words"), SHAPES)
@pytest.mark.parametrize("operation", ["converse", "converse-stream"])
async def test_constraints_are_told_together_and_by_place(wire, operation, body, words):
    given = {"messages": [GREETING], **body}
    assert await refusal(wire, NOVA, operation, given) == (400, "ValidationException", words)


@pytest.mark.parametrize(("body", "words"), UNREADABLE)
async def test_a_wrong_type_cannot_be_read(wire, body, words):
    given = {"messages": [GREETING], **body}
    assert await refusal(wire, NOVA, "converse", given) == (400, "SerializationException", words)


@pytest.mark.parametrize("raw", [b'{"inferenceConfig": {"topP": NaN}}', b"{", b"[]", b'"x"', b"\xff"])
async def test_what_is_no_json_object_cannot_be_read(wire, raw):
    status, kind, _ = await refusal(wire, NOVA, "converse", raw)
    assert (status, kind) == (400, "SerializationException")


@pytest.mark.parametrize(("body", "words"), CONVERSATIONS)
async def test_a_conversation_has_an_order(wire, body, words):
    status, kind, message = await refusal(wire, NOVA, "converse", {"messages": [GREETING], **body})
    assert (status, kind) == (400, "ValidationException") and message.startswith(words)


async def test_one_strange_result_among_as_many_calls_is_named(wire):
    two = {
        "role": "assistant",
        "content": [*CALL["content"], {"toolUse": {"toolUseId": "t2", "name": "look", "input": {}}}],
    }
    both = [result()["content"][0], result(toolUseId="t2")["content"][0], result(toolUseId="t3")["content"][0]]
    given = {"messages": [GREETING, two, {"role": "user", "content": both}], "toolConfig": TOOLS}
    assert "exceeds the number" in (await refusal(wire, NOVA, "converse", given))[2]


@pytest.mark.parametrize(("model", "body", "words"), MODELS)
async def test_a_model_has_its_own_rules(wire, model, body, words):
    status, kind, message = await refusal(wire, model, "converse", {"messages": [GREETING], **body})
    assert (status, kind) == (400, "ValidationException") and message.startswith(words), message


@pytest.mark.parametrize("model", ["us.meta.llama4-scout-17b-instruct-v1:0", "us.writer.palmyra-x5-v1:0"])
async def test_some_models_take_no_tools_while_streaming(wire, model):
    body = {"messages": [GREETING], "toolConfig": TOOLS}
    words = "This model doesn't support tool use in streaming mode."
    assert (await refusal(wire, model, "converse-stream", body))[2] == words
    assert (await wire.post(model, "converse", body)).status == 200


async def test_a_model_may_not_stream_at_all(wire):
    told = await refusal(wire, "sandbox.no-streaming", "converse-stream", {"messages": [GREETING]})
    assert told == (400, "ValidationException", "The model is unsupported for streaming.")
    assert (await wire.post("sandbox.no-streaming", "converse", {"messages": [GREETING]})).status == 200


@pytest.mark.parametrize(("model", "body"), FINE)
@pytest.mark.parametrize("operation", ["converse", "converse-stream"])
async def test_what_bedrock_takes_the_sandbox_takes(wire, model, operation, body):
    heard = await wire.post(model, operation, {"messages": [GREETING], **body})
    assert heard.status == 200, heard.data


@pytest.mark.parametrize(
    "model", ["does-not-exist", "us.does-not-exist-model-v1:0", "us.amazon.nova-micro-v1:O", "nova", "a.b%3A0", "a.b c"]
)
async def test_an_unknown_model_id_is_invalid(wire, model):
    told = await refusal(wire, model, "converse", {"messages": [GREETING]})
    assert told == (400, "ValidationException", "The provided model identifier is invalid.")


@pytest.mark.parametrize("model", ["us.anthropic.claude-haiku-4-5-20251001-v1:0", NOVA, "anthropic.claude-v2"])
async def test_not_every_id_counts_tokens(wire, model):
    told = await refusal(wire, model, "count-tokens", {"input": {"converse": {"messages": [GREETING]}}})
    assert told[2] == "The provided model doesn't support counting tokens."


async def test_counting_wants_a_whole_input(wire):
    model = "anthropic.claude-haiku-4-5-20251001-v1:0"
    assert "must not be null" in (await refusal(wire, model, "count-tokens", {}))[2]
    assert "no base64" in (await refusal(wire, model, "count-tokens", {"input": {"invokeModel": {"body": "?"}}}))[2]


async def test_a_thought_must_come_back_unchanged(aws):
    fields = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    first = await aws.converse("Hard", SONNET, additionalModelRequestFields=fields)
    thought = first["output"]["message"]
    history = [GREETING, thought, GREETING]
    assert (await aws.converse(messages=history, model=SONNET, additionalModelRequestFields=fields))["stopReason"]
    other = "us.anthropic.claude-sonnet-4-6"
    with pytest.raises(ClientError, match="Invalid `signature` in `thinking` block"):
        await aws.converse(messages=history, model=other)
    thought["content"][0]["reasoningContent"]["reasoningText"]["text"] += "!"
    with pytest.raises(ClientError, match=r"messages\.1\.content\.0: Invalid `signature`"):
        await aws.converse(messages=history, model=SONNET)


@pytest.mark.parametrize(
    ("authorization", "kind", "words"),
    [
        (None, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ("Basic eDp5", "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ("AWS4-HMAC-SHA256 Credential=EXPIRED1/x", "ExpiredTokenException", "is expired"),
        ("AWS4-HMAC-SHA256 Credential=INVALID1/x", "UnrecognizedClientException", "is invalid"),
        ("AWS4-HMAC-SHA256 Credential=SKEWED1/x", "InvalidSignatureException", "Signature expired"),
        ("AWS4-HMAC-SHA256 Credential=DENIED1/x", "AccessDeniedException", "not authorized"),
        ("Bearer INVALID-key", "AccessDeniedException", "Invalid API Key format"),
        ("Bearer ", "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ("Bearer EXPIRED-key", "AccessDeniedException", "has expired"),
    ],
)
async def test_a_bad_credential_is_refused_before_anything_else(wire, authorization, kind, words):
    heard = await wire.post("does-not-exist", "converse", b"{", authorization=authorization)
    body = json.loads(heard.data)
    assert heard.status == 403 and heard.headers["x-amzn-errortype"].startswith(kind + ":")
    assert words in body.get("message", body.get("Message"))


async def test_a_bearer_key_suffices(sandbox, wire):
    heard = await wire.post(NOVA, "converse", {"messages": [GREETING]}, authorization="Bearer bedrock-api-key-x")
    assert heard.status == 200 and sandbox.log[0].credential == "bearer"
