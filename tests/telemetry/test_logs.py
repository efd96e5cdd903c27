"""What is written to the log, and what never is."""

import errno
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import pytest
import structlog

from houses import ask, build_gateway, furnish
from llm_gateway.backends.scripted import Scripted, ScriptedBackend
from llm_gateway.caching.memory_cache import MemoryCache
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.content import Text
from llm_gateway.domain.errors import BackendTimeout, InvalidRequest
from llm_gateway.gateway import Gateway
from llm_gateway.telemetry.logs import LogFormat, RequestLog, configure_logs, flush_logs


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def logged_gateway(
    *answers: Scripted,
    level: str = "INFO",
    log_format: LogFormat = "json",
    log_prompts: bool = False,
    stream: TextIO | None = None,
) -> tuple[Gateway, io.StringIO]:
    memory = io.StringIO()
    stream = memory if stream is None else stream
    configure_logs(level=level, log_format=log_format, stream=stream)
    backend = ScriptedBackend(answers or (Scripted(),))
    gateway = build_gateway(backend, MemoryCache(max_size=10, ttl_s=60), (RequestLog(log_prompts=log_prompts),))
    return gateway, memory


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def test_a_request_is_one_line_with_its_facts() -> None:
    gateway, stream = logged_gateway(Scripted(usage=Usage(input_tokens=1000, output_tokens=100)))
    await gateway.generate(ask("canary prompt"), request_id="req_1")
    (line,) = lines(stream)
    assert line["event"] == "request"
    assert (line["request_id"], line["outcome"], line["model"], line["cached"]) == ("req_1", "ok", "nova-lite", False)
    assert (line["input_tokens"], line["output_tokens"], line["cost_usd"]) == (1000, 100, 0.000084)
    assert "canary" not in stream.getvalue()
    assert "Hello there" not in stream.getvalue()


async def test_debug_adds_the_way_of_the_request() -> None:
    gateway, stream = logged_gateway(level="DEBUG")
    await gateway.generate(ask(), request_id="req_1")
    await gateway.generate(ask(), request_id="req_2")
    events = [(line["request_id"], line["event"]) for line in lines(stream)]
    assert events == [
        ("req_1", "admitted"),
        ("req_1", "asking"),
        ("req_1", "attempt_paid"),
        ("req_1", "request"),
        ("req_2", "admitted"),
        ("req_2", "cache_hit"),
        ("req_2", "request"),
    ]


async def test_prompts_are_written_where_that_was_switched_on() -> None:
    gateway, stream = logged_gateway(log_prompts=True)
    await gateway.generate(replace(ask("canary prompt"), system=(Text("Be brief."),)), request_id="req_1")
    (line,) = lines(stream)
    assert line["prompt"] == [["system", "Be brief."], ["user", "canary prompt"]]
    assert line["answer"] == "Hello there"


async def test_a_failure_is_a_warning_with_its_code_and_what_it_cost() -> None:
    spent = Usage(input_tokens=10, output_tokens=1, estimated=True)
    gateway, stream = logged_gateway(Scripted(error=BackendTimeout("silent", model="m", spent=spent)))
    with pytest.raises(BackendTimeout):
        await gateway.generate(ask(), request_id="req_1")
    attempt, request = lines(stream)
    assert (attempt["event"], attempt["estimated"], attempt["total_tokens"]) == ("attempt_paid", True, 11)
    assert (request["level"], request["outcome"]) == ("warning", "upstream_timeout")


async def test_what_could_not_be_decoded_is_logged_too() -> None:
    gateway, stream = logged_gateway(log_prompts=True)
    gateway.turn_away(InvalidRequest("bad", field="messages"), request_id="req_1")
    (line,) = lines(stream)
    assert (line["outcome"], line["model"]) == ("invalid_request", None)


async def test_a_terminal_gets_lines_for_people() -> None:
    gateway, stream = logged_gateway(log_format="console")
    await gateway.generate(ask(), request_id="req_1")
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())
    assert "req_1" in stream.getvalue()


def test_the_libraries_warnings_come_the_same_way_with_their_trace() -> None:
    _, stream = logged_gateway()
    logging.getLogger("aiohttp.client").info("not of interest")
    logging.getLogger("aiohttp.client").warning("pool is %s", "full")
    try:
        raise ValueError("inside")
    except ValueError:
        logging.getLogger("mcp").exception("it broke")
    warning, error = lines(stream)
    assert (warning["event"], warning["logger"], warning["level"]) == ("pool is full", "aiohttp.client", "warning")
    assert error["level"] == "error"
    assert "ValueError: inside" in str(error["exception"])


class FullDisk(io.StringIO):
    """A log file that takes nothing more."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")


@pytest.mark.parametrize("is_closed", [False, True])
async def test_a_request_is_answered_where_the_log_cannot_be_written(is_closed: bool) -> None:
    stream = FullDisk()
    if is_closed:
        stream.close()
    gateway, _ = logged_gateway(level="DEBUG", stream=stream)
    generation = await gateway.generate(ask(), request_id="req_1")
    assert generation.completion.finish_reason == "stop"


@pytest.mark.skipif(os.name != "posix", reason="asks a pipe for room, as POSIX can")
async def test_a_log_that_nobody_reads_holds_up_nothing_and_tells_later_what_was_lost() -> None:
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as reader, open(writing, "w", buffering=1) as stream:  # noqa: ASYNC230, PTH123
        gateway, _ = logged_gateway(stream=stream)
        for number in range(600):
            await gateway.generate(ask(), request_id=f"req_{number}")
        flush_logs()
        unread = reader.read(1_000_000)
        await gateway.generate(ask(), request_id="req_last")
        flush_logs()
        told, last = [json.loads(line) for line in reader.read(1_000_000).splitlines()]
    assert last["request_id"] == "req_last"
    assert told == {"event": "log_lines_lost", "level": "warning", "count": 600 - unread.count(b"\n")}


async def test_lines_that_are_held_for_a_moment_arrive_in_their_order(tmp_path: Path) -> None:
    with (tmp_path / "log.txt").open("w") as stream:
        gateway, _ = logged_gateway(level="DEBUG", stream=stream)
        for number in range(40):
            await gateway.generate(ask(f"number {number}"), request_id=f"req_{number}")
        logging.getLogger("mcp").warning("at the end")
        flush_logs()
    told = [json.loads(line) for line in (tmp_path / "log.txt").read_text().splitlines()]
    assert [line["request_id"] for line in told if line["event"] == "request"] == [f"req_{n}" for n in range(40)]
    assert told[-1]["event"] == "at the end"


def test_what_is_held_when_the_process_ends_is_written_first(tmp_path: Path) -> None:
    program = (
        "import asyncio, structlog\n"
        "from llm_gateway.telemetry.logs import configure_logs\n"
        "configure_logs(level='INFO', log_format='json')\n"
        "async def log(): structlog.get_logger().info('last words')\n"
        "asyncio.run(log())\n"
    )
    with (tmp_path / "log.txt").open("w") as stream:
        subprocess.run([sys.executable, "-c", program], stderr=stream, check=True)
    assert json.loads((tmp_path / "log.txt").read_text())["event"] == "last words"


@pytest.mark.skipif(os.name != "posix", reason="closes stderr by a shell of POSIX")
def test_a_process_without_stderr_logs_to_nobody() -> None:
    program = "from llm_gateway.telemetry.logs import *; configure_logs(level='INFO'); structlog.get_logger().info('x')"
    ended = subprocess.run(["sh", "-c", f'exec "{sys.executable}" -c "{program}" 2>&-'], check=False)
    assert ended.returncode == 0


def test_text_that_utf_8_cannot_write_is_logged_with_its_escape() -> None:
    _, stream = logged_gateway()
    logging.getLogger("mcp").warning("half \ud800 a pair")
    (line,) = lines(stream)
    assert line["event"] == "half \ud800 a pair"


async def test_a_second_gateway_of_the_same_house_counts_for_itself() -> None:
    backend = ScriptedBackend((Scripted(),))
    one, two = furnish(backend), furnish(backend)
    await one.gateway.generate(ask(), request_id="req_1")
    assert (one.metrics.snapshot().total_requests, two.metrics.snapshot().total_requests) == (1, 0)
