"""The sandbox answers boto3 as Bedrock would: deterministically, with tokens that add up."""

import json

import pytest

from llm_gateway.sandbox.events import whole_of
from llm_gateway.sandbox.server import Sandbox

WEATHER = {
    "toolSpec": {
        "name": "get_weather",
        "description": "Tells the weather",
        "inputSchema": {
            "json": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 5}},
                "required": ["city", "days"],
            }
        },
    }
}
CLOCK = {"toolSpec": {"name": "get_time", "inputSchema": {"json": {"type": "object", "properties": {}}}}}
TOOLS = {"tools": [WEATHER, CLOCK]}
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


def text_of(answer):
    return answer["output"]["message"]["content"][-1]["text"]


def user(*blocks):
    return {"role": "user", "content": list(blocks)}


async def test_the_same_question_gets_the_same_answer_and_another_one_another(aws):
    first, again, other = await aws.converse("One?"), await aws.converse("One?"), await aws.converse("Two?")
    assert text_of(first) == text_of(again) != text_of(other)
    assert text_of(first).startswith("[sandbox] nova-pro would answer:")
    assert first["stopReason"] == "end_turn" and first["ResponseMetadata"]["RequestId"]


async def test_a_stream_tells_what_the_whole_answer_tells(aws):
    whole, events = await aws.converse("Tell me"), await aws.stream("Tell me")
    told = whole_of([next(iter(event.items())) for event in events])
    assert told["output"] == whole["output"] and told["usage"] == whole["usage"]
    names = [next(iter(event)) for event in events]
    assert names[0] == "messageStart" and names[-3:] == ["contentBlockStop", "messageStop", "metadata"]
    assert set(names[1:-3]) == {"contentBlockDelta"}


async def test_every_stream_event_carries_padding_and_three_string_headers(wire):
    heard = await wire.ask("Hello", "converse-stream")
    assert heard.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert all("p" in json.loads(payload) for _, payload in heard.events)


@pytest.mark.parametrize("text", ["Hello", "[[tokens:300]]", "x" * 4000, "Say: yes"])
async def test_tokens_add_up_and_follow_the_length(aws, text):
    answer = await aws.converse(text)
    usage = answer["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert usage["outputTokens"] == -(-len(text_of(answer)) // 4)
    assert usage["inputTokens"] >= len(text) // 4


async def test_counting_tells_the_input_tokens_of_the_call(aws):
    messages, system = [user({"text": "Hello there"})], [{"text": "Be brief."}]
    model = "anthropic.claude-haiku-4-5-20251001-v1:0"
    counted = await aws.call(
        "count_tokens", modelId=model, input={"converse": {"messages": messages, "system": system}}
    )
    answer = await aws.converse(messages=messages, system=system, model=f"us.{model}")
    assert counted["inputTokens"] == answer["usage"]["inputTokens"]
    invoked = await aws.call("count_tokens", modelId=model, input={"invokeModel": {"body": b'{"messages": []}'}})
    assert invoked["inputTokens"] == 4


async def test_max_tokens_ends_the_answer(aws):
    answer = await aws.converse("Say: one two three four five", inferenceConfig={"maxTokens": 2})
    assert (text_of(answer), answer["stopReason"], answer["usage"]["outputTokens"]) == ("one two ", "max_tokens", 2)


async def test_a_stop_sequence_ends_the_answer_and_is_named(aws):
    answer = await aws.converse(
        "Say: one, two, three",
        inferenceConfig={"stopSequences": [", th", ", tw"]},
        additionalModelResponseFieldPaths=["/stop_sequence"],
    )
    assert text_of(answer) == "one" and answer["stopReason"] == "stop_sequence"
    assert answer["additionalModelResponseFields"] == {"stop_sequence": ", tw"}


@pytest.mark.parametrize(
    ("text", "choice", "names"),
    [
        ("What time is it?", None, []),
        ("Use get_weather please", None, ["get_weather"]),
        ("get_weather and get_time", {"auto": {}}, ["get_weather", "get_time"]),
        ("[[tools]]", None, ["get_weather", "get_time"]),
        ("[[tool]]", None, ["get_weather"]),
        ("[[tool:get_time]]", None, ["get_time"]),
        ("[[tool:nothing]]", None, []),
        ("Hello", {"any": {}}, ["get_weather"]),
        ("Hello", {"tool": {"name": "get_time"}}, ["get_time"]),
    ],
)
async def test_tools_are_called_when_named_marked_or_forced(aws, text, choice, names):
    config = TOOLS | ({"toolChoice": choice} if choice else {})
    answer = await aws.converse(text, toolConfig=config)
    calls = [block["toolUse"] for block in answer["output"]["message"]["content"] if "toolUse" in block]
    assert [call["name"] for call in calls] == names
    assert answer["stopReason"] == ("tool_use" if names else "end_turn")
    for call in calls:
        assert call["toolUseId"].startswith("tooluse_") and len(call["toolUseId"]) == 30
        if call["name"] == "get_weather":
            assert isinstance(call["input"]["city"], str) and 1 <= call["input"]["days"] <= 5
        else:
            assert call["input"] == {}


async def test_a_marker_gives_the_arguments(aws):
    answer = await aws.converse('[[tool:get_weather {"city": "Paris", "days": 2}]]', toolConfig=TOOLS)
    assert answer["output"]["message"]["content"][-1]["toolUse"]["input"] == {"city": "Paris", "days": 2}
    broken = await aws.converse("[[tool:get_time {oops}]]", toolConfig=TOOLS)
    assert broken["output"]["message"]["content"][-1]["toolUse"]["input"] == {}


async def test_a_model_that_must_call_something_calls_what_it_has_not_called_yet(aws):
    config, messages, called = TOOLS | {"toolChoice": {"any": {}}}, [user({"text": "Hello"})], []
    for _ in range(2):
        answer = (await aws.converse(messages=messages, toolConfig=config))["output"]["message"]
        call = answer["content"][-1]["toolUse"]
        called.append(call["name"])
        result = {"toolUseId": call["toolUseId"], "content": [{"text": "done"}]}
        messages += [answer, user({"toolResult": result})]
    assert called == ["get_weather", "get_time"]


async def test_a_tool_loop_ends_with_words_about_the_results(aws):
    asked = user({"text": "get_weather"})
    first = await aws.converse(messages=[asked], toolConfig=TOOLS)
    call = first["output"]["message"]["content"][-1]["toolUse"]
    result = {"toolUseId": call["toolUseId"], "content": [{"text": "sunny"}, {"json": {"degrees": 20}}]}
    second = await aws.converse(
        messages=[asked, first["output"]["message"], user({"toolResult": result}, {"text": "get_weather said so"})],
        toolConfig=TOOLS,
    )
    assert second["stopReason"] == "end_turn"
    assert "sunny" in text_of(second) and '{"degrees":20}' in text_of(second)


async def test_tool_input_streams_as_pieces_of_json(aws):
    events = await aws.stream("[[tools]]", toolConfig=TOOLS)
    told = whole_of([next(iter(event.items())) for event in events])
    whole = await aws.converse("[[tools]]", toolConfig=TOOLS)
    assert told["output"] == whole["output"]
    starts = [event["contentBlockStart"]["start"] for event in events if "contentBlockStart" in event]
    assert [start["toolUse"]["name"] for start in starts] == ["get_weather", "get_time"]


SCHEMA = {
    "type": "object",
    "required": ["name", "kind", "size", "tags", "when", "inner", "maybe", "ok", "nothing", "share", "fixed", "both"],
    "$defs": {"inner": {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}}}},
    "properties": {
        "name": {"type": "string", "minLength": 12, "maxLength": 14},
        "kind": {"enum": ["a", "b"]},
        "size": {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 6},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 3},
        "when": {"type": "string", "format": "date"},
        "inner": {"$ref": "#/$defs/inner"},
        "maybe": {"anyOf": [{"type": "null"}, {"type": "number"}]},
        "ok": {"type": "boolean"},
        "nothing": {"type": ["null"]},
        "share": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        "fixed": {"const": 7},
        "both": {"allOf": [{"properties": {"x": {"type": "boolean"}}}, {"properties": {"y": {"const": 1}}}]},
    },
}


async def test_structured_output_fits_its_schema(aws):
    form = {"type": "json_schema", "structure": {"jsonSchema": {"schema": json.dumps(SCHEMA), "name": "thing"}}}
    made = json.loads(text_of(await aws.converse("Make one", CLAUDE, outputConfig={"textFormat": form})))
    assert set(made) == set(SCHEMA["required"])
    assert 12 <= len(made["name"]) <= 14 and made["kind"] in ("a", "b") and made["size"] in (4, 5)
    assert len(made["tags"]) == 2 and made["when"] == "2026-01-15" and len(made["inner"]["id"]) == 36
    assert isinstance(made["maybe"], float) and isinstance(made["ok"], bool) and made["nothing"] is None
    assert 0 <= made["share"] <= 1 and made["fixed"] == 7 and made["both"]["y"] == 1 and "x" in made["both"]


async def test_a_schema_that_refers_to_itself_ends(aws):
    schema = {
        "$ref": "#/$defs/n",
        "$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}}, "required": ["next"]}},
    }
    form = {"type": "json_schema", "structure": {"jsonSchema": {"schema": json.dumps(schema)}}}
    made = json.loads(text_of(await aws.converse("Make one", CLAUDE, outputConfig={"textFormat": form})))
    assert "next" in made


async def test_claude_thinks_first_and_signs_it(aws):
    answer = await aws.converse("Hard", CLAUDE, additionalModelRequestFields=THINKING)
    thought = answer["output"]["message"]["content"][0]["reasoningContent"]["reasoningText"]
    assert thought["text"] and thought["signature"]
    told = whole_of(
        [next(iter(e.items())) for e in await aws.stream("Hard", CLAUDE, additionalModelRequestFields=THINKING)]
    )
    assert told["output"] == answer["output"]


@pytest.mark.parametrize(
    ("model", "fields", "text"),
    [
        (
            "us.amazon.nova-2-lite-v1:0",
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}},
            "[REDACTED]",
        ),
        ("openai.gpt-oss-120b-1:0", {"reasoning_effort": "high"}, None),
        ("us.deepseek.r1-v1:0", {}, None),
        ("qwen.qwen3-32b-v1:0", {"reasoning_config": "high"}, None),
    ],
)
async def test_other_families_think_without_a_signature(aws, model, fields, text):
    answer = await aws.converse("Hard", model, additionalModelRequestFields=fields)
    thought = answer["output"]["message"]["content"][0]["reasoningContent"]["reasoningText"]
    assert "signature" not in thought and thought["text"] == (text or thought["text"])


async def test_thoughts_can_come_redacted(aws):
    fields = {"additionalModelRequestFields": THINKING}
    answer = await aws.converse("[[redacted]]", CLAUDE, **fields)
    hidden = answer["output"]["message"]["content"][0]["reasoningContent"]["redactedContent"]
    events = await aws.stream("[[redacted]]", CLAUDE, **fields)
    assert isinstance(hidden, bytes)
    assert events[1]["contentBlockDelta"]["delta"]["reasoningContent"] == {"redactedContent": hidden}


async def test_a_prefix_is_written_once_and_then_read(aws):
    system = [{"text": "A long rule. " * 1000}, {"cachePoint": {"type": "default"}}]
    long_lived = [system[0], {"cachePoint": {"type": "default", "ttl": "1h"}}, {"text": "More. " * 2000}]
    long_lived.append({"cachePoint": {"type": "default", "ttl": "1h"}})
    first = (await aws.converse("Hi", CLAUDE, system=system))["usage"]
    second = (await aws.converse("Other", CLAUDE, system=system))["usage"]
    third = (await aws.converse("Hi", CLAUDE, system=long_lived))["usage"]
    assert first["cacheWriteInputTokens"] == second["cacheReadInputTokens"] == 3250
    assert first["cacheDetails"] == [{"ttl": "5m", "inputTokens": 3250}] and second["cacheWriteInputTokens"] == 0
    assert third["cacheReadInputTokens"] == 3250 and third["cacheDetails"] == [{"ttl": "1h", "inputTokens": 3000}]
    for usage in (first, second, third):
        parts = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
        assert usage["totalTokens"] == sum(usage[part] for part in parts)


async def test_a_prefix_below_the_minimum_is_silently_not_cached(aws):
    system = [{"text": "Short."}, {"cachePoint": {"type": "default"}}]
    usage = (await aws.converse("Hi", CLAUDE, system=system))["usage"]
    assert "cacheWriteInputTokens" not in usage


async def test_nova_caches_no_tools(aws):
    spec = {**WEATHER["toolSpec"], "description": "Weather. " * 2000}
    config = {"tools": [{"toolSpec": spec}, {"cachePoint": {"type": "default"}}]}
    assert "cacheWriteInputTokens" not in (await aws.converse("Hi", toolConfig=config))["usage"]
    assert (await aws.converse("Hi", CLAUDE, toolConfig=config))["usage"]["cacheWriteInputTokens"] > 4000


async def test_tier_and_latency_come_back(aws):
    extras = {"serviceTier": {"type": "flex"}, "performanceConfig": {"latency": "optimized"}}
    answer = await aws.converse("Hi", **extras)
    metadata = (await aws.stream("Hi", **extras))[-1]["metadata"]
    assert {name: answer[name] for name in extras} == extras == {name: metadata[name] for name in extras}


@pytest.mark.parametrize(("guardrail", "text"), [("block-all", "Hi"), ("gr1", "a [[blocked]] word")])
async def test_a_guardrail_blocks(aws, guardrail, text):
    config = {"guardrailIdentifier": guardrail, "guardrailVersion": "1", "trace": "enabled"}
    answer = await aws.converse(text, guardrailConfig=config)
    assert answer["stopReason"] == "guardrail_intervened" and answer["usage"]["totalTokens"] == 0
    assert guardrail in answer["trace"]["guardrail"]["inputAssessment"]
    stop = (await aws.stream(text, guardrailConfig=config))[-2]
    assert stop["messageStop"]["stopReason"] == "guardrail_intervened"


async def test_a_guardrail_lets_the_harmless_pass_and_traces_nothing_unasked(aws):
    config = {"guardrailIdentifier": "gr1", "guardrailVersion": "1"}
    assert (await aws.converse("Hi", guardrailConfig=config))["stopReason"] == "end_turn"
    assert "trace" not in await aws.converse("[[blocked]]", guardrailConfig=config)


async def test_guard_content_is_read_as_the_question(aws):
    block = {"guardContent": {"text": {"text": "Say: guarded"}}}
    assert text_of(await aws.converse(messages=[user(block)])) == "guarded"


async def test_media_cost_tokens(aws):
    image = {"image": {"format": "png", "source": {"bytes": b"x" * 9000}}}
    answer = await aws.converse(messages=[user({"text": "Look"}, image)])
    assert answer["usage"]["inputTokens"] > 260


async def test_another_seed_gives_other_words(aws, aws_at):
    async with Sandbox(seed=7) as other:
        assert text_of(await aws_at(other.url).converse("One?")) != text_of(await aws.converse("One?"))


async def test_latency_is_waited_and_told(aws_at):
    async with Sandbox(latency_ms=60, delta_delay_ms=1) as slow:
        aws = aws_at(slow.url)
        assert (await aws.converse("Hi"))["metrics"]["latencyMs"] >= 60
        assert (await aws.stream("Hi"))[-1]["metadata"]["metrics"]["latencyMs"] >= 60
