"""A client for llm-gateway over MCP: one session, shared by all who ask at the same time.

    async with GatewayClient() as client:                                   # spawns `llm-gateway serve` once
        answer = await client.generate("nova-lite", "Hello")
        print(answer.content, answer.cost_usd)

    GatewayClient(url="http://127.0.0.1:8080/mcp", key="sk-…")              # streamable HTTP; …/sse for SSE

A session that is lost (the server died, the connection was cut) is opened anew by the next call. A call that was under
way is made again only where that costs nothing, or under an idempotency key: ``generate(…, idempotency_key=…)``, or
``GatewayClient(paid_once=True)``, which gives each call one of its own.
"""

import asyncio
import atexit
import os
import secrets
import shlex
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from mcp import StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

try:
    from for_agents.gateway_answers import (
        GatewayError,
        GatewayUnavailable,
        Generation,
        InvalidRequest,
        as_error,
        as_generation,
    )
    from for_agents.gateway_session import Lost, Session, server_command, unavailable
except ImportError:  # used from inside the folder
    from gateway_answers import (  # type: ignore[no-redef]
        GatewayError,
        GatewayUnavailable,
        Generation,
        InvalidRequest,
        as_error,
        as_generation,
    )
    from gateway_session import Lost, Session, server_command, unavailable  # type: ignore[no-redef]

Returned = TypeVar("Returned")
Messages = str | Sequence[Mapping[str, Any]]
OnText = Callable[[str], Awaitable[None]]
_PAID = frozenset({"generate", "compare", "embed"})
_IDLE_S = 0.2
_AGAIN_S = (0.2, 1.0, 3.0, 4.0, 4.0)  # a dead server's claim on an idempotency key ends after some seconds


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """A piece of the answer: ``text``; or, at the end, the whole ``generation``."""

    text: str = ""
    generation: Generation | None = None


class GatewayClient:
    """Asks the gateway. Without ``url`` (or ``LLM_GATEWAY_URL``) it starts the server itself and speaks over its
    standard input and output.

    ``key``: a virtual key (or ``LLM_GATEWAY_KEY``). ``command``: how the server is started, by default
    ``llm-gateway serve``; it logs warnings only, unless ``LOG_LEVEL`` is set. ``env``: more environment for it, such as
    AWS's. ``timeout_s``: the longest wait for one answer. ``paid_once``: each call bears an idempotency key, and is
    repeated when the server dies; such calls are not answered from the gateway's cache. Can be used with
    ``async with``, or without: then it opens with its first call, and ``aclose`` ends it.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        command: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 600.0,
        paid_once: bool = False,
    ) -> None:
        self._paid_once = paid_once
        self._url = _address(url or os.environ.get("LLM_GATEWAY_URL") or None)
        self._key = key or os.environ.get("LLM_GATEWAY_KEY") or None
        self._command = tuple(command) if command is not None else None
        self._env = dict(env or {})
        self._timeout_s = timeout_s
        self._session: Session | None = None
        self._opening = asyncio.Lock()
        self._was_refused = False

    @property
    def settings(self) -> tuple[str | None, str | None, Mapping[str, str], Sequence[str] | None, float, bool]:
        """All that makes another client of the same gateway: url, key, env, command, timeout_s, paid_once."""
        return self._url, self._key, self._env, self._command, self._timeout_s, self._paid_once

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends the session, and the server where it was started here."""
        session, self._session = self._session, None
        if session is not None:
            await session.aclose()

    async def generate(
        self, model: str, messages: Messages, *, on_text: OnText | None = None, **options: Any
    ) -> Generation:
        """One answer. ``messages``: a text, or ``{"role", "content"}`` mappings as the tool ``generate`` takes them;
        ``options``: its other arguments, such as ``max_tokens``, ``tools``, ``reasoning``, ``run_id``. ``on_text`` is
        awaited with each piece of text while it is made.

        Raises:
            GatewayError: see its classes; ``GatewayUnavailable`` where there is no gateway to ask.
        """
        arguments = {name: value for name, value in options.items() if value is not None}
        arguments |= {"model": model, "messages": _given(messages)}
        if self._paid_once:
            arguments.setdefault("idempotency_key", f"for-agents-{secrets.token_hex(16)}")
        return as_generation(await self._call("generate", arguments, on_text))

    async def stream(self, model: str, messages: Messages, **options: Any) -> AsyncGenerator[StreamEvent]:
        """The answer while it is made: pieces of text, then one event with the whole generation.

        Raises:
            GatewayError: as :meth:`generate`.
        """
        events: asyncio.Queue[StreamEvent | None] = asyncio.Queue()

        async def hear(text: str) -> None:
            await events.put(StreamEvent(text=text))

        async def ask() -> Generation:
            try:
                return await self.generate(model, messages, on_text=hear, **options)
            finally:
                await events.put(None)

        asking = asyncio.ensure_future(ask())
        try:
            while (event := await events.get()) is not None:
                yield event
            yield StreamEvent(generation=await asking)
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError, GatewayError):
                await asking

    async def list_models(self, **filters: Any) -> list[dict[str, Any]]:
        """The models that can be asked, with prices in US dollars per 1,000 tokens."""
        return (await self._call("list_models", filters))["result"]

    async def get_stats(self) -> dict[str, Any]:
        """What the gateway has done."""
        return await self._call("get_stats", {})

    async def get_budget(self, **which: Any) -> dict[str, Any]:
        """What the key, and the run, may still spend."""
        return await self._call("get_budget", which)

    async def get_usage(self, **question: Any) -> dict[str, Any]:
        """What was spent, ``by`` key, agent, model, run or day."""
        return await self._call("get_usage", question)

    async def estimate_cost(self, model: str, messages: Messages, **options: Any) -> dict[str, Any]:
        """What a call would cost; nothing is spent."""
        arguments = {name: value for name, value in options.items() if value is not None}
        return await self._call("estimate_cost", {**arguments, "model": model, "messages": _given(messages)})

    async def call_tool(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Any tool of the gateway; its structured result.

        Raises:
            GatewayError: the tool refused, or there is no gateway.
        """
        return await self._call(name, arguments)

    async def _call(self, name: str, arguments: Mapping[str, Any], on_text: OnText | None = None) -> dict[str, Any]:
        """Asks, and once more where the session was lost meanwhile: a paid call only under its own name."""
        may_repeat = name not in _PAID or "idempotency_key" in arguments
        if not may_repeat and self._session is not None and time.monotonic() - self._session.heard_at > _IDLE_S:
            await self._call("get_stats", {})  # costs nothing, and finds out whether somebody is there
        session, told = await self._open(), False

        async def hear(text: str) -> None:
            nonlocal told
            told = True
            if on_text is not None:
                await on_text(text)

        try:
            return await self._ask(session, name, arguments, hear if on_text is not None else None)
        except Lost as lost:
            await self._forget(session)
            if told or not may_repeat:
                why = "its text was told in part" if told else "paid_once=True has such calls repeated, and paid once"
                raise unavailable(f"the gateway was lost while it answered, and the call may be paid; {why}") from lost
        for pause_s in _AGAIN_S:
            session = await self._open()
            try:
                return await self._ask(session, name, arguments, None)
            except Lost as lost:
                await self._forget(session)
                raise unavailable(f"the gateway was lost twice ({lost})") from lost
            except GatewayError as error:
                if not (error.code.startswith("idempotency") and error.retryable):
                    raise
                await asyncio.sleep(pause_s)
        raise unavailable("the call was under way when the gateway died, and is not free yet; try again in a moment")

    async def _ask(
        self, session: "Session", name: str, arguments: Mapping[str, Any], on_text: OnText | None
    ) -> dict[str, Any]:
        async def progress(_: float, __: float | None, text: str | None) -> None:
            if on_text is not None and text:
                await on_text(text)

        result = await session.call(name, dict(arguments), self._timeout_s, progress if on_text is not None else None)
        told: dict[str, Any] = result.structured_content or {}
        if result.is_error or "error" in told:
            raise as_error(told.get("error", {"message": _text(result)}))
        return told

    async def _open(self) -> "Session":
        async with self._opening:
            if self._session is not None and not self._session.is_lost:
                return self._session
            self._was_refused = False
            session = Session(self._transport, self._url or shlex.join(self._started()))
            try:
                await session.start()
            except GatewayUnavailable as failed:
                if not self._was_refused:
                    raise
                known = "the key is not known; whoever runs the gateway makes one (llm-gateway keys create)"
                told = known if self._key else "a key is needed: give key=… or set LLM_GATEWAY_KEY"
                raise as_error({"code": "invalid_api_key", "message": f"the gateway let nobody in: {told}"}) from failed
            self._session = session
            return session

    async def _forget(self, session: "Session") -> None:
        if self._session is session:
            self._session = None
        await session.aclose()

    async def _transport(self, stack: AsyncExitStack) -> Any:
        headers = {"authorization": f"Bearer {self._key}"} if self._key else {}

        def listening(*given: Any, **more: Any) -> Any:
            """An HTTP client that remembers whether it was refused: the session only says that it failed."""
            http = create_mcp_http_client(*given, **more)
            http.event_hooks = {**http.event_hooks, "response": [self._notice]}
            return http

        if self._url is None:
            command = self._started()
            env = {
                "LOG_LEVEL": "WARNING",
                **os.environ,
                **self._env,
                **({"LLM_GATEWAY_KEY": self._key} if self._key else {}),
            }
            return stdio_client(StdioServerParameters(command=command[0], args=list(command[1:]), env=env))
        if self._url.rstrip("/").endswith("/sse"):
            return sse_client(
                self._url, headers=headers, sse_read_timeout=self._timeout_s, httpx_client_factory=listening
            )
        http = await stack.enter_async_context(listening(headers=headers))
        return streamable_http_client(self._url, http_client=http)

    def _started(self) -> Sequence[str]:
        return self._command or server_command("serve")

    async def _notice(self, response: Any) -> None:
        self._was_refused = self._was_refused or response.status_code == 401


class SyncGatewayClient:
    """The same for scripts: a session in a thread of its own; calls may come from any thread."""

    def __init__(self, url: str | None = None, **options: Any) -> None:
        self._loop = BackgroundLoop()
        self._client = self._loop.run(_made(url, options))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the session, and the server where it was started here."""
        self._loop.run(self._client.aclose())
        self._loop.close()

    def generate(self, model: str, messages: Messages, **options: Any) -> Generation:
        """See :meth:`GatewayClient.generate`."""
        return self._loop.run(self._client.generate(model, messages, **options))

    def list_models(self, **filters: Any) -> list[dict[str, Any]]:
        """See :meth:`GatewayClient.list_models`."""
        return self._loop.run(self._client.list_models(**filters))

    def get_stats(self) -> dict[str, Any]:
        """See :meth:`GatewayClient.get_stats`."""
        return self._loop.run(self._client.get_stats())

    def estimate_cost(self, model: str, messages: Messages, **options: Any) -> dict[str, Any]:
        """See :meth:`GatewayClient.estimate_cost`."""
        return self._loop.run(self._client.estimate_cost(model, messages, **options))


class BackgroundLoop:
    """An event loop in a daemon thread, for those who have none of their own. It ends with the program, if not before:
    a server that was started in it is told to end, rather than cut off."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway-client", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def run(self, work: Coroutine[Any, Any, Returned]) -> Returned:
        """Waits for the coroutine's result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def run_for(self, work: Coroutine[Any, Any, Returned]) -> Returned:
        """The same for one who has a loop, which goes on meanwhile; who gives up waiting ends the work."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def close(self) -> None:
        """Cancels what is left, and ends the thread."""
        atexit.unregister(self.close)
        with suppress(RuntimeError):
            self.run(_cancel_all())
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        if not self._loop.is_running():
            self._loop.close()


def _address(url: str | None) -> str | None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise InvalidRequest(
            f"the gateway's url is {url!r}; it begins with http:// or https://, as in http://127.0.0.1:8080/mcp",
            code="invalid_request",
            field="url",
        )
    return url


async def _made(url: str | None, options: Mapping[str, Any]) -> GatewayClient:
    return GatewayClient(url, **options)


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _given(messages: Messages) -> list[dict[str, Any]]:
    return [{"role": "user", "content": messages}] if isinstance(messages, str) else [dict(each) for each in messages]


def _text(result: Any) -> str:
    return " ".join(str(getattr(block, "text", "")) for block in result.content) or "the tool failed"
