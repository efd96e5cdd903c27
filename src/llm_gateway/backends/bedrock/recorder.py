"""A proxy that asks real Bedrock and keeps every exchange in a file, scrubbed, for ``sandbox --replay``.

The caller signs with anything; the request is signed again with our own credentials. Prompts and answers are stored
as they are: that is the point of a recording, so record nothing that may not be shared.
"""

import asyncio
import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

import aiohttp
import orjson
from aiohttp import web

from llm_gateway.backends.bedrock import scrub
from llm_gateway.backends.bedrock.credentials import Access, AccessKeeper, AccessWish, NoAccess, host_header
from llm_gateway.backends.bedrock.event_stream import FrameSplitter
from llm_gateway.backends.bedrock.timeouts import Timeouts
from llm_gateway.backends.bedrock.wire import READ_FAULTS, ConnectTimeout, NoConnection, Wire, headers_of

KINDS = {
    "converse": "converse",
    "converse-stream": "converse-stream",
    "invoke": "invoke",
    "invoke-with-response-stream": "invoke-stream",
    "count-tokens": "count-tokens",
}
"""Operation in the path to the ``kind`` of the stored exchange."""

_PATH = re.compile(r"/model/([^/?]+)/([a-z-]+)")
_LARGEST_REQUEST_BYTES = 64 * 1024 * 1024
_EVENT_STREAM = "application/vnd.amazon.eventstream"
_FORWARDED = ("accept", "x-amzn-bedrock-")


@dataclass(slots=True)
class _Taken:
    """One exchange while it goes through."""

    model_id: str
    operation: str
    path: str
    host: str
    request_headers: dict[str, str]
    request_body: bytes
    status: int = 0
    response_headers: dict[str, str] = field(default_factory=dict[str, str])
    chunks: list[bytes] = field(default_factory=list[bytes])
    is_whole: bool = False


class Recorder:
    """Records from ``async with`` until its end. ``told`` hears of every stored file."""

    def __init__(
        self,
        folder: Path,
        wish: AccessWish,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        timeouts: Timeouts | None = None,
        told: Callable[[Path], None] = lambda _path: None,
    ) -> None:
        self._folder = folder
        self._keeper = AccessKeeper(wish)
        self._host, self._port = host, port
        self._timeouts = timeouts or Timeouts()
        self._told = told
        self._wire: Wire | None = None
        self._runner: web.AppRunner | None = None
        self._number = 0

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://{self._host}:{self._port}"

    async def __aenter__(self) -> Self:
        """Raises NoAccess without credentials, OSError for a port that is taken or a folder that cannot be made."""
        access = await self._keeper.access()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._number = _highest_number(self._folder)
        self._wire = Wire(connect_s=self._timeouts.connect_s, max_connections=0)
        app = web.Application(client_max_size=_LARGEST_REQUEST_BYTES)
        app.router.add_route("POST", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        try:
            await self._runner.setup()
            site = web.TCPSite(self._runner, self._host, self._port)
            await site.start()
            self._port = self._runner.addresses[0][1]
            if access.endpoint == self.url:
                raise NoAccess("AWS_ENDPOINT_URL_BEDROCK_RUNTIME is this recorder's own address; unset it here")
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._wire is not None:
            await self._wire.aclose()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        found = _PATH.fullmatch(request.raw_path)
        if found is None or found[2] not in KINDS:
            return _refusal(404, "UnknownOperationException", "the recorder takes POST /model/{id}/{operation} only")
        body = await request.read()
        try:
            access = await self._keeper.access()
            taken = _Taken(
                model_id=unquote(found[1]),
                operation=found[2],
                path=request.raw_path,
                host=_public_host(access),
                request_headers=scrub.request_headers(request.headers),
                request_body=body,
            )
            response = await self._asked(access, taken)
        except NoAccess as fault:
            return _refusal(403, "UnrecognizedClientException", str(fault))
        except (NoConnection, ConnectTimeout, TimeoutError):
            return _refusal(503, "ServiceUnavailableException", "the recorder cannot reach Bedrock")
        try:
            return await self._passed_on(request, response, taken)
        finally:
            response.close()
            await self._store(taken)

    async def _asked(self, access: Access, taken: _Taken) -> aiohttp.ClientResponse:
        wire = self._wire
        if wire is None:
            raise NoConnection
        more = {name: value for name, value in taken.request_headers.items() if name.startswith(_FORWARDED)}
        async with asyncio.timeout(self._timeouts.total_s):
            return await wire.post(access, taken.model_id, taken.operation, taken.request_body, more)

    async def _passed_on(
        self, request: web.Request, response: aiohttp.ClientResponse, taken: _Taken
    ) -> web.StreamResponse:
        """Every chunk to the caller as it comes, and into the recording."""
        taken.status, taken.response_headers = response.status, scrub.response_headers(headers_of(response))
        passed = {
            name: value
            for name, value in taken.response_headers.items()
            if name not in ("content-length", "transfer-encoding", "date")
        }
        answer = web.StreamResponse(status=response.status, headers=passed)
        try:
            async with asyncio.timeout(self._timeouts.total_s):
                await answer.prepare(request)
                while chunk := await response.content.readany():
                    taken.chunks.append(chunk)
                    await answer.write(chunk)
                await answer.write_eof()
                taken.is_whole = True
        except (TimeoutError, *READ_FAULTS):
            if request.transport is not None:
                request.transport.abort()  # the caller's answer breaks off as ours did
        return answer

    async def _store(self, taken: _Taken) -> None:
        self._number += 1
        slug = re.sub(r"[^a-z0-9.]+", "-", taken.model_id.lower().rpartition("/")[2])[:80]
        path = self._folder / f"{self._number:04d}-{taken.operation}-{slug}.json"
        await asyncio.to_thread(_write, path, taken)
        self._told(path)


def _write(path: Path, taken: _Taken) -> None:
    draft = path.with_suffix(".part")
    draft.write_bytes(orjson.dumps(exchange_of(path.stem, taken), option=orjson.OPT_INDENT_2))
    draft.replace(path)


def exchange_of(name: str, taken: _Taken) -> dict[str, object]:
    """What is stored, in the form that ``sandbox --replay`` reads."""
    body = b"".join(taken.chunks)
    accounts = scrub.accounts_in(taken.path.encode(), taken.request_body, body)

    def clean(text: str) -> str:
        return scrub.scrub_text(text.encode(), accounts).decode()

    is_stream = _EVENT_STREAM in taken.response_headers.get("content-type", "")
    stored: dict[str, object] = {"status": taken.status, "headers": taken.response_headers}
    if is_stream:
        stored["body_base64"] = base64.b64encode(scrub.scrub_frames(body, accounts)).decode()
    else:
        stored |= _stored_body(scrub.scrub_text(body, accounts))
    is_complete = taken.is_whole and not (is_stream and _is_cut(body))
    return {
        "id": name,
        "kind": KINDS[taken.operation],
        "model_id": clean(taken.model_id),
        "complete": is_complete,
        "warnings": [] if is_complete else ["the answer broke off, or the caller left before its end"],
        "provenance": "recorded",
        "request": {
            "method": "POST",
            "host": taken.host,
            "path": clean(taken.path),
            "headers": taken.request_headers,
            **_stored_body(scrub.scrub_text(taken.request_body, accounts)),
        },
        "response": stored,
    }


def _stored_body(body: bytes) -> dict[str, object]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}
    try:
        return {"body": orjson.loads(body), "body_raw": text}
    except orjson.JSONDecodeError:
        return {"body_raw": text}


def _is_cut(body: bytes) -> bool:
    splitter = FrameSplitter()
    splitter.feed(body)
    return bool(splitter.fault or splitter.pending_bytes)


def _public_host(access: Access) -> str:
    host = host_header(access.endpoint)
    is_aws = (urlsplit(access.endpoint).hostname or "").endswith((".amazonaws.com", ".api.aws"))
    return host if is_aws else f"bedrock-runtime.{access.region}.amazonaws.com"


def _refusal(status: int, kind: str, message: str) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps({"message": f"llm-gateway record: {message}"}),
        headers={"content-type": "application/json", "x-amzn-errortype": kind},
    )


def _highest_number(folder: Path) -> int:
    numbers = [int(path.name[:4]) for path in folder.glob("[0-9][0-9][0-9][0-9]-*.json")]
    return max(numbers, default=0)
