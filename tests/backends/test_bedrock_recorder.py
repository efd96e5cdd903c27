"""Recording: the caller gets Bedrock's answer, the file holds it without whose it was, and the sandbox plays it."""

import argparse
import asyncio
import base64
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import bedrock_bytes as told
import boto3
import pytest
from bedrock_bytes import RawServer
from bedrock_words import NOVA, ask, hear
from botocore.config import Config

from llm_gateway import record_command
from llm_gateway.backends.bedrock.client import BedrockBackend
from llm_gateway.backends.bedrock.credentials import AccessWish, NoAccess
from llm_gateway.backends.bedrock.event_stream import FrameSplitter
from llm_gateway.backends.bedrock.recorder import Recorder
from llm_gateway.backends.bedrock.scrub import accounts_in, scrub_frames, scrub_text
from llm_gateway.backends.bedrock.timeouts import Timeouts
from llm_gateway.domain.errors import BackendGarbled, BackendUnavailable, ConfigurationError, UnknownModel
from llm_gateway.sandbox.frames import event_frame
from llm_gateway.sandbox.server import Sandbox
from llm_gateway.settings import load_settings

ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0"


def wish(url: str) -> AccessWish:
    return AccessWish(region="us-east-1", endpoint_url=url, access_key_id="AKOURS", secret_access_key="s")


def client_of(url: str) -> BedrockBackend:
    return BedrockBackend(region="us-east-1", endpoint_url=url, access_key_id="AKTHEIRS", secret_access_key="t")


def stored(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


async def test_what_is_recorded_can_be_played_again(sandbox: Sandbox, tmp_path: Path) -> None:
    paths: list[Path] = []
    async with Recorder(tmp_path / "new" / "folder", wish(sandbox.url), told=paths.append) as recorder:
        backend = client_of(recorder.url)
        first = await hear(backend, ask("tell me something"))
        refused = await hear(backend, ask("[[fault:not-found]] hello"))
        await backend.aclose()
    assert first.completion is not None
    assert isinstance(refused.error, UnknownModel)
    assert [path.name for path in paths] == [
        "0001-converse-stream-amazon.nova-pro-v1-0.json",
        "0002-converse-stream-amazon.nova-pro-v1-0.json",
    ]
    async with Sandbox(replay=tmp_path / "new" / "folder") as replaying:
        backend = client_of(replaying.url)
        again = await hear(backend, ask("tell me something"))
        assert again.completion is not None
        assert again.completion.blocks == first.completion.blocks
        assert again.completion.usage == first.completion.usage
        assert isinstance((await hear(backend, ask("[[fault:not-found]] hello"))).error, UnknownModel)
        await backend.aclose()


async def test_boto3_is_recorded_too(sandbox: Sandbox, tmp_path: Path) -> None:
    async with Recorder(tmp_path, wish(sandbox.url)) as recorder:
        client = boto3.client(
            "bedrock-runtime",
            region_name="eu-west-1",
            endpoint_url=recorder.url,
            aws_access_key_id="AKBOTO",
            aws_secret_access_key="b",
            config=Config(retries={"total_max_attempts": 1}),
        )
        messages = [{"role": "user", "content": [{"text": "Hello"}]}]
        answer = await asyncio.to_thread(client.converse, modelId=NOVA, messages=messages)
        client.close()
    assert answer["stopReason"] == "end_turn"
    (exchange,) = stored(tmp_path)
    assert exchange["kind"] == "converse"
    assert exchange["complete"]
    assert exchange["provenance"] == "recorded"
    assert exchange["request"]["body"]["messages"] == messages
    assert exchange["request"]["host"] == "bedrock-runtime.us-east-1.amazonaws.com"
    assert exchange["response"]["body"]["stopReason"] == "end_turn"
    written = (tmp_path / "0001-converse-amazon.nova-pro-v1-0.json").read_text().lower()
    for secret in ("akboto", "akours", "authorization", "user-agent", "signature", "127.0.0.1"):
        assert secret not in written


async def test_whose_it_was_is_taken_out(raw_server: RawServer, tmp_path: Path) -> None:
    secret = "User arn:aws:sts::123456789012:assumed-role/admin/jane and account 123456789012, not 555555555555"
    stream = told.start() + told.delta(secret) + told.stop() + told.metadata()
    raw_server.scripts = [told.says(told.stream(stream))]
    async with Recorder(tmp_path, wish(raw_server.url)) as recorder:
        backend = client_of(recorder.url)
        heard = await hear(backend, ask("Hello", model=ARN))
        assert heard.text == secret
        await backend.aclose()
    (exchange,) = stored(tmp_path)
    assert exchange["complete"]
    assert "123456789012" not in json.dumps(exchange)
    assert exchange["model_id"] == ARN.replace("123456789012", "111122223333")
    body = base64.b64decode(exchange["response"]["body_base64"])
    splitter = FrameSplitter()
    frames = splitter.feed(body)
    assert splitter.fault is None
    said = json.loads(frames[1][1])["delta"]["text"]
    assert "jane" not in said
    assert "111122223333" in said
    assert "555555555555" in said
    assert len(body) == len(stream)


async def test_an_answer_that_breaks_off_is_marked(raw_server: RawServer, tmp_path: Path) -> None:
    raw_server.scripts = [told.says_and_hangs_up(told.stream()[:-30]), told.chunks(told.STREAM[:-30])]
    async with Recorder(tmp_path, wish(raw_server.url)) as recorder:
        backend = client_of(recorder.url)
        for _ in range(2):
            assert isinstance((await hear(backend, ask())).error, BackendGarbled)
        await backend.aclose()
    for exchange in stored(tmp_path):
        assert not exchange["complete"]
        assert exchange["warnings"]


async def test_bodies_that_are_no_json_are_kept(raw_server: RawServer, tmp_path: Path) -> None:
    raw_server.scripts = [
        told.says(told.http(b"<html>", status=502, content_type="text/html")),
        told.says(told.http(b"\xff\xfe", status=500, content_type="x/y")),
    ]
    async with Recorder(tmp_path, wish(raw_server.url)) as recorder:
        backend = client_of(recorder.url)
        for _ in range(2):
            assert (await hear(backend, ask())).error is not None
        await backend.aclose()
    first, second = stored(tmp_path)
    assert first["response"]["body_raw"] == "<html>"
    assert base64.b64decode(second["response"]["body_base64"]) == b"\xff\xfe"


async def test_bedrock_out_of_reach_is_said_and_not_stored(tmp_path: Path) -> None:
    async with Recorder(tmp_path, wish("http://127.0.0.1:9"), timeouts=Timeouts(connect_s=0.5)) as recorder:
        backend = client_of(recorder.url)
        heard = await hear(backend, ask())
        assert isinstance(heard.error, BackendUnavailable)
        assert heard.error.code == "upstream_unavailable"
        elsewhere = client_of(recorder.url + "/elsewhere")
        assert isinstance((await hear(elsewhere, ask())).error, UnknownModel | BackendUnavailable)
        await backend.aclose()
        await elsewhere.aclose()
    assert not stored(tmp_path)


async def test_numbers_go_on_where_they_ended(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "0041-converse-x.json").write_text("{}")
    async with Recorder(tmp_path, wish(sandbox.url)) as recorder:
        backend = client_of(recorder.url)
        await hear(backend, ask())
        await backend.aclose()
    assert (tmp_path / "0042-converse-stream-amazon.nova-pro-v1-0.json").is_file()


async def test_a_recorder_does_not_ask_itself(tmp_path: Path) -> None:
    free = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = free.sockets[0].getsockname()[1]
    free.close()
    await free.wait_closed()
    with pytest.raises(NoAccess, match="own address"):
        async with Recorder(tmp_path, wish(f"http://127.0.0.1:{port}"), port=port):
            pass


def test_accounts_are_found_in_arns_only() -> None:
    text = b"arn:aws:bedrock:us-east-1:123456789012:x and 999999999999 and arn%3Aaws%3Abedrock%3Aeu%3A222222222222%3Ax"
    assert accounts_in(text) == {b"123456789012", b"222222222222"}
    assert scrub_text(b"AKIAIOSFODNN7EXAMPLE", frozenset()) == b"AKIAXXXXXXXXXXXXXXXX"


def test_what_is_no_frame_stays_out() -> None:
    good = event_frame("messageStart", {"role": "assistant"})
    assert scrub_frames(good + good[:20], frozenset()) == good
    assert scrub_frames(good + b"\x00" * 30, frozenset()) == good


# --- the command ------------------------------------------------------------------------------------------------------


async def test_the_command_records_until_it_is_told_to_stop(sandbox: Sandbox, tmp_path: Path) -> None:
    code = (
        "import argparse, sys\n"
        "from llm_gateway import record_command\n"
        "from llm_gateway.settings import load_settings\n"
        "parser = argparse.ArgumentParser()\n"
        "record_command.add_arguments(parser)\n"
        "sys.exit(record_command.run(parser.parse_args(sys.argv[1:]), load_settings()))\n"
    )
    environment = {
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": sandbox.url,
        "AWS_ACCESS_KEY_ID": "AKOURS",
        "AWS_SECRET_ACCESS_KEY": "s",
        "PATH": "",
        "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        str(tmp_path / "out"),
        "--port",
        "0",
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        cwd=tmp_path,
    )
    assert process.stderr is not None
    page = ""
    async with asyncio.timeout(20):
        while "Ctrl-C" not in page:
            page += (await process.stderr.readline()).decode()
        url = page.split("address")[1].split()[0]
        backend = client_of(url)
        heard = await hear(backend, ask())
        await backend.aclose()
        assert heard.completion is not None
        assert b"stored" in await process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert "PROMPTS AND ANSWERS ARE STORED" in page
    assert len(stored(tmp_path / "out")) == 1


def arguments(*given: str) -> Any:
    parser = argparse.ArgumentParser()
    record_command.add_arguments(parser)
    return parser.parse_args(given)


def test_other_machines_may_not_record(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "example.com"):
        with pytest.raises(ConfigurationError):
            record_command.run(arguments(str(tmp_path), "--host", host), load_settings())


def test_without_credentials_nothing_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert record_command.run(arguments(str(tmp_path), "--host", "localhost", "--port", "0"), load_settings()) == 1
    assert "no AWS credentials" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AK")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    (tmp_path / "file").write_text("")
    assert record_command.run(arguments(str(tmp_path / "file" / "folder"), "--port", "0"), load_settings()) == 1
    assert "cannot record" in capsys.readouterr().err
