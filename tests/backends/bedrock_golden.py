"""Calls of every shape, written by hand: each block, each member, the odd characters and numbers."""

from dataclasses import replace

from bedrock_words import FULL, NOVA, ask, assistant, card, user

from llm_gateway.domain.content import CachePoint, Media, Native, Reasoning, Text, ToolResult, ToolUse
from llm_gateway.domain.requests import (
    GuardrailWish,
    ModelCall,
    ReasoningWish,
    ResponseFormat,
    ToolChoice,
    ToolSpec,
)

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
WEATHER = ToolSpec(
    "get_weather",
    {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]},
    "The weather of a city",
)
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "né": {"type": "integer"}},
    "required": ["name"],
    "additionalProperties": False,
}
CALL = ToolUse("tooluse_1", "get_weather", {"city": "Köln", "days": 3, "exact": 1.5, "deep": [{"a": None}, True]})

GOLDEN: dict[str, ModelCall] = {
    "one line": ask("Hello"),
    "a conversation": ask("Hello", assistant("Hi. What is it?"), "A joke, please"),
    "unicode": ask('naïve 日本語 😀 \u2028 " \\ \n\t', system=(Text("Sprich wie ein Pirat, ‚ja‘"),)),
    "all numbers": ask(
        "Hello",
        temperature=0.123456789,
        top_p=0.9999999999999999,
        max_tokens=123_456,
        stop_sequences=("END", "\n\n", "停"),
    ),
    "numbers at their ends": ask("Hello", temperature=0.0, top_p=1.0, max_tokens=1),
    "whole numbers as floats": ask("Hello", temperature=1, top_p=0),
    "a system with a cache point": ask("Hello", system=(Text("Long text"), CachePoint(), Text("Short text"))),
    "cache points": ask(
        user("Long text", CachePoint("1h"), "What is in it?"),
        system=(Text("Rules"), CachePoint("1h")),
        model=CLAUDE,
    ),
    "guarded content": ask(
        user(Native("guardContent", {"text": {"text": "Berlin", "qualifiers": ["grounding_source"]}}), "Where?"),
        system=(Native("guardContent", {"text": {"text": "Be kind"}}),),
    ),
    "an image": ask(user("What is this?", Media("image", "png", {"bytes": PIXEL}))),
    "a document with everything": ask(
        user(
            "Summarise",
            Media(
                "document",
                "pdf",
                {"bytes": PIXEL},
                name="Report (final) [2]-a",
                options={"context": "from the archive", "citations": {"enabled": True}},
            ),
        )
    ),
    "a document of text": ask(user("Cite", Media("document", "txt", {"text": "Ruby is red"}, name="facts"))),
    "a document in parts": ask(
        user("Cite", Media("document", "md", {"content": [{"text": "one"}, {"text": "two"}]}, name="facts"))
    ),
    "a video from s3": ask(
        user(
            "Describe",
            Media("video", "mp4", {"s3Location": {"uri": "s3://films/a b/c.mp4", "bucketOwner": "111122223333"}}),
        )
    ),
    "a sound": ask(user("Write it down", Media("audio", "wav", {"bytes": PIXEL}))),
    "tools": ask("Weather?", tools=(WEATHER, ToolSpec("nothing", {"type": "object"})), model=CLAUDE),
    "a strict tool": ask("Weather?", tools=(ToolSpec("s", {"type": "object"}, strict=True),)),
    "any tool": ask("Weather?", tools=(WEATHER,), tool_choice=ToolChoice("any")),
    "auto tool": ask("Weather?", tools=(WEATHER,), tool_choice=ToolChoice("auto")),
    "this tool": ask("Weather?", tools=(WEATHER,), tool_choice=ToolChoice("tool", "get_weather")),
    "a called tool": ask(
        "Weather?",
        assistant("I will look.", CALL),
        user(ToolResult("tooluse_1", (Text("rain"), Native("json", {"mm": 2.5})), "success")),
        tools=(WEATHER,),
        tool_choice=ToolChoice("auto"),
    ),
    "a tool that failed, and one with a picture": ask(
        "Weather?",
        assistant(CALL, ToolUse("t.2:x-y", "get_weather", {})),
        user(
            ToolResult("tooluse_1", (Text("no such city"),), "error"),
            ToolResult("t.2:x-y", (Media("image", "png", {"bytes": PIXEL}),)),
            "What now?",
        ),
        tools=(WEATHER,),
    ),
    "a tool of the server": ask(
        "Latest news?",
        assistant(
            ToolUse("srv_1", "nova_grounding", {"query": "news"}, "server_tool_use"),
            ToolResult("srv_1", (Native("json", {"hits": 1}),), "success", "nova_grounding_result"),
            "Nothing new.",
        ),
        "Sure?",
    ),
    "reasoning that goes back": ask(
        "Weather?",
        assistant(Reasoning("I should look.", "c2lnbmVk"), Reasoning(redacted="c2VjcmV0"), "Let me look.", CALL),
        user(ToolResult("tooluse_1", (Text("rain"),))),
        tools=(WEATHER,),
        extra_fields={"thinking": {"type": "enabled", "budget_tokens": 1024}},
        model=CLAUDE,
    ),
    "reasoning without a signature": ask("Why?", assistant(Reasoning("because"), "So."), "Really?"),
    "extra fields": ask(
        "Hello", extra_fields={"top_k": 20, "inferenceConfig": {"topK": 10}, "x": [1.0, 1e-7, 1e22, None, False, "ß"]}
    ),
    "citations that go back": ask(
        "Who?",
        assistant(
            Native(
                "citationsContent",
                {
                    "content": [{"text": "Matz."}],
                    "citations": [
                        {
                            "title": "facts",
                            "sourceContent": [{"text": "by Matz"}],
                            "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 7}},
                        }
                    ],
                },
            )
        ),
        "When?",
    ),
    "a search result": ask(
        user(
            Native(
                "searchResult",
                {"source": "kb", "title": "t", "content": [{"text": "x"}], "citations": {"enabled": True}},
            ),
            "So?",
        )
    ),
    "with a card": ask("Hello", system=(Text("a"), Text("b")), max_tokens=99_999, card=card(*FULL)),
    "without system": ask("Hello", system=(Text("a"), Text("b")), card=card("streaming")),
    "an arn": ask("Hello", model="arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/a1b2c3"),
    "a tilde and a space": ask("Hello", model="weird~id with space"),
    "a base id": ask("Hello", model=NOVA),
    "a guardrail": ask("Hello", guardrail=GuardrailWish("gr1abc", "3", "enabled_full")),
    "a guardrail by its ARN, in draft": ask(
        "Hello", guardrail=GuardrailWish("arn:aws:bedrock:us-east-1:111122223333:guardrail/abc", "DRAFT")
    ),
    "tier, latency and metadata": ask(
        "Hello", service_tier="flex", latency="optimized", metadata={"team": "a b", "cost@centre": ""}
    ),
    "a kept tool": ask(
        "Weather?",
        tools=(replace(WEATHER, cache_point=CachePoint("1h")), ToolSpec("nothing", {"type": "object"})),
        system=(Text("Rules"), CachePoint()),
        model=CLAUDE,
    ),
    "JSON by the model's own way": ask(
        "Who?",
        response_format=ResponseFormat("json_schema", PERSON, "person", "Who it is"),
        card=card(*FULL, "native_json_schema"),
    ),
    "effort": ask(
        "Why?", reasoning=ReasoningWish("high"), card=card(*FULL, "reasoning", base_id="openai.gpt-oss-120b-1:0")
    ),
}
