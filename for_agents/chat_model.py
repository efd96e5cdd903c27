"""``ChatBedrockGateway``: every Bedrock model behind the gateway, as a LangChain chat model.

    model = ChatBedrockGateway(model="claude-haiku-4-5")
    model.invoke("Hello").content
    model.bind_tools([search]).invoke("What is new?").tool_calls
    model.with_structured_output(Invoice).invoke("…")

One session is shared by all calls of one event loop; calls without a loop share a thread's.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr, SecretStr

try:
    from for_agents.bedrock_client import BackgroundLoop, GatewayClient
    from for_agents.messages import to_ai_message, to_gateway, to_last_chunk
except ImportError:  # used from inside the folder
    from bedrock_client import BackgroundLoop, GatewayClient  # type: ignore[no-redef]
    from messages import to_ai_message, to_gateway, to_last_chunk  # type: ignore[no-redef]


class Clients:
    """One client for each event loop that asks, and one loop in a thread for callers that have none."""

    def __init__(self, make: Callable[[], GatewayClient]) -> None:
        self._make = make
        self._of: WeakKeyDictionary[asyncio.AbstractEventLoop, GatewayClient] = WeakKeyDictionary()
        self._background: BackgroundLoop | None = None
        self._starting = threading.Lock()

    def here(self) -> GatewayClient:
        """The client of the loop that runs."""
        loop = asyncio.get_running_loop()
        client = self._of.get(loop)
        if client is None:
            client = self._of[loop] = self._make()
        return client

    @property
    def background(self) -> BackgroundLoop:
        """The loop of those who have none."""
        with self._starting:
            if self._background is None:
                self._background = BackgroundLoop()
            return self._background


class ChatBedrockGateway(BaseChatModel):
    """A Bedrock model by its short name, id, inference profile or ARN.

    ``gateway_url`` (or ``LLM_GATEWAY_URL``): a gateway that runs; without it one is started over stdio. ``api_key``: a
    virtual key (or ``LLM_GATEWAY_KEY``). ``client``: one of your own, for async calls in its own loop. Whatever else
    ``generate`` takes goes into ``model_kwargs``.
    """

    model: str
    temperature: float | None = None
    max_tokens: int | None = None
    stop: list[str] | None = None
    reasoning: dict[str, Any] | None = None
    agent: str | None = None
    gateway_url: str | None = None
    api_key: SecretStr | None = None
    gateway_env: dict[str, str] | None = None
    gateway_command: list[str] | None = None
    timeout: float = 600.0
    model_kwargs: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it
    _clients: Clients = PrivateAttr()
    _client: GatewayClient | None = PrivateAttr(default=None)

    def __init__(self, client: GatewayClient | None = None, **fields: Any) -> None:
        super().__init__(**fields)
        self._client = client

    def model_post_init(self, _: Any) -> None:
        """Shares sessions among all models that speak to the same gateway."""
        key = self.api_key.get_secret_value() if self.api_key is not None else None
        env, command = self.gateway_env or {}, self.gateway_command
        settings = (self.gateway_url, key, tuple(sorted(env.items())), tuple(command or ()), self.timeout)
        with _SHARING:
            clients = _SHARED.get(settings)
            if clients is None:
                clients = _SHARED[settings] = Clients(
                    lambda: GatewayClient(self.gateway_url, key=key, env=env, command=command, timeout_s=self.timeout)
                )
        self._clients = clients

    @property
    def _llm_type(self) -> str:
        return "bedrock-gateway"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model": self.model, "temperature": self.temperature, "max_tokens": self.max_tokens}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "amazon_bedrock"
        params["ls_model_name"] = self.model
        return params

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools it may call. ``tool_choice``: ``auto``, ``any``, ``none``, or a tool's name."""
        bound: dict[str, Any] = {"tools": [convert_to_openai_tool(tool) for tool in tools], **kwargs}
        if tool_choice is not None and tool_choice is not False:
            bound["tool_choice"] = _choice(tool_choice)
        return self.bind(**bound)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._clients.background.run(self._answer(messages, stop, kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await self._answer(messages, stop, kwargs, self._client)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        loop, chunks = self._clients.background, self._chunks(messages, stop, kwargs)
        while True:
            try:
                chunk = loop.run(_next(chunks))
            except StopAsyncIteration:
                return
            if run_manager is not None:
                run_manager.on_llm_new_token(str(chunk.text), chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async for chunk in self._chunks(messages, stop, kwargs, self._client):
            if run_manager is not None:
                await run_manager.on_llm_new_token(str(chunk.text), chunk=chunk)
            yield chunk

    async def _answer(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        more: Mapping[str, Any],
        client: GatewayClient | None = None,
    ) -> ChatResult:
        client = client or self._clients.here()
        told = await client.generate(self.model, to_gateway(messages), **self._options(stop, more))
        return ChatResult(generations=[ChatGeneration(message=to_ai_message(told))])

    async def _chunks(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        more: Mapping[str, Any],
        client: GatewayClient | None = None,
    ) -> AsyncIterator[ChatGenerationChunk]:
        client, told = client or self._clients.here(), ""
        async for event in client.stream(self.model, to_gateway(messages), **self._options(stop, more)):
            if event.generation is None:
                told += event.text
                yield ChatGenerationChunk(message=AIMessageChunk(content=event.text))
            else:
                yield ChatGenerationChunk(message=to_last_chunk(event.generation, told))

    def _options(self, stop: list[str] | None, more: Mapping[str, Any]) -> dict[str, Any]:
        own = {
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "reasoning": self.reasoning,
            "agent": self.agent,
            "stop_sequences": stop or self.stop,
        }
        passed = {name: value for name, value in more.items() if name not in _NOT_THE_GATEWAYS}
        return {name: value for name, value in {**own, **self.model_kwargs, **passed}.items() if value is not None}


_SHARED: dict[Any, Clients] = {}
_SHARING = threading.Lock()
_NOT_THE_GATEWAYS = frozenset({"ls_structured_output_format", "strict", "method"})


async def _next(chunks: AsyncIterator[ChatGenerationChunk]) -> ChatGenerationChunk:
    return await anext(chunks)


def _choice(asked: str | dict[str, Any] | bool) -> str | dict[str, Any]:
    if asked is True or asked == "required":
        return "any"
    if isinstance(asked, dict):
        name = asked.get("name") or asked.get("function", {}).get("name")
        return {"name": name} if name else asked
    return asked if asked in ("auto", "any", "none") else {"name": str(asked)}
