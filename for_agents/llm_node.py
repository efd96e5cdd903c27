"""A LangGraph node that asks a Bedrock model through the gateway.

    workflow = StateGraph(AgentState)
    workflow.add_node("llm", llm_consultation_node)
    workflow.set_entry_point("llm"); workflow.add_edge("llm", END)
    result = await workflow.compile().ainvoke({"messages": [{"role": "user", "content": "Hello"}], "model": "nova-pro"})
    print(result["response"])

Tokens appear in ``stream_mode="messages"`` and, as ``{"type": "token", …}``, in ``"custom"``. Retries and caching are
the gateway's. The graph's thread and run travel along, so that ``get_usage`` and ``get_budget`` know the run.
"""

import os
from collections.abc import Callable, Sequence
from functools import lru_cache, reduce
from operator import add
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, SystemMessage, message_chunk_to_message
from langchain_core.runnables import Runnable, RunnableConfig, ensure_config
from langgraph.config import get_stream_writer
from langgraph.graph.message import add_messages

try:
    from for_agents.bedrock_client import GatewayClient
    from for_agents.chat_model import ChatBedrockGateway
    from for_agents.gateway_answers import InvalidRequest
    from for_agents.messages import as_messages
except ImportError:  # used from inside the folder
    from bedrock_client import GatewayClient  # type: ignore[no-redef]
    from chat_model import ChatBedrockGateway  # type: ignore[no-redef]
    from gateway_answers import InvalidRequest  # type: ignore[no-redef]
    from messages import as_messages  # type: ignore[no-redef]

DEFAULT_MODEL = "nova-lite"
_WHERE = ("LLM_GATEWAY_URL", "LLM_GATEWAY_KEY")


def latest(_: Any, new: Any) -> Any:
    """What came last stands: nodes that run at the same time may all write here."""
    return new


class AgentState(TypedDict, total=False):
    """The state of a graph that consults models. All of it can be checkpointed.

    ``messages`` grows; ``response``, ``usage``, ``cost_usd`` and ``request_id`` are those of the last answer;
    ``total_cost_usd`` adds up all of them (unpriced answers count nothing). Nodes may write at the same time.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    model: str
    system: str
    temperature: float
    max_tokens: int
    run_id: str
    response: Annotated[str, latest]
    usage: Annotated[dict[str, int], latest]
    cost_usd: Annotated[float | None, latest]
    total_cost_usd: Annotated[float, add]
    request_id: Annotated[str, latest]


class LlmNode(Runnable[Any, dict[str, Any]]):
    """Two functions as one Runnable. The graph traces its nodes, and LangChain the model: nothing is traced here."""

    def __init__(self, consult: Callable[..., Any], aconsult: Callable[..., Any], name: str) -> None:
        self._consult = consult
        self._aconsult = aconsult
        self.name = name

    def invoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> dict[str, Any]:  # noqa: A002
        """The node's answer to a state."""
        return self._consult(input, ensure_config(config))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> dict[str, Any]:  # noqa: A002
        """The node's answer to a state."""
        return await self._aconsult(input, ensure_config(config))


def make_llm_node(
    model: str | None = None,
    *,
    system: str | None = None,
    tools: Sequence[Any] | None = None,
    tool_choice: str | dict[str, Any] | None = None,
    agent: str | None = None,
    client: GatewayClient | None = None,
    url: str | None = None,
    key: str | None = None,
    **options: Any,
) -> Runnable[Any, dict[str, Any]]:
    """A node: state in, state out, under ``invoke`` and ``ainvoke``.

    ``model`` stands before the state's. ``system`` is said in front of the conversation and not kept in it. ``agent``
    names who asks in the ledger (the node's own name, if not given). ``client``: a session of your own; else ``url``
    and ``key``, or ``LLM_GATEWAY_URL`` and ``LLM_GATEWAY_KEY``, or a server that is started. ``options``: whatever
    else ``generate`` takes, such as ``temperature``, ``reasoning``, ``response_format``.
    """

    @lru_cache(maxsize=64)
    def chat_with(chosen: str, *_environment: str | None) -> Any:
        where = {name: value for name, value in (("gateway_url", url), ("api_key", key)) if value}
        chat = ChatBedrockGateway(client=client, model=chosen, model_kwargs=dict(options), **where)
        return chat.bind_tools(tools, tool_choice=tool_choice) if tools else chat

    def prepared(state: Any, config: RunnableConfig) -> tuple[Any, list[Any], dict[str, Any]]:
        if not isinstance(state, dict):
            raise InvalidRequest(
                f"the state must be a dict, such as AgentState; it is {type(state).__name__}", code="invalid_request"
            )
        if not state.get("messages"):
            raise InvalidRequest(
                "the state holds no messages; begin with {'messages': [{'role': 'user', 'content': '…'}]}",
                code="invalid_request",
                field="messages",
            )
        said = system or state.get("system")
        messages = [*([SystemMessage(said)] if said else []), *as_messages(state["messages"])]
        asked = {name: state.get(name) for name in ("temperature", "max_tokens") if state.get(name) is not None}
        chosen = model or state.get("model") or DEFAULT_MODEL
        if not isinstance(chosen, str):
            raise InvalidRequest(f"model must be a name; it is {chosen!r}", code="invalid_request", field="model")
        chat = chat_with(chosen, *map(os.environ.get, _WHERE))
        return chat, messages, asked | _whose(state, config, agent)

    def consult(state: Any, config: RunnableConfig) -> dict[str, Any]:
        chat, messages, asked = prepared(state, config)
        listener, chunks = _listener(config), list[AIMessageChunk]()
        for chunk in chat.stream(messages, config, **asked):
            listener(chunk)
            chunks.append(chunk)
        return _told(chunks)

    async def aconsult(state: Any, config: RunnableConfig) -> dict[str, Any]:
        chat, messages, asked = prepared(state, config)
        listener, chunks = _listener(config), list[AIMessageChunk]()
        async for chunk in chat.astream(messages, config, **asked):
            listener(chunk)
            chunks.append(chunk)
        return _told(chunks)

    return LlmNode(consult, aconsult, agent or "llm")


llm_consultation_node = make_llm_node()
"""The node whose model, and all else, stands in the state."""


def _listener(config: RunnableConfig) -> Callable[[AIMessageChunk], None]:
    """Tells each piece of text to whoever streams the graph in the mode ``custom``."""
    try:
        write = get_stream_writer()
    except (RuntimeError, KeyError):  # called outside a graph
        return lambda _: None
    node = _node(config)

    def tell(chunk: AIMessageChunk) -> None:
        if text := str(chunk.text):
            write({"type": "token", "text": text, "node": node})

    return tell


def _whole(chunks: Sequence[AIMessageChunk]) -> AIMessage:
    """The message of all chunks. The last has everything but the text; LangChain's ``+`` takes 50 µs a chunk."""
    texts = [chunk.content for chunk in chunks if isinstance(chunk.content, str)]
    if len(texts) == len(chunks):
        whole = chunks[-1].model_copy(update={"content": "".join(texts)})
    else:
        whole = reduce(add, chunks)
    message = message_chunk_to_message(whole)
    assert isinstance(message, AIMessage)  # noqa: S101
    return message


def _told(chunks: Sequence[AIMessageChunk]) -> dict[str, Any]:
    message = _whole(chunks)
    metadata, usage = message.response_metadata, message.usage_metadata or {}
    cost = metadata.get("cost_usd")
    return {
        "messages": [message],
        "response": str(message.text),
        "usage": {name: usage.get(name, 0) for name in ("input_tokens", "output_tokens", "total_tokens")},
        "cost_usd": cost,
        "total_cost_usd": cost or 0.0,
        "request_id": metadata.get("request_id", ""),
    }


def _whose(state: dict[str, Any], config: RunnableConfig, agent: str | None) -> dict[str, str]:
    """The run and its thread, as far as the graph names them."""
    settings = config.get("configurable") or {}
    thread, run = settings.get("thread_id"), state.get("run_id") or settings.get("run_id") or config.get("run_id")
    told = {"run_id": run or thread, "parent_run_id": thread if run and run != thread else None}
    told["agent"] = agent or _node(config)
    return {name: str(value)[:128] for name, value in told.items() if value}


def _node(config: RunnableConfig) -> str:
    return str((config.get("metadata") or {}).get("langgraph_node", ""))
