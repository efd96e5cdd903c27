"""The command says what it is, refuses what is unsafe, and stops when told."""

import argparse
import asyncio
import json
import signal
import socket
import sys

import aiohttp
import pytest

from llm_gateway.sandbox.__main__ import main
from llm_gateway.sandbox.command import add_arguments, start_page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "--allow-remote"),
        (["--host", "example.com"], "--allow-remote"),
        (["--latency-ms", "-1"], "must be 0 or more"),
        (["--replay", "nowhere"], "no such folder"),
        (["--script", "nowhere.json"], "nowhere.json"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(capsys, arguments, words):
    assert main(arguments) == 2
    complaint = capsys.readouterr().err
    assert words in complaint and complaint.count("\n") == 1


def test_a_bad_script_is_refused(capsys, tmp_path):
    (tmp_path / "s.json").write_text('[{"faults": ["thunder"]}]')
    assert main(["--script", str(tmp_path / "s.json")]) == 2
    assert "no fault called 'thunder'" in capsys.readouterr().err


def test_a_taken_port_is_told(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 1
    assert "cannot listen on 127.0.0.1" in capsys.readouterr().err


def test_the_options_have_their_defaults():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args([])
    assert (args.host, args.port, args.replay, args.script, args.allow_remote) == ("127.0.0.1", 8077, None, None, False)


def test_the_start_page_says_that_it_is_no_model():
    page = start_page("http://127.0.0.1:8077")
    assert "It is no model" in page and "AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://127.0.0.1:8077" in page


async def test_the_module_serves_until_it_is_told_to_stop(tmp_path):
    (tmp_path / "s.json").write_text('[{"faults": ["throttle"]}]')
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "llm_gateway.sandbox", "--host", "localhost", "--port", "0",
        "--script", tmp_path / "s.json",
        stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    async with asyncio.timeout(20):
        while b"address" not in (line := await process.stderr.readline()):
            pass
        url = line.split()[-1].decode()
        async with aiohttp.ClientSession() as http, http.get(url + "/health") as response:
            assert json.loads(await response.read())["status"] == "ok"
        process.send_signal(signal.SIGTERM)
        stdout, _ = await process.communicate()
    assert process.returncode == 0 and stdout == b""
