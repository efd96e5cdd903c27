"""What a body of ``/v1/messages`` means, and what is refused, with the field to blame."""

from typing import Any

import pytest
from anthropic_house import CLOCK, PIXEL, WEATHER, ask

from llm_gateway.domain.content import CachePoint, Media, Message, Native, Reasoning, Text, ToolResult, ToolUse
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import GenerateRequest, GuardrailWish, ReasoningWish, ResponseFormat, ToolChoice
from llm_gateway.surfaces.anthropic_api.request import Asked, decode_messages
from llm_gateway.surfaces.door_limits import DoorLimits

POINT = {"type": "ephemeral"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "get_time", "input": {}}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}


def decoded(body: dict[str, Any], **limits: Any) -> Asked:
    return decode_messages(body, "use", DoorLimits(**limits))


def request_of(**more: Any) -> GenerateRequest:
    return decoded(ask(**more)).request


def blocks_of(*blocks: Any, role: str = "user") -> tuple[Any, ...]:
    return request_of(messages=[{"role": role, "content": list(blocks)}]).messages[0].content


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def result(**more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "toolu_1", **more}


def test_a_plain_request_says_only_what_the_caller_said() -> None:
    request = request_of()
    assert request == GenerateRequest(
        model="claude-haiku-4-5", messages=(Message("user", (Text("Hello"),)),), max_tokens=200
    )


def test_every_parameter_finds_its_place() -> None:
    request = request_of(
        system=[text("Be brief.", cache_control=POINT), text(" "), text("Be kind.")],
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop_sequences=["END"],
        tools=[WEATHER | {"type": "custom", "strict": True, "cache_control": POINT | {"ttl": "5m"}}, CLOCK],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        metadata={"user_id": "user-1"},
        service_tier="standard_only",
        output_config={"effort": "xhigh", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    )
    assert request.system == (Text("Be brief."), CachePoint(), Text("Be kind."))
    assert (request.temperature, request.top_p, request.extra_fields) == (0.5, 0.9, {"top_k": 40})
    assert request.stop_sequences == ("END",)
    assert [tool.name for tool in request.tools] == ["get_weather", "get_time"]
    assert (request.tools[0].strict, request.tools[0].cache_point) == (True, CachePoint("5m"))
    assert request.tools[1].description is None
    assert (request.tool_choice, request.parallel_tool_calls) == (ToolChoice("any"), False)
    assert (request.metadata, request.service_tier) == ({"user": "user-1"}, "default")
    assert request.reasoning == ReasoningWish(effort="max")
    assert request.response_format == ResponseFormat("json_schema", schema={"type": "object"})


@pytest.mark.parametrize(
    ("thinking", "wish"),
    [
        ({"type": "enabled", "budget_tokens": 1024}, ReasoningWish(budget_tokens=1024)),
        ({"type": "adaptive"}, ReasoningWish()),
        ({"type": "disabled"}, ReasoningWish(effort="none")),
    ],
)
def test_thinking_becomes_a_wish(thinking: dict[str, Any], wish: ReasoningWish) -> None:
    assert request_of(thinking=thinking, max_tokens=2000).reasoning == wish


def test_an_effort_goes_with_adaptive_thinking_and_not_with_none() -> None:
    effort = {"effort": "low"}
    assert request_of(thinking={"type": "adaptive"}, output_config=effort).reasoning == ReasoningWish(effort="low")
    off = decoded(ask(thinking={"type": "disabled"}, output_config=effort))
    assert (off.request.reasoning, off.dropped) == (ReasoningWish(effort="none"), b"output_config.effort")


def test_thoughts_of_earlier_turns_stay_as_they_are() -> None:
    content = blocks_of(
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "thinking", "thinking": "Hm?", "signature": ""},
        {"type": "redacted_thinking", "data": "c2VjcmV0"},
        CALL,
        role="assistant",
    )
    assert content == (
        Reasoning(text="Hm.", signature="sig"),
        Reasoning(text="Hm?"),
        Reasoning(redacted="c2VjcmV0"),
        ToolUse("toolu_1", "get_time", {}),
    )


def test_a_result_holds_text_pictures_and_documents() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    (block,) = blocks_of(result(content=[text("ok"), text(""), picture, {"type": "document", "source": PDF}]))
    assert block == ToolResult(
        "toolu_1",
        (
            Text("ok"),
            Media("image", "png", {"bytes": PIXEL}),
            Media("document", "pdf", {"bytes": "JVBERi0="}, "document"),
        ),
    )


@pytest.mark.parametrize("content", [{}, {"content": None}, {"content": ""}, {"content": []}])
def test_a_result_may_be_empty(content: dict[str, Any]) -> None:
    assert blocks_of(result(**content)) == (ToolResult("toolu_1", ()),)


def test_an_error_of_a_tool_is_told() -> None:
    assert blocks_of(result(content="no", is_error=True)) == (ToolResult("toolu_1", (Text("no"),), "error"),)
    assert blocks_of(result(content="yes", is_error=False)) == (ToolResult("toolu_1", (Text("yes"),)),)


def test_a_cache_point_within_a_result_stands_behind_it() -> None:
    inside = result(content=[text("long", cache_control=POINT | {"ttl": "1h"})])
    assert blocks_of(inside, text("go")) == (ToolResult("toolu_1", (Text("long"),)), CachePoint("1h"), Text("go"))


def test_a_request_s_own_cache_control_ends_the_last_turn() -> None:
    request = request_of(cache_control=POINT)
    assert request.messages[0].content == (Text("Hello"), CachePoint())
    marked = request_of(cache_control=POINT, messages=[{"role": "user", "content": [text("a", cache_control=POINT)]}])
    assert marked.messages[0].content == (Text("a"), CachePoint())


def test_a_thought_ends_no_cached_prefix() -> None:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s", "cache_control": POINT}
    assert blocks_of(thought, role="assistant") == (Reasoning("Hm.", "s"),)


def test_documents_of_all_kinds_get_names_of_their_own() -> None:
    content = blocks_of(
        {
            "type": "document",
            "source": PDF,
            "title": "Q3: report.pdf",
            "citations": {"enabled": True},
            "context": "old",
        },
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "x"},
            "title": "Q3 report pdf",
        },
        {"type": "document", "source": {"type": "content", "content": [text("a"), text("b")]}},
        {"type": "document", "source": {"type": "content", "content": "c"}, "citations": {"enabled": False}},
    )
    options = {"context": "old", "citations": {"enabled": True}}
    assert content == (
        Media("document", "pdf", {"bytes": "JVBERi0="}, "Q3 report pdf", options),
        Media("document", "txt", {"text": "x"}, "Q3 report pdf 2"),
        Media("document", "txt", {"content": [{"text": "a"}, {"text": "b"}]}, "document"),
        Media("document", "txt", {"content": [{"text": "c"}]}, "document 2"),
    )


def test_a_search_result_goes_as_bedrock_knows_it() -> None:
    found = {
        "type": "search_result",
        "source": "s",
        "title": "t",
        "content": [text("c")],
        "citations": {"enabled": True},
    }
    body = {"source": "s", "title": "t", "content": [{"text": "c"}], "citations": {"enabled": True}}
    assert blocks_of(found) == (Native("searchResult", body),)


def test_system_texts_among_the_messages_join_the_system() -> None:
    request = request_of(
        system="First.", messages=[{"role": "system", "content": "Second."}, {"role": "user", "content": "Hi"}]
    )
    assert request.system == (Text("First."), Text("Second."))
    assert request.messages == (Message("user", (Text("Hi"),)),)


def test_a_note_to_anthropic_s_billing_and_its_cache_point_are_left_out() -> None:
    note = text("x-anthropic-billing-header: cch=1;", cache_control=POINT)
    assert request_of(system=[note, text("Be brief.")]).system == (Text("Be brief."),)
    assert request_of(system="  ").system == ()


def test_blank_text_beside_other_blocks_is_left_out() -> None:
    assert blocks_of(text(""), text("Hi"), text(" \n")) == (Text("Hi"),)


def test_a_user_id_that_bedrock_refuses_is_dropped() -> None:
    asked = decoded(ask(metadata={"user_id": '{"a": 1}', "other": 1}))
    assert asked.request.metadata is None
    assert set(asked.dropped.split(b", ")) == {b"metadata.user_id", b"metadata.other"}
    assert request_of(metadata={"user_id": None}).metadata is None


def test_null_is_as_good_as_nothing() -> None:
    nothing = dict.fromkeys(
        (
            *(
                "system",
                "temperature",
                "top_p",
                "top_k",
                "stop_sequences",
                "stream",
                "tools",
                "tool_choice",
                "thinking",
            ),
            *("output_config", "metadata", "service_tier", "cache_control", "container"),
        )
    )
    assert decoded(ask(**nothing)) == decoded(ask())


def test_counting_needs_no_max_tokens() -> None:
    body = ask()
    del body["max_tokens"]
    assert decode_messages(body, "use", DoorLimits(), counting=True).request.max_tokens is None


URL = {"type": "url", "url": "data:image/png;base64,AAAA"}
IMAGE = {"type": "base64", "media_type": "image/png", "data": PIXEL}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no model": ({"model": None}, "model"),
    "a long model": ({"model": "x" * 3000}, "model"),
    "no length": ({"max_tokens": None}, "max_tokens"),
    "no tokens": ({"max_tokens": 0}, "max_tokens"),
    "half a token": ({"max_tokens": 1.5}, "max_tokens"),
    "heat": ({"temperature": 1.1}, "temperature"),
    "a truth for a number": ({"top_p": True}, "top_p"),
    "a fraction of k": ({"top_k": 0.5}, "top_k"),
    "no messages": ({"messages": None}, "messages"),
    "an empty conversation": ({"messages": []}, "messages"),
    "only system": ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
    "a role": ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
    "no content": ({"messages": [{"role": "user"}]}, "messages[0].content"),
    "blank content": ({"messages": [{"role": "user", "content": " "}]}, "messages[0].content"),
    "streaming by word": ({"stream": "yes"}, "stream"),
    "stops": ({"stop_sequences": "x"}, "stop_sequences"),
    "a blank stop": ({"stop_sequences": ["a", " "]}, "stop_sequences[1]"),
    "many stops": ({"stop_sequences": ["a"] * 2501}, "stop_sequences"),
    "system of pictures": ({"system": [{"type": "image", "source": IMAGE}]}, "system[0].type"),
    "tools": ({"tools": {}}, "tools"),
    "a tool without schema": ({"tools": [{"name": "a"}]}, "tools[0].input_schema"),
    "a nameless tool": ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
    "a strict word": ({"tools": [CLOCK | {"strict": "yes"}]}, "tools[0].strict"),
    "a choice": ({"tools": [CLOCK], "tool_choice": {"type": "some"}}, "tool_choice.type"),
    "a choice of nothing": ({"tool_choice": {"type": "any"}}, "tool_choice"),
    "another tool's name": ({"tools": [CLOCK], "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice.name"),
    "parallel by word": (
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": 1}},
        "tool_choice.disable_parallel_tool_use",
    ),
    "thinking": ({"thinking": {"type": "hard"}}, "thinking.type"),
    "a small budget": ({"thinking": {"type": "enabled", "budget_tokens": 1}}, "thinking.budget_tokens"),
    "a large budget": ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking.budget_tokens"),
    "an effort": ({"output_config": {"effort": "huge"}}, "output_config.effort"),
    "a format": ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
    "a tier": ({"service_tier": "gold"}, "service_tier"),
    "a user": ({"metadata": {"user_id": 5}}, "metadata.user_id"),
    "a cache": ({"cache_control": {"type": "for ever"}}, "cache_control.type"),
}
BLOCKS: dict[str, tuple[Any, str]] = {
    "a bare string": ("x", ""),
    "a number": (5, ""),
    "no type": ({}, ".type"),
    "an unknown type": ({"type": "video"}, ".type"),
    "a call of the user's": (CALL, ".type"),
    "a server's tool": ({"type": "server_tool_use"}, ".type"),
    "a server's result": ({"type": "web_search_tool_result"}, ".type"),
    "text of no text": (text(5), ".text"),  # type: ignore[arg-type]
    "a cache": (text("a", cache_control={"type": "ephemeral", "ttl": "2h"}), ".cache_control.ttl"),
    "a picture's source": ({"type": "image"}, ".source"),
    "a picture's address": ({"type": "image", "source": URL}, ".source.url"),
    "a stored picture": ({"type": "image", "source": {"type": "file", "file_id": "f"}}, ".source.type"),
    "a picture's type": ({"type": "image", "source": IMAGE | {"media_type": "image/tiff"}}, ".source.media_type"),
    "bytes that are none": ({"type": "image", "source": IMAGE | {"data": "####"}}, ".source.data"),
    "bytes of wrong length": ({"type": "image", "source": IMAGE | {"data": "abc"}}, ".source.data"),
    "letters beyond ASCII": ({"type": "image", "source": IMAGE | {"data": "äbcd"}}, ".source.data"),
    "a document's address": ({"type": "document", "source": URL}, ".source.url"),
    "a document's type": ({"type": "document", "source": PDF | {"media_type": "text/x"}}, ".source.media_type"),
    "a document of nothing": ({"type": "document", "source": {"type": "content", "content": []}}, ".source.content"),
    "citations": ({"type": "document", "source": PDF, "citations": {"enabled": 1}}, ".citations.enabled"),
    "a result's id": (result() | {"tool_use_id": "a b"}, ".tool_use_id"),
    "a result's error": (result(is_error="yes"), ".is_error"),
    "an error of nothing": (result(is_error=True), ".content"),
    "a result in a result": (result(content=[result()]), ".content[0].type"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_wrong_parameter_is_refused_by_its_name(kind: str) -> None:
    more, field = REFUSED[kind]
    assert_refused(ask(**more), field)


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_wrong_block_is_refused_by_its_place(kind: str) -> None:
    block, field = BLOCKS[kind]
    assert_refused(ask(messages=[{"role": "user", "content": [text("a"), block]}]), f"messages[0].content[1]{field}")


@pytest.mark.parametrize(
    ("block", "field"),
    [
        (CALL | {"id": ""}, ".id"),
        (CALL | {"name": " "}, ".name"),
        (CALL | {"input": []}, ".input"),
        ({"type": "thinking"}, ".thinking"),
        ({"type": "thinking", "thinking": "x", "signature": 5}, ".signature"),
        ({"type": "redacted_thinking", "data": ""}, ".data"),
        (result(), ".type"),
    ],
)
def test_a_wrong_block_of_the_assistant_is_refused_by_its_place(block: dict[str, Any], field: str) -> None:
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": [block]}]
    assert_refused(ask(messages=turns), f"messages[1].content[0]{field}")


@pytest.mark.parametrize("content", [[], [text(" ")], [text("", cache_control=POINT)], 5])
def test_a_turn_of_nothing_is_refused(content: Any) -> None:
    assert_refused(ask(messages=[{"role": "user", "content": content}]), "messages[0].content")


def test_limits_are_kept() -> None:
    assert_refused(ask(messages=[{"role": "user", "content": "x"}] * 3), "messages", max_messages=2)
    assert_refused(ask(messages=[{"role": "user", "content": [text("x")] * 50}]), "messages", max_messages=2)
    assert_refused(ask(tools=[CLOCK, WEATHER]), "tools", max_tools=1)


def assert_refused(body: dict[str, Any], field: str, **limits: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decoded(body, **limits)
    assert refused.value.field == field, refused.value.message
    assert field.rpartition(".")[2] in refused.value.message


def test_what_only_bedrock_has_is_taken_by_our_own_names() -> None:
    request = request_of(guardrail={"id": "gr", "version": "1", "trace": "enabled"}, latency="optimized")
    assert request.guardrail == GuardrailWish("gr", "1", "enabled")
    assert (request.latency, request.cache_prompt) == ("optimized", False)
    assert request_of(cache_prompt=True).cache_prompt
