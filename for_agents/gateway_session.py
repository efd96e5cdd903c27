"""One MCP session in a task of its own, what its end means, and how a server is started here."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from mcp import Client, MCPError
from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT

try:
    from for_agents.gateway_answers import GatewayError, GatewayUnavailable, as_error
except ImportError:  # used from inside the folder
    from gateway_answers import GatewayError, GatewayUnavailable, as_error  # type: ignore[no-redef]

_START_S = 60.0


class Lost(Exception):
    """The session is of no use any more."""


class Session:
    """One MCP session, in a task of its own: what is opened in a task has to be closed in it."""

    def __init__(self, transport: Callable[[AsyncExitStack], Awaitable[Any]], where: str) -> None:
        """``where``: what stands in errors as the gateway's place, a url or a command."""
        self._transport = transport
        self._where = where
        self._ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._ends = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.is_lost = False
        self.heard_at = time.monotonic()

    async def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._live())
        try:
            async with asyncio.timeout(_START_S):
                await asyncio.shield(self._ready)
        except TimeoutError:
            await self.aclose()
            raise unavailable(f"{self._where} did not answer within {_START_S:.0f} s") from None

    async def call(self, name: str, arguments: dict[str, Any], timeout_s: float, progress: Any) -> Any:
        client, task = self._ready.result(), self._task
        if task is None or task.done():
            self.is_lost = True
            raise Lost("the session has ended")
        asking = asyncio.ensure_future(
            client.call_tool(name, arguments, read_timeout_seconds=timeout_s, progress_callback=progress)
        )
        try:
            await asyncio.wait({asking, task}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                self.is_lost = True
                raise Lost("the session ended")
            result = asking.result()
            self.heard_at = time.monotonic()
            return result
        except MCPError as refused:
            if _is_loss(refused):
                self.is_lost = True
                raise Lost(str(refused)) from refused
            raise _as_protocol_error(refused) from refused
        except (OSError, RuntimeError, EOFError, TimeoutError) as broken:
            self.is_lost = True
            raise Lost(type(broken).__name__) from broken
        finally:
            if not asking.done():
                asking.cancel()
                await asyncio.wait({asking})

    async def aclose(self) -> None:
        self.is_lost = True
        self._ends.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=20)
            self._task.cancel()

    async def _live(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(Client(await self._transport(stack)))
                self._ready.set_result(client)
                await self._ends.wait()
        except BaseException as ended:  # told to whoever waits for the start; later calls see that the task has ended
            if not self._ready.done():
                self._ready.set_exception(_why_not(ended, self._where))
                self._ready.exception()
            if isinstance(ended, asyncio.CancelledError):
                raise
        finally:
            self.is_lost = True


def server_command(*words: str) -> tuple[str, ...]:
    """``llm-gateway WORDS``, as it is installed here: beside this Python, or on the PATH.

    Raises:
        GatewayUnavailable: it is not installed.
    """
    beside = Path(sys.executable).with_name("llm-gateway")
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("llm-gateway")
    if found is None:
        raise unavailable(
            "the command llm-gateway was not found; install the gateway, name it with command=[…], or give the url of "
            "one that runs (LLM_GATEWAY_URL)"
        )
    return (found, *words)


def unavailable(message: str) -> GatewayUnavailable:
    return GatewayUnavailable(message, code="gateway_unavailable", retryable=True)


def _why_not(ended: BaseException, where: str) -> GatewayError:
    """Why a session did not come about, in words."""
    innermost = ended
    while isinstance(innermost, BaseExceptionGroup):
        innermost = innermost.exceptions[0]
    if isinstance(innermost, GatewayError):
        return innermost
    said = str(innermost) or type(innermost).__name__
    if isinstance(innermost, FileNotFoundError | PermissionError):
        return unavailable(f"the server's command cannot be run: {said}; command=[…] names another")
    if "://" not in where.partition(" ")[0]:
        return unavailable(
            f"the server that was started ended, or speaks no MCP ({said}); what it says is on stderr, "
            f"and comes again when you run it yourself: {where}"
        )
    return unavailable(
        f"no gateway answers at {where} ({said}); does one run there (llm-gateway serve --transport http), "
        "and is the url right, …/mcp or …/sse?"
    )


def _is_loss(refused: MCPError) -> bool:
    return refused.error.code == CONNECTION_CLOSED or refused.error.message == "Session terminated"


def _as_protocol_error(refused: MCPError) -> GatewayError:
    if refused.error.code == REQUEST_TIMEOUT:
        return unavailable("no answer came in time (timeout_s); the call may still be paid")
    return as_error({"code": "invalid_request", "message": refused.error.message})
