"""Media are checked against the card, documents get names that Bedrock takes, results stand where each family wants."""

import json
from typing import Any

import pytest
from bedrock_words import FULL, ask, assistant, card, user

from llm_gateway.backends.bedrock.render import render
from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.content import Block, CachePoint, Media, Native, Text, ToolResult, ToolUse
from llm_gateway.domain.errors import InvalidRequest, UnsupportedFeature
from llm_gateway.domain.requests import ModelCall, ToolSpec

DATA = {"bytes": "aGk0"}
IMAGE, VIDEO, SOUND = Media("image", "png", DATA), Media("video", "mp4", DATA), Media("audio", "mp3", DATA)
ALL = ("text", "image", "video", "audio")


def doc(name: str | None = "facts", form: str = "txt") -> Media:
    return Media("document", form, DATA, name=name)


def model(base_id: str) -> ModelCard:
    return card(*FULL, base_id=base_id, name="it", input_modalities=ALL)


@pytest.mark.parametrize("media", [IMAGE, VIDEO, SOUND])
def test_what_the_card_does_not_name_is_refused_by_name(media: Media) -> None:
    for block, field in ((media, "messages[0].content[1]"), (doc(), "")):
        call = ask(user("What?", block), card=card(*FULL, name="nova-micro"))
        if not field:
            assert render(call).body
            continue
        with pytest.raises(UnsupportedFeature) as caught:
            render(call)
        facts = caught.value.facts()
        assert (facts["model"], facts["feature"], facts["field"]) == ("nova-micro", media.kind, field)
    assert render(ask(user("What?", media), card=card(*FULL, input_modalities=ALL))).body
    assert render(ask(user("What?", media))).body


def test_a_picture_in_a_result_is_looked_at_too() -> None:
    turns = ("Look", assistant(ToolUse("t", "look", {})), user(ToolResult("t", (Text("x"), IMAGE))))
    with pytest.raises(UnsupportedFeature) as caught:
        render(ask(*turns, tools=(ToolSpec("look", {}),), card=card(*FULL)))
    assert caught.value.field == "messages[2].content[0].content[1]"


@pytest.mark.parametrize(("kind", "form", "largest"), [("image", "png", 3_932_160), ("document", "pdf", 4_718_592)])
def test_size_is_measured_before_aws_is_asked(kind: Any, form: str, largest: int) -> None:
    def of(size: int) -> ModelCall:
        return ask(user("What?", Media(kind, form, {"bytes": "aGk0" * (size // 3)}, name="a")))

    assert render(of(largest)).body
    with pytest.raises(InvalidRequest) as caught:
        render(of(largest + 30))
    assert caught.value.field == "messages[0].content[1].source.bytes"
    assert "MB" in caught.value.message


def test_images_and_documents_are_counted() -> None:
    assert render(ask(user(*[IMAGE] * 20, *[doc()] * 5))).body
    for many in ([IMAGE] * 21, [doc()] * 6):
        with pytest.raises(InvalidRequest) as caught:
            render(ask("Hello", assistant("Hi"), user(*many)))
        assert caught.value.field == "messages[2].content"


def names_of(*content: Block) -> tuple[list[str], int]:
    rendered = render(ask(user(*content)))
    blocks = json.loads(rendered.body)["messages"][0]["content"]
    return [block["document"]["name"] for block in blocks if "document" in block], len(rendered.warnings)


def test_documents_get_names_that_bedrock_takes() -> None:
    assert names_of(doc("Report (final) [2]-a")) == (["Report (final) [2]-a"], 0)
    assert names_of(doc("report_2026.pdf")) == (["report-2026-pdf"], 1)
    assert names_of(doc("a  b\tc")) == (["a b-c"], 1)
    assert names_of(doc("日本")) == (["document"], 1)
    assert names_of(doc(None)) == (["document"], 0)
    assert names_of(doc("x" * 300)) == (["x" * 200], 1)
    assert names_of(doc("a"), doc("a"), doc("a")) == (["a", "a (2)", "a (3)"], 2)


def test_a_document_in_a_result_is_named_too() -> None:
    turns = ("Look", assistant(ToolUse("t", "look", {})), user(ToolResult("t", (doc("a.b"),)), doc("a-b")))
    body = json.loads(render(ask(*turns)).body)
    result, beside = body["messages"][2]["content"]
    assert result["toolResult"]["content"][0]["document"]["name"] == "a-b"
    assert beside["document"]["name"] == "a-b (2)"


# --- results of tools -------------------------------------------------------------------------------------------------


def answered(able: ModelCard, *content: Block | str) -> ModelCall:
    calls = assistant(ToolUse("t1", "look", {}), ToolUse("t2", "look", {}))
    return ask("Look", calls, user(*content), tools=(ToolSpec("look", {"type": "object"}),), card=able)


ONE, TWO = ToolResult("t1", (Text("one"),)), ToolResult("t2", (Text("two"),))


@pytest.mark.parametrize("base_id", ["meta.llama3-3-70b-instruct-v1:0", "mistral.mistral-large-2407-v1:0"])
def test_some_take_results_alone(base_id: str) -> None:
    rendered = render(answered(model(base_id), ONE, TWO, "What now?"))
    content = json.loads(rendered.body)["messages"][2]["content"]
    assert [next(iter(block)) for block in content] == ["toolResult", "toolResult"]
    assert content[1]["toolResult"]["content"] == [{"text": "two"}, {"text": "What now?"}]
    assert "tool result" in rendered.warnings[0]
    assert render(answered(model(base_id), ONE, TWO)).warnings == ()
    guarded = Native("guardContent", {"text": {"text": "x"}})
    assert len(json.loads(render(answered(model(base_id), ONE, TWO, guarded)).body)["messages"][2]["content"]) == 3


def test_a_cache_point_beside_results_is_no_reason_to_move() -> None:
    able = card(*FULL, "prompt_cache", base_id="writer.palmyra-x5-v1:0", name="it")
    content = json.loads(render(answered(able, ONE, TWO, CachePoint(), "And?")).body)["messages"][2]["content"]
    assert len(content) == 2


def test_claude_takes_documents_within_a_result_but_not_beside_it() -> None:
    claude = model("anthropic.claude-sonnet-4-5-20250929-v1:0")
    rendered = render(answered(claude, ONE, TWO, doc(), IMAGE, "What now?"))
    content = json.loads(rendered.body)["messages"][2]["content"]
    assert [next(iter(block)) for block in content] == ["toolResult", "toolResult", "image", "text"]
    assert list(content[1]["toolResult"]["content"][1]) == ["document"]
    assert len(rendered.warnings) == 1
    assert render(answered(claude, ONE, TWO, IMAGE, "What now?")).warnings == ()


@pytest.mark.parametrize(
    ("base_id", "refused", "taken"),
    [
        ("amazon.nova-pro-v1:0", [doc(form="pdf"), doc(form="docx")], [doc(form="csv"), IMAGE]),
        ("qwen.qwen3-32b-v1:0", [doc(), IMAGE], []),
        ("moonshotai.kimi-k2.5", [doc(), IMAGE, VIDEO], []),
        ("mistral.pixtral-large-2502-v1:0", [IMAGE], [doc()]),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", [], [doc(form="pdf"), IMAGE]),
    ],
)
def test_what_a_family_does_not_take_from_a_tool(base_id: str, refused: list[Media], taken: list[Media]) -> None:
    for media in refused:
        with pytest.raises(UnsupportedFeature) as caught:
            render(answered(model(base_id), ONE, ToolResult("t2", (media,))))
        assert caught.value.field == "messages[2].content"
    for media in taken:
        assert render(answered(model(base_id), ONE, ToolResult("t2", (media,)))).body
