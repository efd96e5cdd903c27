"""Logs to stderr (stdout belongs to MCP): one event for each request, its stations at DEBUG.

Human-readable on a terminal, one JSON object a line otherwise. No prompt, answer or secret is written unless
``log_prompts`` is on; then prompts and answers are, never secrets.
"""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, TextIO, cast

import orjson
import structlog

from llm_gateway.domain.content import text_of
from llm_gateway.domain.ways import is_plain, wordless
from llm_gateway.telemetry.contract import PaidAttempt, RequestRecord
from llm_gateway.telemetry.log_lines import LossyLines

LogFormat = Literal["auto", "console", "json"]
LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
_UTC_Z = orjson.OPT_UTC_Z
_setup: "_Setup | None" = None


class _Setup(NamedTuple):
    """What was configured: the least level, where lines go, and whether people read them."""

    level: int
    lines: LossyLines
    human: bool


def _to_json(event: dict[str, Any], **_: object) -> str:
    try:
        return orjson.dumps(event, default=str, option=_UTC_Z).decode()
    except orjson.JSONEncodeError:  # half a surrogate pair, or a number beyond 64 bits: the slow writer takes all
        return json.dumps(event, default=str, separators=(",", ":"))


def configure_logs(*, level: str, log_format: LogFormat = "auto", stream: TextIO | None = None) -> None:
    """Sets up structlog for the process and sends the libraries' warnings the same way.

    A line that cannot be written (the disk is full, its reader went away, stderr was closed) is lost; nothing else is.
    """
    global _setup
    out = LossyLines(stream or sys.stderr or Path(os.devnull).open("w"))  # noqa: SIM115 - for the life of the process
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
    _setup = _Setup(LEVELS[level], out, human)
    root = logging.getLogger()
    root.handlers[:] = [_LibraryHandler()]
    root.setLevel(max(LEVELS[level], logging.WARNING))


def flush_logs() -> None:
    """Writes what is still held; for an end that Python does not hear of."""
    if _setup is not None:
        _setup.lines.flush()


class _LibraryHandler(logging.Handler):
    """Passes what libraries log to structlog: event and logger's name, with the trace when there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        write = log.error if record.levelno >= logging.ERROR else log.warning
        write(record.getMessage(), logger=record.name, exc_info=record.exc_info)


class RequestLog:
    """Writes one event for each request. Made after :func:`configure_logs`."""

    def __init__(self, *, log_prompts: bool = False) -> None:
        self._log_prompts = log_prompts
        self._least = _setup.level if _setup else LEVELS["INFO"]
        self.wants_steps = self._least <= LEVELS["DEBUG"]
        self._lines = _setup.lines if _setup and not _setup.human else None

    def step(self, request_id: str, event: str, **facts: object) -> None:
        """A station, at DEBUG."""
        self._write("debug", event, {"request_id": request_id, **facts})

    def attempt_paid(self, attempt: PaidAttempt) -> None:
        """At DEBUG; an attempt that broke or was abandoned at INFO, since nobody else would tell what it cost."""
        if attempt.outcome == "ok" and not self.wants_steps:
            return
        facts: dict[str, object] = {
            "request_id": attempt.request_id,
            "model_id": attempt.model_id,
            "outcome": attempt.outcome,
            "total_tokens": attempt.usage.total_tokens,
            "estimated": attempt.usage.estimated,
            "cost_usd": None if attempt.cost_nano_usd is None else attempt.cost_nano_usd / 1e9,
        }
        self._write("debug" if attempt.outcome == "ok" else "info", "attempt_paid", facts)

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
        if record.way is not None and not is_plain(record.way):
            facts["route"] = wordless(record.way)
        if self._log_prompts and record.request is not None:
            turns = [(message.role, text_of(message.content)) for message in record.request.messages]
            system = text_of(record.request.system)
            facts["prompt"] = [("system", system), *turns] if system else turns
            facts["answer"] = text_of(record.completion.blocks) if record.completion else None
        self._write("info" if record.outcome == "ok" else "warning", "request", facts)

    def _write(self, level: str, event: str, facts: dict[str, object]) -> None:
        """As structlog would; for machines without its detours, which cost ten times the line."""
        if self._lines is None:
            getattr(structlog.get_logger(), level)(event, **facts)
        elif LEVELS[level.upper()] >= self._least:
            facts |= {"event": event, "level": level, "timestamp": datetime.now(UTC)}
            self._lines.write(_to_json(facts) + "\n")
