"""One sandbox and one gateway for all tests of a run, as processes from the gateway's environment."""

import json
from collections.abc import Iterator

import pytest

from other_clients.served import gateway, sandbox

# What a model would understand, and the sandbox does not: the question holds what the tool is to be called with.
UNDERSTOOD = {
    "magic_function(3)": {"tool": "magic_function", "input": {"input": 3}},
    "weather in San Francisco": {"tool": "get_weather", "input": {"location": "San Francisco, CA"}},
    "generate a Pirate greeting": {"tool": "greeting_generator", "input": {"answer_style": "Pirate"}},
    "你好啊集团": {"tool": "unicode_customer", "input": {"customer_name": "你好啊集团", "description": "technology"}},
    "こんにちは株式会社": {
        "tool": "unicode_customer",
        "input": {"customer_name": "こんにちは株式会社", "description": ""},
    },
    "Return the result as a JSON with 'setup' and 'punchline'": {"text": '{"setup": "A cat?", "punchline": "A cat!"}'},
}


@pytest.fixture(scope="session")
def bedrock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("sandbox")
    script = folder / "understood.json"
    script.write_text(
        json.dumps([{"match": {"text": text}, "faults": [cue], "then": "repeat"} for text, cue in UNDERSTOOD.items()])
    )
    with sandbox(folder, "--script", str(script)) as url:
        yield url


@pytest.fixture(scope="session")
def served(bedrock: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The gateway's address."""
    with gateway(bedrock, tmp_path_factory.mktemp("gateway")) as url:
        yield url


@pytest.fixture
def mcp(served: str) -> str:
    """What a client is given as the gateway's url."""
    return f"{served}/mcp"
