"""Logs to stderr (stdout belongs to MCP): one event for each request, its stations at DEBUG.

Human-readable on a terminal, one JSON object a line otherwise. No prompt, answer or secret is written unless
``log_prompts`` is on; then prompts and answers are, never secrets.
"""

import json
import logging
import os
import select
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TextIO, cast

import orjson
import structlog

from llm_gateway.domain.content import text_of
from llm_gateway.telemetry.contract import PaidAttempt, RequestRecord

LogFormat = Literal["auto", "console", "json"]
LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
_PATIENCE_MS = 100  # for a reader that is only slow


def _to_json(event: dict[str, Any], **_: object) -> str:
    try:
        return orjson.dumps(event, default=str).decode()
    except orjson.JSONEncodeError:  # half a surrogate pair, or a number beyond 64 bits: the slow writer takes all
        return json.dumps(event, default=str, separators=(",", ":"))


def configure_logs(*, level: str, log_format: LogFormat = "auto", stream: TextIO | None = None) -> None:
    """Sets up structlog for the process and sends the libraries' warnings the same way.

    A line that cannot be written (the disk is full, its reader went away, stderr was closed) is lost; nothing else is.
    """
    out = _LossyLines(stream or sys.stderr or Path(os.devnull).open("w"))  # noqa: SIM115 - for the life of the process
    human = log_format == "console" or (log_format == "auto" and out.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if human else structlog.processors.JSONRenderer(serializer=_to_json)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, out)),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_LibraryHandler()]
    root.setLevel(max(LEVELS[level], logging.WARNING))


class _LossyLines:
    """A text stream whose faults stay here: no request may fail, or wait, because its log line cannot be written.

    Where nobody reads a pipe it is full after 64 KB, and a write would hold up the event loop for ever. Once a line has
    waited in vain, those that find no room are lost until there is some; then a line tells how many.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._room = _room_of(out)
        self._lost = 0
        self.isatty = out.isatty

    def write(self, text: str) -> None:
        if self._room is not None and not self._room.poll(0 if self._lost else _PATIENCE_MS):
            self._lost += 1
            return
        if self._lost:
            text, self._lost = f'{{"event":"log_lines_lost","level":"warning","count":{self._lost}}}\n{text}', 0
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            self._out.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._out.flush()


def _room_of(out: TextIO) -> "select.poll | None":
    """Tells whether a line of up to 4 KB can be written at once; ``None`` where that cannot be known."""
    try:
        room = select.poll()
        room.register(out.fileno(), select.POLLOUT)
    except (AttributeError, OSError, ValueError):  # Windows has no poll; a stream in memory has no number
        return None
    return room


class _LibraryHandler(logging.Handler):
    """Passes what libraries log to structlog: event and logger's name, with the trace when there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        write = log.error if record.levelno >= logging.ERROR else log.warning
        write(record.getMessage(), logger=record.name, exc_info=record.exc_info)


class RequestLog:
    """Writes one event for each request."""

    def __init__(self, *, log_prompts: bool = False) -> None:
        self._log = cast(structlog.typing.FilteringBoundLogger, structlog.get_logger())
        self._log_prompts = log_prompts

    def step(self, request_id: str, event: str, **facts: object) -> None:
        """A station, at DEBUG."""
        self._log.debug(event, request_id=request_id, **facts)

    def attempt_paid(self, attempt: PaidAttempt) -> None:
        """At DEBUG; an attempt that broke or was abandoned at INFO, since nobody else would tell what it cost."""
        write = self._log.debug if attempt.outcome == "ok" else self._log.info
        write(
            "attempt_paid",
            request_id=attempt.request_id,
            model_id=attempt.model_id,
            outcome=attempt.outcome,
            total_tokens=attempt.usage.total_tokens,
            estimated=attempt.usage.estimated,
            cost_usd=None if attempt.cost_nano_usd is None else attempt.cost_nano_usd / 1e9,
        )

    def request_ended(self, record: RequestRecord) -> None:
        """The event ``request``: at INFO, or WARNING when it failed."""
        facts: dict[str, object] = {
            "request_id": record.request_id,
            "outcome": record.outcome,
            "model": record.model or (record.request.model[:200] if record.request else None),
            "model_id": record.model_id,
            "cached": record.cached,
            "latency_ms": round(record.latency_ms, 2),
        }
        if record.completion is not None:
            usage = record.completion.usage
            facts["input_tokens"] = usage.input_tokens
            facts["output_tokens"] = usage.output_tokens
            facts["total_tokens"] = usage.total_tokens
            facts["cost_usd"] = None if record.cost_nano_usd is None else record.cost_nano_usd / 1e9
            facts["upstream_request_id"] = record.completion.upstream_request_id
        if self._log_prompts and record.request is not None:
            turns = [(message.role, text_of(message.content)) for message in record.request.messages]
            system = text_of(record.request.system)
            facts["prompt"] = [("system", system), *turns] if system else turns
            facts["answer"] = text_of(record.completion.blocks) if record.completion else None
        write = self._log.info if record.outcome == "ok" else self._log.warning
        write("request", **facts)
