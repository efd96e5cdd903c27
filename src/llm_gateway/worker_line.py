"""A line between two processes of this machine: words that are told, and questions that are answered, as JSON.

Law: what is said arrives in its order. When the other side has gone every question that waits ends with
:class:`LineBroken`, and every answer in the making is cancelled.
"""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

Words = dict[str, Any]
Hear = Callable[[str, Words], Awaitable[Words] | None]
"""Hears a word with what belongs to it; gives what answers it, where it is a question."""
_MOST_BYTES = 16 * 1024 * 1024


class LineBroken(Exception):
    """The other side has gone."""


class WorkerLine:
    """One end of a connected pair of sockets. What is said before :meth:`listen` runs waits for it."""

    def __init__(self, end: socket.socket, hear: Hear = lambda word, more: None) -> None:
        self._end = end
        self.hear = hear
        self._writer: asyncio.StreamWriter | None = None
        self._unsent: list[bytes] = []
        self._questions: dict[int, asyncio.Future[Words]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._asked = 0
        self._is_broken = False

    def tell(self, word: str, **more: Any) -> None:
        """Says something that needs no answer; to nobody where the other side has gone."""
        self._send({"word": word, "more": more})

    async def ask(self, word: str, **more: Any) -> Words:
        """Says something, and waits for its answer.

        Raises:
            LineBroken: there will be none.
        """
        if self._is_broken:
            raise LineBroken
        self._asked += 1
        number = self._asked
        answer = self._questions[number] = asyncio.get_running_loop().create_future()
        self._send({"word": word, "more": more, "question": number})
        try:
            return await answer
        finally:
            del self._questions[number]

    async def listen(self) -> None:
        """Hears the other side until it has gone."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self._end, limit=_MOST_BYTES)
        self._writer.write(b"".join(self._unsent))
        self._unsent.clear()
        try:
            with suppress(ConnectionError, ValueError):
                async for line in reader:
                    self._take(json.loads(line))
        finally:
            self._break()

    def _take(self, said: Words) -> None:
        if "answer" in said:
            waiting = self._questions.get(said["answer"])
            if waiting is not None and not waiting.done():
                waiting.set_result(said["more"])
            return
        answer = self.hear(said["word"], said["more"])
        if answer is not None:
            task = asyncio.ensure_future(self._answer(said.get("question"), answer))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _answer(self, question: int | None, answer: Awaitable[Words]) -> None:
        more = await answer
        if question is not None:
            self._send({"answer": question, "more": more})

    def _send(self, said: Words) -> None:
        line = json.dumps(said, separators=(",", ":")).encode() + b"\n"
        if self._writer is None:
            self._unsent.append(line)
        elif not self._is_broken:
            self._writer.write(line)

    def _break(self) -> None:
        self._is_broken = True
        for task in self._answering:
            task.cancel()
        for waiting in self._questions.values():
            if not waiting.done():
                waiting.set_exception(LineBroken())
        if self._writer is not None:
            self._writer.close()
