"""LangChain's own standard suites on ``ChatBedrockGateway``: a Nova, a Claude, one that thinks, one that listens."""

import pytest

pytest.importorskip("langchain_tests", reason="langchain-tests is not installed here; run `make clients`")

import httpx
from for_agents.chat_model import ChatBedrockGateway
from langchain_core.messages import AIMessage, SystemMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from other_clients.questions import PNG

# The suite loads its picture, document and sound from the internet; tests have none.
FILES = {"png": PNG, "pdf": b"%PDF-1.4\n%%EOF\n", "wav": b"RIFF\x24\x00\x00\x00WAVEfmt "}
CACHE_DETAILS = ["cache_read_input", "cache_creation_input"]


class TestTheClass(ChatModelUnitTests):
    chat_model_class = ChatBedrockGateway
    chat_model_params = {"model": "nova-lite"}
    init_from_env_params = (
        {"LLM_GATEWAY_KEY": "sk-of-the-environment", "LLM_GATEWAY_URL": "http://127.0.0.1:1/mcp"},
        {"model": "nova-lite"},
        {"api_key": "sk-of-the-environment", "gateway_url": "http://127.0.0.1:1/mcp"},
    )


class AtTheGateway(ChatModelIntegrationTests):
    """What holds for every model: the flags say what ``ChatBedrockGateway`` does, each model's own what it can."""

    chat_model_class = ChatBedrockGateway
    model_override_value = "nova-pro"
    supports_json_mode = True
    supports_anthropic_inputs = True

    @pytest.fixture(autouse=True)
    def _world(self, mcp: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LLM_GATEWAY_URL", mcp)
        monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "llm-gateway's tests")
        monkeypatch.setattr(httpx, "get", lambda url, **_: httpx.Response(200, content=FILES[url[-3:]]))

    def _of_a_long_prompt(self, stream: bool) -> AIMessage:
        """The second of two answers to one long prompt, of which the first has written the prompt cache."""
        model = ChatBedrockGateway(model_kwargs={"cache_prompt": True}, **self.chat_model_params)
        messages = [SystemMessage("Be brief, and kind. " * 4000), ("user", f"Say: {stream}")]
        model.invoke(messages)
        if not stream:
            return model.invoke(messages)
        chunks = iter(model.stream(messages))
        whole = next(chunks)
        for chunk in chunks:
            whole += chunk
        return whole

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        return self._of_a_long_prompt(stream)

    def invoke_with_cache_creation_input(self, *, stream: bool = False) -> AIMessage:
        return self._of_a_long_prompt(stream)


class TestNova(AtTheGateway):
    chat_model_params = {"model": "nova-pro"}
    model_override_value = "nova-lite"
    structured_output_kwargs = {"method": "json_schema"}
    supports_image_inputs = True
    supports_pdf_inputs = True
    supports_video_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = False  # Bedrock's Nova takes no documents inside a tool's result
    supported_usage_metadata_details = {"invoke": CACHE_DETAILS, "stream": CACHE_DETAILS}


class TestClaude(AtTheGateway):
    chat_model_params = {"model": "claude-haiku-4-5"}
    supports_image_inputs = True
    supports_pdf_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True
    supported_usage_metadata_details = {"invoke": CACHE_DETAILS, "stream": CACHE_DETAILS}


class TestThinkingClaude(TestClaude):
    chat_model_params = {"model": "claude-sonnet-4-5", "reasoning": {"effort": "low"}, "max_tokens": 8000}
    has_tool_choice = False  # Anthropic lets no tool be forced while the model thinks


class TestVoxtral(AtTheGateway):
    chat_model_params = {"model": "voxtral-small"}
    has_tool_calling = False
    supports_audio_inputs = True
    structured_output_kwargs = {"method": "json_schema"}
