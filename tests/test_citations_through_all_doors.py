"""Where an answer names its sources: every door tells them, in streams too."""

import json
from pathlib import Path
from typing import Any

from llm_gateway.sandbox.frames import EVENT_STREAM, event_frame
from llm_gateway.sandbox.replay import Recording
from test_every_exchange_through_every_door import Stage, events_of, open_stage, sent

WEB = {"title": "News", "location": {"web": {"url": "https://news.example/a", "domain": "news.example"}}}
PAPER = {
    "title": "Paper",
    "sourceContent": [{"text": "The sky is blue."}],
    "location": {"documentChar": {"documentIndex": 0, "start": 4, "end": 16}},
}
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "It is "}}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "blue."}}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"citation": PAPER}}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"citation": WEB}}),
    ("contentBlockStop", {"contentBlockIndex": 1}),
    ("messageStop", {"stopReason": "end_turn"}),
    ("metadata", {"usage": {"inputTokens": 5, "outputTokens": 5, "totalTokens": 10}}),
]
ANSWER = Recording(
    "ConverseStream",
    200,
    {"content-type": EVENT_STREAM},
    b"".join([event_frame(kind, payload) for kind, payload in EVENTS]),
)
ASK = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Which colour?"}]}
CITED = {
    "type": "char_location",
    "cited_text": "The sky is blue.",
    "document_index": 0,
    "document_title": "Paper",
    "start_char_index": 4,
    "end_char_index": 16,
    "file_id": None,
}


async def posted(stage: Stage, path: str, **more: Any) -> Any:
    async with stage.http.post(stage.url + path, **sent({**ASK, **more})) as response:
        if "stream" not in more:
            return json.loads(await response.read())
        return [json.loads(event) for event in await events_of(response) if event != "[DONE]"]


async def test_sources_are_told_by_every_door(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        stage.upstream.recording = ANSWER
        result = await stage.mcp.call_tool("generate", ASK)
        assert result.structured_content is not None
        assert result.structured_content["content_blocks"][1]["citationsContent"]["citations"] == [PAPER, WEB]

        notes = {"citations": [{"start_index": 6, "end_index": 11, **each} for each in (PAPER, WEB)]}
        assert (await posted(stage, "/v1/chat/completions"))["llm_gateway"] == notes
        assert (await posted(stage, "/v1/chat/completions", stream=True))[-1]["llm_gateway"] == notes

        said = (await posted(stage, "/v1/messages"))["content"]
        assert said == [{"type": "text", "text": "It is "}, {"type": "text", "text": "blue.", "citations": [CITED]}]
        events = await posted(stage, "/v1/messages", stream=True)
        deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
        assert deltas[-1] == {"type": "citations_delta", "citation": CITED}


async def test_what_was_changed_is_told_by_every_door(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        stage.upstream.recording = ANSWER
        changed = {"max_tokens": 100_000}
        (warning,) = (await posted(stage, "/v1/chat/completions", **changed))["llm_gateway"]["warnings"]
        assert "max_tokens" in warning
        assert (await posted(stage, "/v1/messages", **changed))["llm_gateway"] == {"warnings": [warning]}
        streamed = await posted(stage, "/v1/messages", **changed, stream=True)
        assert streamed[-2]["llm_gateway"] == {"warnings": [warning]}
