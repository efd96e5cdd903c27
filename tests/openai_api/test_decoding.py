"""What a chat request becomes: told by its domain request, without a server."""

from typing import Any

import pytest

from llm_gateway.domain.content import CachePoint, Media, Message, Reasoning, Text, ToolResult, ToolUse
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import (
    GenerateRequest,
    GuardrailWish,
    ReasoningWish,
    ResponseFormat,
    ToolChoice,
    ToolSpec,
)
from llm_gateway.surfaces.door_limits import DoorLimits
from llm_gateway.surfaces.openai_api.chat_request import ChatAsk, decode_chat

LIMITS = DoorLimits()
STRICT = DoorLimits(strict_params=True)
HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sea"}'}}
LOOK: dict[str, Any] = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
PART, TOLD = "messages[0].content[0]", "messages[1].tool_calls[0]"
PNG = "iVBORw0KGgoAAAA="


def ask(limits: DoorLimits = LIMITS, **members: Any) -> ChatAsk:
    return decode_chat({"model": "nova-pro", "messages": HELLO, **members}, "use", limits)


def asked(**members: Any) -> GenerateRequest:
    return ask(**members).request


def refusal(**members: Any) -> str | None:
    """The field that is to blame."""
    with pytest.raises(InvalidRequest) as caught:
        ask(**members)
    assert caught.value.message
    return caught.value.field


def turns(*messages: dict[str, Any]) -> tuple[Message, ...]:
    return asked(messages=list(messages)).messages


def part(given: dict[str, Any]) -> Any:
    (turn,) = turns({"role": "user", "content": [given]})
    return turn.content[0]


def test_a_plain_request_says_nothing_it_was_not_told() -> None:
    assert asked() == GenerateRequest(model="nova-pro", messages=(Message("user", (Text("Hello"),)),))
    assert (ask().stream, ask().include_usage, ask().dropped) == (False, False, b"")


def test_null_is_as_if_it_were_left_out() -> None:
    names = "temperature top_p max_tokens max_completion_tokens stop n stream stream_options tools tool_choice user "
    names += (
        "parallel_tool_calls response_format reasoning_effort metadata service_tier seed logprobs logit_bias nobody"
    )
    assert ask(STRICT, **dict.fromkeys(names.split())) == ask()


def test_sampling_limits_and_stops_are_taken_over() -> None:
    request = asked(temperature=0, top_p=1, max_tokens=5, max_completion_tokens=7, stop="END")
    assert (request.temperature, request.top_p, request.max_tokens) == (0.0, 1.0, 7)
    assert request.stop_sequences == ("END",)
    assert asked(stop=["a", "b"], max_tokens=5).stop_sequences == ("a", "b")


def test_system_and_developer_texts_are_the_system_in_their_order() -> None:
    request = asked(
        messages=[
            {"role": "system", "content": "One"},
            *HELLO,
            {"role": "developer", "content": [{"type": "text", "text": "Two", "cache_control": {"type": "ephemeral"}}]},
            {"role": "system", "content": " "},
        ]
    )
    assert request.system == (Text("One"), Text("Two"), CachePoint())
    assert [message.role for message in request.messages] == ["user"]


def test_results_of_tools_in_a_row_are_one_turn() -> None:
    told = turns(
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [CALL, CALL | {"id": "call_2"}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "blue"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "wet"}]},
        {"role": "user", "content": "And?"},
        {"role": "assistant", "tool_calls": [CALL | {"id": "call_3"}]},
        {"role": "tool", "tool_call_id": "call_3", "content": ""},
    )
    assert [turn.role for turn in told] == ["user", "assistant", "user", "user", "assistant", "user"]
    assert told[1].content == (ToolUse("call_1", "look", {"at": "sea"}), ToolUse("call_2", "look", {"at": "sea"}))
    assert told[2].content == (ToolResult("call_1", (Text("blue"),)), ToolResult("call_2", (Text("wet"),)))
    assert told[5].content == (ToolResult("call_3", ()),)


def test_the_callers_own_numbers_of_messages_are_remembered() -> None:
    request = ask(
        messages=[
            {"role": "system", "content": "One"},
            {"role": "user", "content": "Go"},
            {"role": "assistant", "content": ""},
            {"role": "assistant", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "a"},
            {"role": "user", "content": "And?"},
        ]
    )
    assert request.origins == (1, 3, 4, 5)


@pytest.mark.parametrize("arguments", ["", " ", None, "{}"])
def test_a_call_without_arguments_has_the_input_of_an_empty_object(arguments: str | None) -> None:
    call = {"id": "c", "function": {"name": "look", "arguments": arguments}}
    assert turns(*HELLO, {"role": "assistant", "tool_calls": [call]})[1].content == (ToolUse("c", "look", {}),)


def test_an_answer_can_be_sent_back_as_the_client_keeps_it() -> None:
    kept = {"role": "assistant", "content": "Hi", "refusal": None, "annotations": [], "audio": None, "tool_calls": None}
    kept |= {"function_call": None, "reasoning_content": None, "name": None}
    assert turns(*HELLO, kept)[1].content == (Text("Hi"),)
    assert ask(STRICT, messages=[*HELLO, kept]).dropped == b""


def test_a_refusal_of_the_model_is_its_text() -> None:
    said = [{"type": "refusal", "refusal": "No."}]
    assert turns(*HELLO, {"role": "assistant", "content": None, "refusal": "No."})[1].content == (Text("No."),)
    assert turns(*HELLO, {"role": "assistant", "content": said})[1].content == (Text("No."),)


def test_thoughts_come_back_with_their_signatures_before_the_text() -> None:
    details = [
        {"type": "reasoning.text", "text": "Hm", "signature": "c2ln", "index": 0},
        {"type": "reasoning.encrypted", "data": "eHg=", "index": 1},
    ]
    told = turns(
        *HELLO, {"role": "assistant", "content": "Hi", "reasoning_content": "Hm", "reasoning_details": details}
    )
    assert told[1].content == (Reasoning("Hm", "c2ln"), Reasoning(redacted="eHg="), Text("Hi"))
    bare = turns(*HELLO, {"role": "assistant", "content": "Hi", "reasoning_content": "Hm"})
    assert bare[1].content == (Reasoning("Hm"), Text("Hi"))
    signed = [{"type": "reasoning.text", "signature": "c2ln"}]
    told = turns(*HELLO, {"role": "assistant", "content": "Hi", "reasoning_content": "Hm", "reasoning_details": signed})
    assert told[1].content[0] == Reasoning("Hm", "c2ln")


def test_a_thought_alone_is_no_answer_to_send_back() -> None:
    assert len(turns(*HELLO, {"role": "assistant", "content": "", "reasoning_content": "Hm"})) == 1


def test_pictures_films_sounds_and_documents_are_taken_from_data_urls() -> None:
    assert part({"type": "image_url", "image_url": {"url": f"data:image/webp;base64,{PNG}"}}) == Media(
        "image", "png", {"bytes": PNG}
    )
    assert part({"type": "image_url", "image_url": "data:image/jpg;base64,AAAA"}).format == "jpeg"
    assert part({"type": "video_url", "video_url": {"url": "data:video/quicktime;base64,AAAA"}}).format == "mov"
    assert part({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}) == Media(
        "audio", "mp3", {"bytes": "AAAA"}
    )
    pdf = {"filename": "Annual_report (v2).pdf", "file_data": "data:application/pdf;base64,AAAA"}
    assert part({"type": "file", "file": pdf}) == Media("document", "pdf", {"bytes": "AAAA"}, "Annual report (v2)")
    markdown = {"filename": "a.md", "file_data": "data:text/plain;base64,AAAA"}
    assert part({"type": "file", "file": markdown}).format == "md"
    assert part({"type": "file", "file": {"file_data": "data:image/gif;base64,AAAA"}}).kind == "image"


def test_documents_of_one_name_get_names_of_their_own() -> None:
    file = {"type": "file", "file": {"file_data": "data:text/csv;base64,AAAA"}}
    (turn,) = turns({"role": "user", "content": [file, file]})
    assert [block.name for block in turn.content if isinstance(block, Media)] == ["document", "document 2"]


def test_cache_points_stand_behind_the_part_that_asked_for_them() -> None:
    points = [{"type": "text", "text": "Long", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    (turn,) = turns({"role": "user", "content": points})
    assert turn.content == (Text("Long"), CachePoint("1h"))


def test_tools_and_the_choice_among_them_are_taken_over() -> None:
    strict = {"type": "function", "function": {"name": "plain", "description": "d", "strict": True}}
    request = asked(tools=[LOOK, strict], tool_choice="required", parallel_tool_calls=False)
    empty = {"type": "object", "properties": {}}
    assert request.tools == (ToolSpec("look", {"type": "object"}), ToolSpec("plain", empty, "d", True))
    assert request.tool_choice == ToolChoice("any")
    assert request.parallel_tool_calls is False
    named = {"type": "function", "function": {"name": "look"}}
    assert asked(tools=[LOOK], tool_choice=named).tool_choice == ToolChoice("tool", "look")
    assert asked(tool_choice="none").tool_choice == ToolChoice("none")


def test_the_form_of_the_answer_is_taken_over() -> None:
    schema = {"type": "object"}
    form = {"name": "out", "schema": schema, "strict": True, "description": "d"}
    assert asked(response_format={"type": "text"}).response_format is None
    assert asked(response_format={"type": "json_object"}).response_format == ResponseFormat("json_object")
    assert asked(response_format={"type": "json_schema", "json_schema": form}).response_format == ResponseFormat(
        "json_schema", schema, "out", "d", True
    )


@pytest.mark.parametrize(
    ("members", "wish"),
    [
        ({"reasoning_effort": "high"}, ReasoningWish("high")),
        ({"reasoning_effort": "xhigh"}, ReasoningWish("max")),
        ({"reasoning_effort": "none"}, ReasoningWish("none")),
        ({"reasoning": {"effort": "low"}}, ReasoningWish("low")),
        ({"reasoning": {"max_tokens": 2048}}, ReasoningWish(None, 2048)),
        ({"reasoning": {}}, ReasoningWish()),
        ({}, None),
    ],
)
def test_how_much_to_think_is_taken_over(members: dict[str, Any], wish: ReasoningWish | None) -> None:
    assert asked(**members).reasoning == wish


def test_bedrocks_own_wishes_are_taken_over() -> None:
    request = asked(
        guardrail={"id": "gr-1", "version": "1", "trace": "enabled", "stream_mode": "async"},
        service_tier="flex",
        latency="optimized",
        extra_fields={"top_k": 5},
        cache_prompt=True,
        metadata={"team": "a"},
        user="u-1",
    )
    assert request.guardrail == GuardrailWish("gr-1", "1", "enabled", "async")
    assert (request.service_tier, request.latency, request.extra_fields) == ("flex", "optimized", {"top_k": 5})
    assert (request.cache_prompt, request.metadata) == (True, {"team": "a", "user": "u-1"})


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"seed": 1, "logit_bias": {"1": 2}, "frequency_penalty": 0.5}, b"frequency_penalty, logit_bias, seed"),
        ({"logprobs": False, "top_logprobs": 0, "store": False, "presence_penalty": 0.0}, b""),
        ({"service_tier": "scale"}, b"service_tier"),
        ({"service_tier": "auto"}, b""),
        ({"modalities": ["text", "audio"]}, b"modalities"),
        ({"metadata": {"bad\u00e4": "x"}}, b"metadata"),
        ({"user": "\u00e4"}, b"user"),
        ({"we\r\nird": 1}, b"we__ird"),
        ({"stream": True, "stream_options": {"x": 1, "include_obfuscation": False}}, b"stream_options.x"),
        ({"tools": [LOOK | {"colour": "red"}]}, b"tools[].colour"),
        ({"messages": [{"role": "user", "content": "a", "name": "b"}]}, b"messages[].name"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}}
                        ],
                    }
                ]
            },
            b"image_url.detail",
        ),
    ],
)
def test_what_cannot_be_honoured_is_dropped_and_named_or_refused(members: dict[str, Any], told: bytes) -> None:
    assert ask(**members).dropped == told
    if told:
        with pytest.raises(InvalidRequest) as caught:
            ask(STRICT, **members)
        assert caught.value.field
    else:
        ask(STRICT, **members)


MARKED = {"type": "text", "text": "x", "cache_control": {"type": "big"}}
NO_SUCH = {"type": "function", "function": {"name": "x"}}
WRONG = {"type": "function", "function": {"name": "f", "parameters": []}}


def _user(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def _after(message: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [*HELLO, message]}


def _assistant(**members: Any) -> dict[str, Any]:
    return _after({"role": "assistant", **members})


def _picture(url: str) -> dict[str, Any]:
    return _user({"type": "image_url", "image_url": {"url": url}})


def _call(**members: Any) -> dict[str, Any]:
    return _assistant(tool_calls=[{"id": "a", **members}])


def _sound(**members: Any) -> dict[str, Any]:
    return _user({"type": "input_audio", "input_audio": members})


def _schema(form: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": form}}


def _file(**members: Any) -> dict[str, Any]:
    return _user({"type": "file", "file": members})


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"model": None}, "model"),
        ({"model": " "}, "model"),
        ({"model": "m" * 3000}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"messages": HELLO * 10_001}, "messages"),
        ({"messages": ["Hello"]}, "messages[0]"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": {"text": "x"}}]}, "messages[0].content"),
        (_user("Hello"), PART),
        (_user({"type": "sticker"}), f"{PART}.type"),
        (_user({"type": "text"}), f"{PART}.text"),
        (_user({"type": "text", "text": " "}), "messages[0].content"),
        (_user(MARKED), f"{PART}.cache_control.type"),
        (_picture("ftp://a/b.png"), f"{PART}.image_url.url"),
        (_picture("b.png"), f"{PART}.image_url.url"),
        (_picture("data:image/png,x"), f"{PART}.image_url.url"),
        (_picture("data:image/tiff;base64,AAAA"), f"{PART}.image_url.url"),
        (_picture("data:image/png;base64,"), f"{PART}.image_url.url"),
        (_user({"type": "image_url", "image_url": 5}), f"{PART}.image_url"),
        (_sound(data="", format="mp3"), f"{PART}.input_audio.data"),
        (_sound(data="AA==", format="midi"), f"{PART}.input_audio.format"),
        (_file(file_id="file-1"), f"{PART}.file.file_data"),
        (_file(file_data="data:application/zip;base64,AAAA"), f"{PART}.file.file_data"),
        (_after({"role": "tool", "content": "x"}), "messages[1].tool_call_id"),
        (_assistant(tool_calls=[{"id": "a", "type": "custom"}]), f"{TOLD}.type"),
        (_assistant(tool_calls=[{"function": {"name": "f"}}]), f"{TOLD}.id"),
        (_call(function={}), f"{TOLD}.function.name"),
        (_call(function={"name": "f", "arguments": "{"}), f"{TOLD}.function.arguments"),
        (_call(function={"name": "f", "arguments": "[1]"}), f"{TOLD}.function.arguments"),
        (_assistant(content="x", function_call={"name": "f"}), "messages[1].function_call"),
        (_assistant(content="x", reasoning_details=[{"type": "x"}]), "messages[1].reasoning_details[0].type"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": True}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"stop": 5}, "stop"),
        ({"stop": [""]}, "stop[0]"),
        ({"stop": ["a"] * 2501}, "stop"),
        ({"n": 2}, "n"),
        ({"n": 0}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"tools": {}}, "tools"),
        ({"tools": [LOOK] * 513}, "tools"),
        ({"tools": [LOOK, LOOK]}, "tools[1].function.name"),
        ({"tools": [{"type": "custom"}]}, "tools[0].type"),
        ({"tools": [WRONG]}, "tools[0].function.parameters"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [LOOK], "tool_choice": NO_SUCH}, "tool_choice.function.name"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (_schema({"name": "x"}), "response_format.json_schema.schema"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort"),
        ({"reasoning": {"effort": 5}}, "reasoning.effort"),
        ({"reasoning": {"depth": 5}}, "reasoning.depth"),
        ({"guardrail": {"id": "x"}}, "guardrail.version"),
        ({"latency": "fast"}, "latency"),
        ({"extra_fields": []}, "extra_fields"),
        ({"metadata": {"a": 5}}, "metadata.'a'"),
        ({"user": 5}, "user"),
        ({"service_tier": 5}, "service_tier"),
    ],
)
def test_a_bad_member_is_refused_by_its_name(members: dict[str, Any], field: str) -> None:
    assert refusal(**members) == field


def test_a_tool_may_end_a_kept_prefix_and_a_tool_of_bedrock_s_is_named_alone() -> None:
    function = {"name": "look", "parameters": {"type": "object"}}
    kept = {"type": "function", "function": function, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    first, second = asked(tools=[kept, {"systemTool": {"name": "nova_grounding"}}]).tools
    assert first.cache_point == CachePoint("1h")
    assert (second.name, second.is_system) == ("nova_grounding", True)


def test_what_lies_in_s3_is_left_for_bedrock_to_fetch() -> None:
    def stored(name: str) -> dict[str, Any]:
        return {"s3Location": {"uri": f"s3://bucket/{name}"}}

    film = part({"type": "video_url", "video_url": {"url": "s3://bucket/a.mp4"}})
    assert film == Media("video", "mp4", stored("a.mp4"))
    assert part(_picture_part("s3://bucket/b.JPG")) == Media("image", "jpeg", stored("b.JPG"))
    paper = part({"type": "file", "file": {"filename": "paper.pdf", "file_data": "s3://bucket/c.pdf"}})
    assert paper == Media("document", "pdf", stored("c.pdf"), "paper")
    assert refusal(**_picture("s3://bucket/none")) == f"{PART}.image_url.url"


def _picture_part(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def test_a_blank_part_still_ends_the_prefix_it_was_to_end() -> None:
    kept = {"type": "text", "text": "\n", "cache_control": {"type": "ephemeral"}}
    (turn,) = turns({"role": "user", "content": [{"type": "text", "text": "Long"}, kept, kept]})
    assert turn.content == (Text("Long"), CachePoint())
