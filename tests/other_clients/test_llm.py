"""The command and library `llm` with models of its ``extra-openai-models.yaml``, unchanged. It keeps no thoughts."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from listener import Listener
from questions import (
    ADAPTIVE_MODEL,
    ALL_TOOLS,
    CUTS,
    HELLO,
    NOON,
    ONE_TOOL,
    PLAIN_MODEL,
    PNG,
    PNG_TEXT,
    RAIN,
    REFUSALS,
    THINKING_MODEL,
    fault,
    get_time,
    get_weather,
)
from readme_program import run_shown
from served import asked_of_bedrock

llm = pytest.importorskip("llm", reason="llm is not installed here; run `make clients`")

import openai


@pytest.fixture
def models(v1: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Finds a model as `llm` does, by a file in its folder."""
    abilities = "supports_tools: true, supports_schema: true, vision: true, reasoning: true"
    (tmp_path / "extra-openai-models.yaml").write_text(
        "".join(
            [
                f"- {{model_id: my-{name}, model_name: {name}, api_base: '{v1}', {abilities}}}\n"
                for name in (PLAIN_MODEL, THINKING_MODEL, ADAPTIVE_MODEL)
            ]
        )
    )
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))

    def find(name: str = PLAIN_MODEL) -> Any:
        found = llm.get_model(f"my-{name}")
        plain = found.get_client
        found.get_client = lambda *given, **more: plain(*given, **more).with_options(max_retries=0)  # we count refusals
        return found

    return find


@pytest.mark.parametrize("stream", [False, True])
def test_a_question_is_answered_and_its_tokens_are_told(heard: Listener, models: Any, stream: bool) -> None:
    response = models().prompt(HELLO, system="Be brief.", stream=stream)
    assert "".join(response) == "Good morning."
    assert response.usage().output > 0
    assert heard.last.is_stream == stream


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [PLAIN_MODEL, ADAPTIVE_MODEL])
def test_a_tool_is_called_and_its_result_is_read(models: Any, name: str, stream: bool) -> None:
    conversation = models(name).conversation(tools=[get_weather])
    assert RAIN in conversation.chain(ONE_TOOL, stream=stream).text()
    assert conversation.chain(HELLO, stream=stream).text() == "Good morning."


@pytest.mark.parametrize("stream", [False, True])
def test_two_tools_called_at_once_are_answered_together(models: Any, stream: bool) -> None:
    said = models(ADAPTIVE_MODEL).chain(ALL_TOOLS, tools=[get_weather, get_time], stream=stream).text()
    assert RAIN in said
    assert NOON in said


def test_a_picture_arrives_at_the_model(models: Any, bedrock: str) -> None:
    models().prompt("What is this?", attachments=[llm.Attachment(type="image/png", content=PNG)]).text()
    block = asked_of_bedrock(bedrock)[-1]["messages"][0]["content"][1]
    assert block["image"] == {"format": "png", "source": {"bytes": PNG_TEXT}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [PLAIN_MODEL, THINKING_MODEL])
def test_an_answer_fits_the_schema_that_was_asked_for(models: Any, name: str, stream: bool) -> None:
    schema = llm.schema_dsl("city, degrees int")
    told = json.loads(models(name).prompt("The weather?", schema=schema, stream=stream).text())
    assert {"city": str, "degrees": int} == {member: type(value) for member, value in told.items()}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [THINKING_MODEL, ADAPTIVE_MODEL])
def test_a_model_that_thinks_gets_through_two_turns_with_a_tool(
    heard: Listener, models: Any, name: str, stream: bool
) -> None:
    thinking = {"reasoning_effort": "high"}
    said = models(name).chain(ONE_TOOL, tools=[get_weather], stream=stream, options=thinking).text()
    assert RAIN in said
    if name == THINKING_MODEL:
        assert b"reasoning was left out of this turn" in heard.last.body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("name", "status", "code"), [(name, *told) for name, told in REFUSALS.items()])
def test_a_refusal_raises_the_class_of_its_status(models: Any, name: str, status: int, code: str, stream: bool) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        models().prompt(fault(name), stream=stream).text()
    assert (caught.value.status_code, caught.value.code) == (status, code)


@pytest.mark.parametrize("name", CUTS)
def test_a_broken_stream_raises(models: Any, name: str) -> None:
    with pytest.raises(openai.APIError) as caught:
        models().prompt(fault(name), stream=True).text()
    assert caught.value.code in ("upstream_stream_error", "upstream_protocol_error")


def test_the_program_in_the_readme_runs(heard: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    told = run_shown("llm", ["bash", "-eu"], heard.url, tmp_path)
    assert told.startswith("Good morning.")
