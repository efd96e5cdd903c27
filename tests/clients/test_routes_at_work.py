"""The gateway file at work in a process: served, reloaded under load, shown by the command."""

import asyncio
import json
import signal
from pathlib import Path

import aiohttp
import pytest

from llm_gateway.cli import run
from llm_gateway.sandbox.server import Sandbox
from postgres_here import postgres_here
from processes import environment, running_gateway, start

GIVEN = Path(__file__).parents[1] / "gateway_file" / "expected-litellm-gateway.yaml"
ADMIN = {"X-Admin-API-Key": "the-master-key"}
FILE = """\
settings: {admin_api_key: the-master-key, cache_enabled: false, ledger: off}
routes:
  fast: {targets: [MODEL], strategy: usage}
"""


async def ask(http: aiohttp.ClientSession, url: str, model: str) -> tuple[int, str]:
    """The status, and the model that answered."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 20}
    async with http.post(f"{url}/v1/chat/completions", json=body) as response:
        await response.read()
        return response.status, response.headers.get("x-llm-gateway-model", "")


async def test_the_file_that_was_made_of_litellms_serves(sandbox: Sandbox, tmp_path: Path) -> None:
    with postgres_here() as postgres:
        given = {
            "GATEWAY_FILE": str(GIVEN),
            "LITELLM_ADMIN_KEY": "the-master-key",
            "DATABASE_URL": await postgres.new_database(),
        }
        async with running_gateway(sandbox.url, tmp_path, **given) as gateway, aiohttp.ClientSession() as http:
            for name, model in (("claude-primary", "sonnet"), ("claude-fallback", "haiku"), ("claude-fast", "haiku")):
                status, answer = await ask(http, gateway.url, name)
                assert (status, model in answer) == (200, True), answer
            async with http.get(f"{gateway.url}/admin/routes", headers=ADMIN) as response:
                told = await response.json()
            assert told["routes"]["claude-primary"]["strategy"] == "usage"
            assert told["routes"]["claude-primary"]["fallbacks"] == ["claude-fallback"]
            targets = {target for route in told["routes"].values() for target in route["targets"]}
            assert len(targets) == 2
            assert all(told["targets"][target]["quota"]["tpm"] == 80_000 for target in targets)


async def test_no_request_fails_while_the_file_is_read_anew(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(FILE.replace("MODEL", "nova-pro"), encoding="utf-8")
    async with (
        running_gateway(sandbox.url, tmp_path, GATEWAY_FILE=str(file)) as gateway,
        aiohttp.ClientSession() as http,
    ):
        done = asyncio.Event()
        answered: list[int] = []

        async def keep_asking() -> None:
            while not done.is_set():
                answered.append((await ask(http, gateway.url, "fast"))[0])

        asking = [asyncio.create_task(keep_asking()) for _ in range(4)]
        for number in range(10):
            beside = tmp_path / "new.yaml"
            beside.write_text(FILE.replace("MODEL", ("nova-lite", "nova-pro")[number % 2]), encoding="utf-8")
            beside.replace(file)
            async with http.post(f"{gateway.url}/admin/reload", headers=ADMIN) as response:
                assert (response.status, (await response.json())["reloaded"]) == (200, True)
        file.write_text("routes: {fast: {targets: []}}", encoding="utf-8")
        async with http.post(f"{gateway.url}/admin/reload", json={}, headers=ADMIN) as response:
            refused = await response.json()
            assert (response.status, refused["error"]["code"]) == (400, "gateway_file_invalid")
        file.write_text(FILE.replace("MODEL", "nova-micro"), encoding="utf-8")
        gateway.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(60):
            while "nova-micro" not in (await ask(http, gateway.url, "fast"))[1]:
                pass
        done.set()
        await asyncio.gather(*asking)
        assert set(answered) == {200}
        assert await asyncio.to_thread(run, ["routes", "--url", gateway.url, "--key", "the-master-key"]) == 0
        first, _, row, *_ = capsys.readouterr().out.splitlines()
        assert first == gateway.url
        assert row.split()[:4] == ["fast", "usage", "us.amazon.nova-micro-v1:0", "closed"]
        assert await asyncio.to_thread(run, ["routes", "--url", gateway.url, "--key", "wrong"]) == 2
        assert "it wants the key of /admin" in capsys.readouterr().err
    assert gateway.log("reload_failed")
    assert {entry["why"] for entry in gateway.log("reloaded")} >= {"asked"}


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this platform knows no SIGHUP")
async def test_over_stdio_a_signal_reloads_too(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(FILE.replace("MODEL", "nova-pro"), encoding="utf-8")
    env = environment(sandbox.url, GATEWAY_FILE=str(file), LOG_FORMAT="json")
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    process = await start(env=env, cwd=tmp_path, **pipes)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            client = {"name": "test", "version": "1"}
            params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
            asked = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
            process.stdin.write(json.dumps(asked).encode() + b"\n")
            await process.stdout.readline()
            process.send_signal(signal.SIGHUP)
            while (entry := json.loads(await process.stderr.readline()))["event"] != "reloaded":
                pass
            assert (entry["why"], entry["changed"]) == ("signal", [])
            process.stdin.close()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
