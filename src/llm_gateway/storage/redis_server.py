"""One Redis (or Valkey) that replicas share: commands, scripts, and whether it answers at all. Knows no key's meaning.

Law: nobody waits for it longer than ``timeout_s``. After ``FAILURES`` in a row nobody asks it any more; a task beside
the requests tries, every two seconds at the most, whether it takes a write again.

Everything travels over one connection, and what is asked while an answer is awaited leaves together.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from hashlib import sha1
from typing import Any

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

FAILURES = 3
_TRY_FIRST_S, _TRY_LAST_S = 0.25, 2.0
_CONNECT_S = 1.0  # by the task beside the requests: nobody waits for that
_MOST_AT_ONCE = 256
_LATE_S = 0.02
Word = str | bytes | int | float
OnChange = Callable[[bool, str], None]


class RedisUnavailable(Exception):
    """It does not answer, or not in time, or takes no writes. What was asked may have been done all the same."""


class Script:
    """A text in Lua, run as one step. Sent whole only to a server that does not know it yet."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = sha1(text.encode(), usedforsecurity=False).hexdigest()


class _Asked:
    __slots__ = ("answer", "command")

    def __init__(self, command: Sequence[Word], answer: asyncio.Future[Any]) -> None:
        self.command = command
        self.answer = answer


class RedisServer:
    """The server at ``url``; connected when first asked. ``on_change`` hears whether it is there, and why not."""

    def __init__(self, url: str, *, timeout_s: float = 0.15, on_change: OnChange = lambda _, __: None) -> None:
        self._connect_s = max(timeout_s, _CONNECT_S)
        self._pool = ConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType] - of any further arguments
            url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=self._connect_s,  # ours is shorter; a read without any would hang for ever
            socket_connect_timeout=self._connect_s,
        )
        self._timeout_s = timeout_s
        self._on_change = on_change
        self._connection: AbstractConnection | None = None
        self._waiting: list[_Asked] = []
        self._sending: asyncio.Task[None] | None = None
        self._trying: asyncio.Task[None] | None = None
        self._failures = 0
        self._probe = f"llm-gateway:probe:{secrets.token_hex(8)}"

    @property
    def is_up(self) -> bool:
        """Whether it is asked at all."""
        return self._trying is None or self._failures < FAILURES

    def start(self) -> None:
        """Connects, beside whatever else starts."""
        if self._sending is None and self._trying is None:
            self._trying = asyncio.get_running_loop().create_task(self._until_it_is_back(0.0, is_known_down=False))

    async def ask(self, *command: Word) -> Any:
        """One command.

        Raises:
            RedisUnavailable: there is no answer now.
        """
        if not self.is_up:
            raise RedisUnavailable("Redis does not answer")
        asked = _Asked(command, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send_all())
        answer = await asked.answer
        if isinstance(answer, ResponseError):
            raise answer
        return answer

    async def run(self, script: Script, keys: Sequence[str], *arguments: Word) -> Any:
        """One script over its keys.

        Raises:
            RedisUnavailable: there is no answer now.
        """
        given = (len(keys), *keys, *arguments)
        try:
            try:
                return await self.ask("EVALSHA", script.digest, *given)
            except NoScriptError:
                return await self.ask("EVAL", script.text, *given)
        except ResponseError as refused:  # out of memory, a replica that only reads, an account without the right
            self._count_failure(refused, 1)
            raise RedisUnavailable(_words(refused)) from refused

    async def aclose(self) -> None:
        """Hangs up."""
        for task in (self._trying, self._sending):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        for asked in self._waiting:
            asked.answer.cancel()
        await _hang_up(self._connection)

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
                try:
                    answers = await self._in_time(self._exchange([asked.command for asked in batch]))
                except Exception as failed:  # noqa: BLE001 - it is handed to whoever asked
                    batch, self._waiting = batch + self._waiting, []  # these would only wait as long again
                    connection, self._connection = self._connection, None
                    await _hang_up(connection)
                    self._count_failure(failed, len(batch))
                    answers = [RedisUnavailable(_words(failed))] * len(batch)
                else:
                    if not any([isinstance(answer, ResponseError) for answer in answers]):
                        self._failures = 0
                for asked, answer in zip(batch, answers, strict=True):
                    _give(asked.answer, answer)
        finally:
            self._sending = None

    async def _in_time(self, exchange: Coroutine[Any, Any, list[Any]]) -> list[Any]:
        loop = asyncio.get_running_loop()
        task = loop.create_task(exchange)
        try:
            until = loop.time() + self._timeout_s
            await asyncio.wait([task], timeout=self._timeout_s)
            if not task.done() and loop.time() > until + _LATE_S:  # this process was late, not the server
                await asyncio.wait([task], timeout=self._timeout_s)
            if not task.done():
                raise TimeoutError(f"no answer within {self._timeout_s} s")
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])

    async def _exchange(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        if self._connection is None:
            self._connection = self._pool.make_connection()
        await self._connection.connect()  # does nothing where it is
        return await _exchanged(self._connection, commands)

    def _count_failure(self, failed: Exception, number: int) -> None:
        self._failures += number
        if self._failures >= FAILURES and self._trying is None:
            self._on_change(False, _words(failed))
            self._trying = asyncio.get_running_loop().create_task(self._until_it_is_back(_TRY_FIRST_S))

    async def _until_it_is_back(self, after_s: float, *, is_known_down: bool = True) -> None:
        while True:
            await asyncio.sleep(after_s)
            connection = self._pool.make_connection()
            try:
                async with asyncio.timeout(self._connect_s):
                    await connection.connect()
                answer = (await self._in_time(_exchanged(connection, [("SET", self._probe, "1", "PX", "1000")])))[0]
                if isinstance(answer, ResponseError):
                    raise answer
            except (RedisError, OSError, TimeoutError) as failed:
                await _hang_up(connection)
                if not is_known_down:
                    is_known_down, self._failures = True, FAILURES
                    self._on_change(False, _words(failed))
                after_s = min(_TRY_LAST_S, max(_TRY_FIRST_S, after_s * 2))
            else:
                if self._connection is None:
                    self._connection = connection
                else:
                    await _hang_up(connection)
                self._failures, self._trying = 0, None
                if is_known_down:
                    self._on_change(True, "")
                return


async def _exchanged(connection: AbstractConnection, commands: Sequence[Sequence[Word]]) -> list[Any]:
    await connection.send_packed_command(connection.pack_commands(commands))
    answers: list[Any] = []
    for _ in commands:
        try:
            answers.append(await connection.read_response(disable_decoding=True))
        except ResponseError as refused:
            answers.append(refused)
    return answers


async def _hang_up(connection: AbstractConnection | None) -> None:
    if connection is not None:
        with suppress(RedisError, OSError, TimeoutError):
            await connection.disconnect(nowait=True)


def _give(waiting: asyncio.Future[Any], answer: Any) -> None:
    if waiting.done():  # whoever asked has left
        return
    if isinstance(answer, RedisUnavailable):
        waiting.set_exception(answer)
    else:
        waiting.set_result(answer)


def _words(failed: Exception) -> str:
    return f"{type(failed).__name__}: {failed}"[:200]
