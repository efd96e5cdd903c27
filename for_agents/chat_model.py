"""``ChatBedrockGateway``: every Bedrock model behind the gateway, as a LangChain chat model.

    model = ChatBedrockGateway(model="claude-haiku-4-5")
    model.invoke("Hello").content
    model.bind_tools([search]).invoke("What is new?").tool_calls
    model.with_structured_output(Invoice).invoke("…")

One session is shared by all calls of one event loop; calls without a loop share a thread's.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils import from_env, secret_from_env
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import Field, PrivateAttr, SecretStr

try:
    from for_agents.bedrock_client import GatewayClient
    from for_agents.blocks import cache_point
    from for_agents.messages import to_ai_message, to_gateway, to_last_chunk
    from for_agents.shared_clients import Clients, clients_of
except ImportError:  # used from inside the folder
    from bedrock_client import GatewayClient  # type: ignore[no-redef]
    from blocks import cache_point  # type: ignore[no-redef]
    from messages import to_ai_message, to_gateway, to_last_chunk  # type: ignore[no-redef]
    from shared_clients import Clients, clients_of  # type: ignore[no-redef]


class ChatBedrockGateway(BaseChatModel):
    """A Bedrock model by its short name, id, inference profile or ARN.

    ``gateway_url`` (or ``LLM_GATEWAY_URL``): a gateway that runs; without it one is started over stdio. ``api_key``: a
    virtual key (or ``LLM_GATEWAY_KEY``). ``client``: one of your own, for async calls in its own loop; other calls get
    a session like it. Whatever else ``generate`` takes goes into ``model_kwargs``.
    """

    model: str
    temperature: float | None = None
    max_tokens: int | None = None
    stop: list[str] | None = None
    reasoning: dict[str, Any] | None = None
    agent: str | None = None
    gateway_url: str | None = Field(default_factory=from_env("LLM_GATEWAY_URL", default=None))
    api_key: SecretStr | None = Field(default_factory=secret_from_env("LLM_GATEWAY_KEY", default=None))
    gateway_env: dict[str, str] | None = None
    gateway_command: list[str] | None = None
    timeout: float = 600.0
    model_kwargs: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it
    _clients: Clients = PrivateAttr()
    _client: GatewayClient | None = PrivateAttr(default=None)

    def __init__(self, client: GatewayClient | None = None, **fields: Any) -> None:
        super().__init__(**fields)
        if client is not None:
            self._client, self._clients = client, clients_of(*client.settings)

    def model_post_init(self, _: Any) -> None:
        """Shares sessions among all models that speak to the same gateway."""
        key = self.api_key.get_secret_value() if self.api_key is not None else None
        self._clients = clients_of(self.gateway_url, key, self.gateway_env or {}, self.gateway_command, self.timeout)

    @property
    def _llm_type(self) -> str:
        return "bedrock-gateway"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model": self.model, "temperature": self.temperature, "max_tokens": self.max_tokens}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "amazon_bedrock"
        params["ls_model_name"] = kwargs.get("model", self.model)
        return params

    def _resolve_model_profile(self) -> ModelProfile:
        """The gateway holds every model's answers to a schema: LangChain's agents need no tool for it."""
        return ModelProfile(structured_output=True)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools it may call. ``tool_choice``: ``auto``, ``any``, ``none``, or a tool's name. ``strict``:
        whether arguments must fit their schema. Tools may be written as MCP, OpenAI, Anthropic and Converse do."""
        told = [form for tool in tools for form in _forms(tool, strict)]
        if tool_choice is not None and tool_choice is not False:
            kwargs["tool_choice"] = _choice(tool_choice)
        return self.bind(tools=told, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: Literal["function_calling", "json_schema", "json_mode"] | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Answers of a schema. ``method``: by a tool that must be called (``function_calling``, unless told otherwise);
        by an answer that is itself held to the schema (``json_schema``, on every model; so also by itself where
        ``reasoning`` is asked for, since a Claude that thinks cannot be made to call a tool); by any JSON, whose form
        your prompt tells (``json_mode``)."""
        thinks = self.reasoning is not None or "reasoning" in self.model_kwargs
        method = method or ("json_schema" if thinks else "function_calling")
        if method == "function_calling":
            return super().with_structured_output(schema, include_raw=include_raw, **kwargs)
        if kwargs:
            raise ValueError(f"with_structured_output takes no {', '.join(kwargs)}")
        form: dict[str, Any] = {"type": "json_object"}
        if method == "json_schema":
            wanted = convert_to_json_schema(schema, strict=strict)
            told = {"name": wanted["title"], "schema": wanted, **({} if strict is None else {"strict": strict})}
            form = {"type": "json_schema", "json_schema": told}
        model = self.bind(
            response_format=form,
            ls_structured_output_format={"kwargs": {"method": method, "strict": strict}, "schema": schema},
        )
        is_class = isinstance(schema, type) and is_basemodel_subclass(schema)
        parser: Any = PydanticOutputParser(pydantic_object=schema) if is_class else JsonOutputParser()
        return _with_raw(model, parser) if include_raw else model | parser

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
        told = await client.generate(**self._asked(messages, stop, more))
        return ChatResult(generations=[ChatGeneration(message=to_ai_message(told))])

    async def _chunks(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        more: Mapping[str, Any],
        client: GatewayClient | None = None,
    ) -> AsyncIterator[ChatGenerationChunk]:
        client, told = client or self._clients.here(), ""
        async for event in client.stream(**self._asked(messages, stop, more)):
            if event.generation is None:
                told += event.text
                yield ChatGenerationChunk(message=AIMessageChunk(content=event.text))
            else:
                yield ChatGenerationChunk(message=to_last_chunk(event.generation, told))

    def _asked(self, messages: list[BaseMessage], stop: list[str] | None, more: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of ``generate``; what a call says stands before what the model was made with."""
        own = {
            "model": self.model,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "reasoning": self.reasoning,
            "agent": self.agent,
        }
        passed = {name: value for name, value in more.items() if name not in _NOT_THE_GATEWAYS}
        told = {**own, **self.model_kwargs, **passed, "messages": to_gateway(messages)}
        stops = stop or passed.get("stop_sequences") or self.stop or self.model_kwargs.get("stop_sequences")
        told["stop_sequences"] = stops or None
        return {name: value for name, value in told.items() if value is not None}


_NOT_THE_GATEWAYS = frozenset({"ls_structured_output_format", "strict", "method"})


def _forms(tool: Any, strict: bool | None) -> list[dict[str, Any]]:
    """A tool as the gateway reads it. MCP's, Converse's and Anthropic's are told as they are written."""
    if not isinstance(tool, dict):
        return [convert_to_openai_tool(tool, strict=strict)]
    if tool.keys() & {"toolSpec", "systemTool", "cachePoint", "inputSchema"}:
        return [tool]
    if "input_schema" not in tool:
        return [convert_to_openai_tool(tool, strict=strict)]
    control = tool.get("cache_control")
    told = {name: value for name, value in tool.items() if name not in ("cache_control", "type")}
    return [told, *([cache_point(control)] if control else [])]


def _with_raw(model: Any, parser: Any) -> Runnable[LanguageModelInput, Any]:
    """``raw``, ``parsed`` and ``parsing_error``, as LangChain's own structured output gives them."""
    read = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    unread = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | read.with_fallbacks([unread], exception_key="parsing_error")


async def _next(chunks: AsyncIterator[ChatGenerationChunk]) -> ChatGenerationChunk:
    return await anext(chunks)


def _choice(asked: str | dict[str, Any] | bool) -> str | dict[str, Any]:
    if asked is True or asked == "required":
        return "any"
    if isinstance(asked, dict):
        name = asked.get("name") or asked.get("function", {}).get("name")
        return {"name": name} if name else asked
    return asked if asked in ("auto", "any", "none") else {"name": str(asked)}
