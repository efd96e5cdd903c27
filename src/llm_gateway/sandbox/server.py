"""The sandbox itself: a Bedrock endpoint on your own machine. It is no model: every answer is made up.

Law: one event loop, no threads, and nothing that outlives its request.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
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
from llm_gateway.sandbox.models import ModelId
from llm_gateway.sandbox.plays import Play, refusal_play
from llm_gateway.sandbox.quota import Figures, Limits, Quotas, Ticket
from llm_gateway.sandbox.refusals import Refused
from llm_gateway.sandbox.runtime import Runtime
from llm_gateway.sandbox.script import Script, ScriptPlayer
from llm_gateway.sandbox.stage import Stage
from llm_gateway.sandbox.sts import OWN_ACCOUNT, RoleRecord, Sts
from llm_gateway.sandbox.wire_json import Json

_LARGEST_BODY = 64 * 1024 * 1024
_BACKLOG = 4096
_STOP_WITHIN_S = 0.1


class Sandbox:
    """Serves from `async with` until its end.

    `replay` is a folder of recorded exchanges, which then are the only answers; `latency_ms` is waited before every
    answer, `delta_delay_ms` between the events of a stream; another `seed` gives other words. `external_id` is what
    AssumeRole must bring. `tpm`, `rpm`, `burst_s` and `throttle_share` are the quota of each model; see quota.py.
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
        tpm: float | None = None,
        rpm: float | None = None,
        burst_s: float = 60.0,
        throttle_share: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ValueError when `replay` holds no recordings, and for limits that cannot be."""
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
        self._clock = clock
        self._quotas = Quotas(
            Limits(tpm=tpm, rpm=rpm, burst_s=burst_s, throttle_share=throttle_share, seed=seed), clock
        )
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

    @property
    def quota(self) -> list[Figures]:
        """What each model was asked at each place since the limits were set."""
        return self._quotas.figures()

    def quota_json(self) -> Json:
        """The limits and the figures."""
        return self._quotas.as_json()

    def set_quota(self, limits: Limits) -> None:
        """Other limits; all buckets are full, all figures 0."""
        self._quotas = Quotas(limits, self._clock)

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
        """Forgets the log, the script and the prompt cache, fills all buckets and begins the recordings anew."""
        self._log.clear()
        self._sts.log.clear()
        self.set_quota(self._quotas.limits)
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
        tickets: list[Ticket] = []
        try:
            play = await self._play(request, number, Asked(operation, model_id, {}), tickets)
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
        finally:
            for ticket in tickets:
                ticket.end()
                self._log.note(number, burned_tokens=ticket.burned_tokens)
        self._log.close(number)
        return response

    async def _play(self, request: web.Request, number: int, asked: Asked, tickets: list[Ticket]) -> Play:
        """Raises what aiohttp raises; `tickets` takes what must be given back to the quota in the end."""
        raw = await request.read()
        try:
            check_credential(request.headers.get("authorization"))
            role = self._role(request)
            if role is not None:
                self._log.note(number, role=role.session_arn, tags=role.tags)
            asked = replace(asked, body=read_body(raw))
            self._log.note(number, body=asked.body)
            chosen, scripted = self._runtime.cue(asked)
            if chosen is not None:
                self._log.note(number, fault=chosen.fault.name)
            region = region_of(request.headers.get("authorization")) or "us-east-1"

            def admit(model: ModelId) -> Callable[[Json], None]:
                ticket = self._quotas.admit(
                    asked,
                    model,
                    account=OWN_ACCOUNT if role is None else role.account,
                    region=region,
                    cached_tokens=lambda: self._runtime.cached_tokens(asked, model),
                )
                if ticket is None:
                    return lambda _: None
                tickets.append(ticket)
                return ticket.spend

            return await self._runtime.play(asked, chosen, scripted, admit)
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
