"""How the server's process starts, refuses to start, and ends."""

import asyncio
import json
import os
import signal
import socket
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import pytest

from processes import EXIT_CODES, ended, environment, running_gateway, start

NOBODY = "http://127.0.0.1:9"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
BAD_SETTINGS = {
    "CACHE_TTL": ("soon", "number"),
    "CACHE_MAX_SIZE": ("0", "at least 1"),
    "CACHE_ENABLED": ("perhaps", "true or false"),
    "LOG_LEVEL": ("LOUD", "DEBUG, INFO"),
    "LLM_GATEWAY_TRANSPORT": ("pigeon", "stdio, http, sse"),
    "LLM_GATEWAY_PORT": ("99999", "at most 65535"),
    "BEDROCK_FIRST_EVENT_TIMEOUT": ("inf", "number"),
    "BEDROCK_IDLE_TIMEOUT": ("-1", "greater than 0"),
    "BEDROCK_MAX_CONNECTIONS": ("1.5", "whole number"),
    "RETIRED_MODELS": ("keep", "refuse, successor"),
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": ("ftp://x", "http://"),
    "MODELS_FILE": ("missing.toml", "cannot be read"),
}


@pytest.mark.parametrize("variable", BAD_SETTINGS)
async def test_a_bad_setting_is_one_line_and_nothing_listens(variable: str, tmp_path: Path) -> None:
    value, allowed = BAD_SETTINGS[variable]
    process = await start(
        "--transport", "http", "--port", "0", env=environment(NOBODY) | {variable: value}, cwd=tmp_path, stdout=PIPE
    )
    code, out, err = await ended(process)
    assert (code, out) == (2, "")
    assert err.startswith("llm-gateway: ")
    assert err.count("\n") == 1
    assert value in err
    assert allowed in err
    assert variable in err or variable == "MODELS_FILE"


async def test_two_bad_settings_are_two_lines(tmp_path: Path) -> None:
    env = environment(NOBODY, CACHE_TTL="soon", LOG_LEVEL="LOUD")
    code, _, err = await ended(await start(env=env, cwd=tmp_path, stdout=PIPE))
    assert (code, err.count("\n")) == (2, 2)


async def test_a_secret_is_not_repeated(tmp_path: Path) -> None:
    env = environment(NOBODY, AWS_BEARER_TOKEN_BEDROCK="sesame", CACHE_TTL="soon")
    code, _, err = await ended(await start(env=env, cwd=tmp_path, stdout=PIPE))
    assert code == 2
    assert "sesame" not in err


@pytest.mark.parametrize("arguments", [("--transport", "pigeon"), ("--port", "x"), ("--prot", "1"), ("more",)])
async def test_a_wrong_option_is_told_with_those_that_there_are(arguments: tuple[str, ...], tmp_path: Path) -> None:
    code, out, err = await ended(await start(*arguments, env=environment(NOBODY), cwd=tmp_path, stdout=PIPE))
    assert (code, out) == (2, "")
    assert "usage: llm-gateway" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.invalid"])
async def test_open_doors_have_to_be_wanted(host: str, tmp_path: Path) -> None:
    process = await start("--transport", "http", "--host", host, env=environment(NOBODY), cwd=tmp_path, stdout=PIPE)
    code, _, err = await ended(process)
    assert (code, err.count("\n")) == (2, 1)
    assert "ALLOW_ANONYMOUS=true" in err


async def test_open_doors_that_are_wanted_open(tmp_path: Path) -> None:
    async with running_gateway(NOBODY, tmp_path, "--host", "0.0.0.0", ALLOW_ANONYMOUS="true") as gateway:
        assert gateway.url.startswith("http://0.0.0.0:")


@pytest.mark.parametrize("port", ["taken", "99999"])
async def test_a_port_that_cannot_be_had_is_one_line(port: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        wanted = str(other.getsockname()[1]) if port == "taken" else port
        process = await start(
            "--transport", "http", "--port", wanted, env=environment(NOBODY), cwd=tmp_path, stdout=PIPE
        )
        code, _, err = await ended(process)
    assert (code, err.count("\n")) == (2, 1)
    assert f"--port {wanted}" in err


@pytest.mark.parametrize("number", EXIT_CODES)
async def test_a_signal_ends_the_http_server_well(number: signal.Signals, tmp_path: Path) -> None:
    async with running_gateway(NOBODY, tmp_path, stop_by=number) as gateway:
        assert gateway.log("listening")


@pytest.mark.parametrize("number", EXIT_CODES)
async def test_a_signal_ends_the_stdio_server_while_it_waits_for_a_line(number: signal.Signals, tmp_path: Path) -> None:
    process = await start(env=environment(NOBODY), cwd=tmp_path, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
    assert await asyncio.wait_for(process.stdout.readline(), 60)
    process.send_signal(number)
    assert await asyncio.wait_for(process.wait(), 5) == EXIT_CODES[number]
    assert process.stderr is not None
    assert b"Traceback" not in await process.stderr.read()


async def test_the_end_of_input_ends_the_stdio_server(tmp_path: Path) -> None:
    process = await start(env=environment(NOBODY), cwd=tmp_path, stdin=DEVNULL, stdout=PIPE)
    assert await ended(process) == (0, "", "")


async def test_a_client_that_was_killed_before_its_answer_is_an_end_without_noise(tmp_path: Path) -> None:
    nobody_reads, written = os.pipe()
    process = await start(env=environment(NOBODY), cwd=tmp_path, stdin=PIPE, stdout=written)
    os.close(written)
    os.close(nobody_reads)
    assert process.stdin is not None
    process.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
    process.stdin.close()
    code, _, err = await ended(process)
    assert (code, err) == (0, "")


async def test_stdout_carries_protocol_lines_only(tmp_path: Path) -> None:
    lines = [
        INITIALIZE,
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "generate", "arguments": {}}},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "get_stats", "arguments": {}}},
        {"jsonrpc": "2.0", "id": 4, "method": "nothing/known"},
    ]
    process = await start(env=environment(NOBODY, LOG_LEVEL="DEBUG"), cwd=tmp_path, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines) + b"no json at all\n")
    answers = {}
    while len(answers) < 4:
        answer = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        assert answer["jsonrpc"] == "2.0"
        if "id" in answer:
            answers[answer["id"]] = answer
    process.stdin.close()
    code, rest, err = await ended(process)
    assert code == 0
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in rest.splitlines())
    assert answers[2]["result"]["structuredContent"]["error"]["code"] == "invalid_request"
    assert answers[4]["error"]["code"] == -32601
    assert "Traceback" not in err
    assert all(json.loads(line)["event"] for line in err.splitlines())
