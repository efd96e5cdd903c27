"""``BedrockGatewayLLM``: every Bedrock model behind the gateway, as an LLM of LlamaIndex.

    llm = BedrockGatewayLLM(model="claude-haiku-4-5")
    llm.complete("Hello").text
    llm.as_structured_llm(Invoice).complete("…").raw
    FunctionAgent(tools=[search], llm=llm)

All calls, with ``await`` or without, share one session, whatever event loops they come from.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
    TextBlock,
    ToolCallBlock,
)
from llama_index.core.bridge.pydantic import Field, PrivateAttr, SecretStr
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.program.utils import get_program_for_llm
from llama_index.core.types import PydanticProgramMode

try:
    from for_agents.gateway_answers import InvalidRequest
    from for_agents.llama_index_messages import to_gateway, to_response, with_one_call
    from for_agents.shared_clients import Clients, clients_of
except ImportError:  # used from inside the folder
    from gateway_answers import InvalidRequest  # type: ignore[no-redef]
    from llama_index_messages import to_gateway, to_response, with_one_call  # type: ignore[no-redef]
    from shared_clients import Clients, clients_of  # type: ignore[no-redef]


class BedrockGatewayLLM(FunctionCallingLLM):
    """A Bedrock model by its short name, id, inference profile or ARN.

    ``gateway_url`` (or ``LLM_GATEWAY_URL``): a gateway that runs; without it one is started over stdio. ``api_key``: a
    virtual key (or ``LLM_GATEWAY_KEY``). Whatever else ``generate`` takes goes into ``additional_kwargs``, or into one
    call. ``context_window``, ``max_tokens`` and ``calls_functions`` are known of every model in the gateway's catalog.
    """

    model: str = Field(description="Short name, model id, inference profile or ARN.")
    temperature: float | None = Field(default=None, description="0 to 2; the gateway's own default where not given.")
    max_tokens: int | None = Field(default=None, description="The longest answer.")
    reasoning: dict[str, Any] | None = Field(default=None, description="How much to think: effort or budget_tokens.")
    agent: str | None = Field(default=None, description="Who asks, for spend by agent.")
    context_window: int | None = Field(default=None, description="Tokens; the catalog's where not given.")
    calls_functions: bool | None = Field(default=None, description="Whether it takes tools; as the catalog says.")
    gateway_url: str | None = Field(default=None, description="Such as http://127.0.0.1:8080/mcp.")
    api_key: SecretStr | None = Field(default=None, description="A virtual key.", exclude=True)
    gateway_env: dict[str, str] | None = Field(default=None, description="For a server that is started.", exclude=True)
    gateway_command: list[str] | None = Field(default=None, description="How it is started.")
    timeout: float = Field(default=600.0, description="Seconds; the longest wait for one answer.")
    additional_kwargs: dict[str, Any] = Field(default_factory=dict, description="Other arguments of generate.")
    _clients: Clients = PrivateAttr()
    _known: dict[str, LLMMetadata] = PrivateAttr(default_factory=dict)

    def model_post_init(self, context: Any, /) -> None:
        """Shares the session with all models that speak to the same gateway."""
        super().model_post_init(context)
        key = self.api_key.get_secret_value() if self.api_key is not None else None
        self._clients = clients_of(self.gateway_url, key, self.gateway_env or {}, self.gateway_command, self.timeout)

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex stores it."""
        return "BedrockGatewayLLM"

    @property
    def metadata(self) -> LLMMetadata:
        """What the catalog knows of the model; asked for once, and free."""
        if self.model not in self._known:
            self._known[self.model] = self._clients.background.run(self._told_of())
        known, own = self._known[self.model], {}
        if self.context_window is not None:
            own["context_window"] = self.context_window
        if self.max_tokens is not None:
            own["num_output"] = self.max_tokens
        if self.calls_functions is not None:
            own["is_function_calling_model"] = self.calls_functions
        return known.model_copy(update=own)

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """One answer."""
        return self._clients.background.run(self._answer(messages, kwargs))

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """One answer."""
        return await self._clients.background.run_for(self._answer(messages, kwargs))

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The answer while it is made; thoughts and calls come with its last piece."""

        def pieces() -> ChatResponseGen:
            loop, answers = self._clients.background, self._answers(messages, kwargs)
            try:
                while (answer := loop.run(_next(answers))) is not None:
                    yield answer
            finally:
                loop.run(answers.aclose())

        return pieces()

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """The answer while it is made; thoughts and calls come with its last piece."""

        async def pieces() -> ChatResponseAsyncGen:
            loop, answers = self._clients.background, self._answers(messages, kwargs)
            try:
                while (answer := await loop.run_for(_next(answers))) is not None:
                    yield answer
            finally:
                await loop.run_for(answers.aclose())

        return pieces()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """One answer to a text."""
        return _completion(self._clients.background.run(self._answer(_asked(prompt), kwargs)))

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """One answer to a text."""
        return _completion(await self._clients.background.run_for(self._answer(_asked(prompt), kwargs)))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """The answer to a text while it is made."""

        def pieces() -> CompletionResponseGen:
            for answer in self.stream_chat(_asked(prompt), **kwargs):
                yield _completion(answer)

        return pieces()

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """The answer to a text while it is made."""

        async def pieces() -> CompletionResponseAsyncGen:
            async for answer in await self.astream_chat(_asked(prompt), **kwargs):
                yield _completion(answer)

        return pieces()

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The calls that the model wants made.

        Raises:
            ValueError: there is none, and one is needed.
        """
        calls = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
        if not calls and error_on_no_tool_call:
            raise ValueError(f"{self.model} called no tool; it said: {response.message.content!r}")
        return [
            ToolSelection(tool_id=call.tool_call_id or "", tool_name=call.tool_name, tool_kwargs=call.tool_kwargs)  # type: ignore[arg-type]
            for call in calls
        ]

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[Any],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        tool_choice: str | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """What ``chat`` is asked. A tool that must be called is called without thinking: Claude takes no other way."""
        messages = list(chat_history or [])
        if user_msg is not None:
            messages.append(ChatMessage(content=user_msg) if isinstance(user_msg, str) else user_msg)
        told: dict[str, Any] = {"messages": messages, **kwargs}
        if not tools:
            return told
        told["tools"] = [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools]
        choice = _choice(tool_choice) or ("any" if tool_required else None)
        if choice not in (None, "auto", "none"):
            told["reasoning"] = None
        elif not allow_parallel_tool_calls:
            told["parallel_tool_calls"] = False
        return {**told, "tool_choice": choice}

    def _validate_chat_with_tools_response(
        self,
        response: ChatResponse,
        tools: Sequence[Any],
        allow_parallel_tool_calls: bool = False,
        **kwargs: Any,
    ) -> ChatResponse:
        """Models that cannot be told to make one call at a time may make more."""
        return response if allow_parallel_tool_calls else with_one_call(response)

    def _structured_stream_call(self, output_cls: Any, prompt: Any, llm_kwargs: Any = None, **words: Any) -> Any:
        return self._program(output_cls, prompt).stream_call(llm_kwargs=llm_kwargs, **words)

    async def _structured_astream_call(self, output_cls: Any, prompt: Any, llm_kwargs: Any = None, **words: Any) -> Any:
        return await self._program(output_cls, prompt).astream_call(llm_kwargs=llm_kwargs, **words)

    def _program(self, output_cls: Any, prompt: Any) -> Any:
        """LlamaIndex's own, which does not say in a stream that its tool must be called."""
        mode = self.pydantic_program_mode
        by_tool = mode == PydanticProgramMode.DEFAULT and self.metadata.is_function_calling_model
        more = {"tool_choice": "any"} if by_tool or mode == PydanticProgramMode.FUNCTION else {}
        return get_program_for_llm(output_cls, prompt, self, pydantic_program_mode=mode, **more)

    async def _told_of(self) -> LLMMetadata:
        client = self._clients.here()
        cards = {card["name"]: card for card in await client.list_models()}
        name = self.model if self.model in cards else (await client.estimate_cost(self.model, "Hello"))["model"]
        card = cards.get(name)
        known = {} if card is None else {"context_window": card["context_window"], "num_output": card["max_tokens"]}
        return LLMMetadata(
            **{name: value for name, value in known.items() if value},
            is_chat_model=True,
            is_function_calling_model=card is None or "tools" in card["capabilities"],
            model_name=self.model,
        )

    async def _answer(self, messages: Sequence[ChatMessage], more: Mapping[str, Any]) -> ChatResponse:
        return to_response(await self._clients.here().generate(**self._told(messages, more)))

    async def _answers(self, messages: Sequence[ChatMessage], more: Mapping[str, Any]) -> AsyncGenerator[ChatResponse]:
        told = ""
        async with aclosing(self._clients.here().stream(**self._told(messages, more))) as events:
            async for event in events:
                if event.generation is not None:
                    yield to_response(event.generation, told)
                    return
                told += event.text
                message = ChatMessage(role=MessageRole.ASSISTANT, blocks=[TextBlock(text=told)])
                yield ChatResponse(message=message, delta=event.text)

    def _told(self, messages: Sequence[ChatMessage], more: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of ``generate``; what a call says stands before what the model was made with."""
        own = {name: getattr(self, name) for name in ("model", "temperature", "max_tokens", "reasoning", "agent")}
        asked = {name: value for name, value in {**own, **self.additional_kwargs, **more}.items() if value is not None}
        stop = asked.pop("stop", None)
        if stop:
            asked["stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
        return {**asked, "messages": to_gateway(messages)}


async def _next(answers: AsyncGenerator[ChatResponse]) -> ChatResponse | None:
    return await anext(answers, None)


def _asked(prompt: str) -> list[ChatMessage]:
    if not prompt:
        raise InvalidRequest("the prompt is empty", code="invalid_request", field="messages")
    return [ChatMessage(content=prompt)]


def _completion(answer: ChatResponse) -> CompletionResponse:
    return CompletionResponse(
        text=answer.message.content or "",
        raw=answer.raw,
        delta=answer.delta,
        additional_kwargs=answer.additional_kwargs,
    )


def _choice(asked: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    if asked is None or isinstance(asked, dict):
        return asked
    return asked if asked in ("auto", "any", "required", "none") else {"name": asked}
