"""The sandbox itself: a Bedrock endpoint on your own machine. It is no model: every answer is made up.

Law: one event loop, no threads, and nothing that outlives its request.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from aiohttp import web

from llm_gateway.sandbox import pages
from llm_gateway.sandbox import replay as recordings
from llm_gateway.sandbox.answers import Composer
from llm_gateway.sandbox.asked import Asked, check_credential, credential_of, read_body, read_path, region_of
from llm_gateway.sandbox.log import ABORTED_BY_CLIENT, COMPLETED, STOPPED, RequestLog, RequestRecord
from llm_gateway.sandbox.plays import Play, refusal_play
from llm_gateway.sandbox.refusals import Refused
from llm_gateway.sandbox.runtime import Runtime
from llm_gateway.sandbox.script import Script, ScriptPlayer
from llm_gateway.sandbox.stage import Stage
from llm_gateway.sandbox.sts import RoleRecord, Sts

_LARGEST_BODY = 64 * 1024 * 1024
_BACKLOG = 4096
_STOP_WITHIN_S = 0.1


class Sandbox:
    """Serves from `async with` until its end.

    `replay` is a folder of recorded exchanges, which then are the only answers; `latency_ms` is waited before every
    answer, `delta_delay_ms` between the events of a stream; another `seed` gives other words. `external_id` is what
    AssumeRole must bring.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        replay: Path | None = None,
        script: Script | None = None,
        seed: int = 0,
        latency_ms: float = 0,
        delta_delay_ms: float = 0,
        log_size: int = 10_000,
        external_id: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ValueError when `replay` holds no recordings."""
        self._host, self._port = host, port
        self._runtime = Runtime(
            Composer(seed),
            ScriptPlayer(script or Script()),
            recordings.load(replay) if replay is not None else None,
            latency_ms / 1000,
            delta_delay_ms / 1000,
            clock,
        )
        self._log = RequestLog(log_size)
        self._sts = Sts(external_id)
        self._stopping = False
        self._runner: web.AppRunner | None = None

    # ------------------------------------------------------------------------------------------------- for its owner
    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def log(self) -> list[RequestRecord]:
        """Every call of the runtime, in the order of arrival; the sandbox's own pages are not in it."""
        return self._log.records

    @property
    def roles(self) -> list[RoleRecord]:
        """Every AssumeRole, granted or not, in the order of arrival."""
        return list(self._sts.log)

    def end_sessions(self) -> None:
        """All credentials of assumed roles end now."""
        self._sts.end_sessions()

    @property
    def open_now(self) -> int:
        """How many calls have not ended yet."""
        return self._log.open_now

    def requests_to(self, model_id: str) -> list[RequestRecord]:
        return [record for record in self._log.records if record.model_id == model_id]

    def set_script(self, script: Script | None) -> None:
        """Begins this script; None ends the one that runs."""
        self._runtime.player = ScriptPlayer(script or Script())

    def reset(self) -> None:
        """Forgets the log, the script and the prompt cache, and begins the recordings anew."""
        self._log.clear()
        self._sts.log.clear()
        self.set_script(None)
        self._runtime.composer.prompt_cache.clear()
        if self._runtime.recordings is not None:
            self._runtime.recordings.rewind()

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
        app.router.add_route("*", "/{rest:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_STOP_WITHIN_S)
        await self._runner.setup()
        self._stopping = False
        try:
            await web.TCPSite(self._runner, self._host, self._port, backlog=_BACKLOG).start()
        except OSError:
            await self.stop()
            raise
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Ends what is open and closes the door, in less than a second."""
        self._stopping = True
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # ----------------------------------------------------------------------------------------------- for its callers
    async def _answer(self, request: web.Request) -> web.StreamResponse:
        request_id = str(uuid4())
        path = read_path(request.raw_path)
        if path is None or request.method != "POST":
            play = await self._page(request)
            return await Stage(request, {"x-amzn-requestid": request_id}, lambda _: None).perform(play)
        operation, model_id = path
        number = self._log.open(
            operation=operation,
            model_id=model_id,
            credential=credential_of(request.headers.get("authorization")),
            request_id=request_id,
            region=region_of(request.headers.get("authorization")),
        )
        try:
            play = await self._play(request, number, operation, model_id)
            self._log.note(number, request_id=play.headers.get("x-amzn-requestid"))
            stage = Stage(
                request, {"x-amzn-requestid": request_id}, lambda status: self._log.note(number, status=status)
            )
            response = await stage.perform(play)
        except (asyncio.CancelledError, ConnectionError):
            self._log.note(number, outcome=STOPPED if self._stopping else ABORTED_BY_CLIENT)
            raise
        except web.HTTPException as refused:
            self._log.note(number, status=refused.status, outcome=COMPLETED)
            raise
        self._log.close(number)
        return response

    async def _play(self, request: web.Request, number: int, operation: str, model_id: str) -> Play:
        raw = await request.read()
        try:
            check_credential(request.headers.get("authorization"))
            role = self._role(request)
            if role is not None:
                self._log.note(number, role=role.session_arn, tags=role.tags)
            asked = Asked(operation, model_id, read_body(raw))
            self._log.note(number, body=asked.body)
            chosen, scripted = self._runtime.cue(asked)
            if chosen is not None:
                self._log.note(number, fault=chosen.fault.name)
            return await self._runtime.play(asked, chosen, scripted)
        except Refused as refused:
            return refusal_play(refused.refusal)

    def _role(self, request: web.Request) -> RoleRecord | None:
        """Whose temporary credentials these are. Raises Refused."""
        token = request.headers.get("x-amz-security-token")
        return self._sts.session(credential_of(request.headers.get("authorization")), token)

    async def _page(self, request: web.Request) -> Play:
        if request.method == "POST" and request.raw_path.partition("?")[0] == "/":
            return self._sts.answer(
                (await request.read()).decode("utf-8", "replace"), request.headers.get("authorization")
            )
        if pages.is_control_plane(request.raw_path):
            try:
                check_credential(request.headers.get("authorization"))
            except Refused as refused:
                return refusal_play(refused.refusal)
        return pages.page(request.method, request.raw_path, await request.read(), self)
