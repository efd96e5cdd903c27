"""The sandbox itself: a Bedrock runtime endpoint on your own machine. It is no model: every answer is made up.

Law: one event loop, no threads, and nothing that outlives its request.
"""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self
from uuid import uuid4

from aiohttp import web

from llm_gateway.sandbox import plays
from llm_gateway.sandbox.answers import Composer
from llm_gateway.sandbox.asked import Asked, check_credential, credential_of, read_body, read_path
from llm_gateway.sandbox.events import events_of
from llm_gateway.sandbox.frames import event_frame
from llm_gateway.sandbox.log import COMPLETED, RequestLog, RequestRecord
from llm_gateway.sandbox.models import read_model_id
from llm_gateway.sandbox.refusals import Refused
from llm_gateway.sandbox.stage import perform
from llm_gateway.sandbox.tokens import request_tokens
from llm_gateway.sandbox.wire_json import as_object, dump

_LARGEST_BODY = 64 * 1024 * 1024
_BACKLOG = 4096
_STOP_WITHIN_S = 0.1


class Sandbox:
    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        seed: int = 0,
        latency_ms: float = 0,
        delta_delay_ms: float = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host, self._port = host, port
        self._latency_s, self._delta_delay_s = latency_ms / 1000, delta_delay_ms / 1000
        self._clock = clock
        self._composer = Composer(seed)
        self._log = RequestLog()
        self._stopping = False
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def log(self) -> list[RequestRecord]:
        return self._log.records

    def requests_to(self, model_id: str) -> list[RequestRecord]:
        return [record for record in self._log.records if record.model_id == model_id]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Raises OSError when the address is taken."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{rest:.*}", self._handle)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=_STOP_WITHIN_S, auto_decompress=True
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, backlog=_BACKLOG)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Ends what is open and closes the door, in less than a second."""
        self._stopping = True
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        request_id = str(uuid4())
        path = read_path(request.raw_path)
        if path is None:
            return web.json_response({"message": "Not Found"}, status=404)
        operation, model_id = path
        started = self._clock()
        try:
            raw = await request.read()
            try:
                check_credential(request.headers.get("authorization"))
                body = read_body(raw)
                number = self._log.open(
                    operation=operation,
                    model_id=model_id,
                    body=body,
                    credential=credential_of(request.headers.get("authorization")),
                    request_id=request_id,
                )
                play = await self._play(Asked(operation, model_id, body), started)
            except Refused as refused:
                number = self._log.open(
                    operation=operation, model_id=model_id, body=None, credential=None, request_id=request_id
                )
                play = plays.refusal_play(refused.refusal)
            response = await perform(
                play, request, {"x-amzn-requestid": request_id}, lambda status: self._log.note(number, status=status)
            )
        except (asyncio.CancelledError, ConnectionError):
            raise
        self._log.note(number, outcome=COMPLETED)
        return response

    async def _play(self, asked: Asked, started: float) -> plays.Play:
        model = read_model_id(asked.model_id)
        if asked.operation == "CountTokens":
            counted = as_object(as_object(asked.body.get("input")).get("converse"))
            return plays.whole(dump({"inputTokens": request_tokens(counted)}))
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        answer = self._composer.compose(asked, model, int((self._clock() - started) * 1000))
        if asked.operation == "Converse":
            return plays.whole(dump(answer))
        frames = [event_frame(kind, payload) for kind, payload in events_of(answer)]
        if not self._delta_delay_s:
            return plays.stream((plays.Send(b"".join(frames)),))
        steps: list[plays.Step] = []
        for frame in frames:
            steps += (plays.Send(frame), plays.Wait(self._delta_delay_s))
        return plays.stream(steps)
