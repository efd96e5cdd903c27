"""Who we are and where Bedrock is: AWS's default chain, off the loop, renewed ahead of its end."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bedrock_bytes as told
import botocore.session
import pytest
from bedrock_bytes import RawServer
from bedrock_words import ask, hear

from llm_gateway.backends.bedrock.aws_session import AwsSession
from llm_gateway.backends.bedrock.client import BedrockBackend
from llm_gateway.backends.bedrock.credentials import (
    AccessKeeper,
    AccessWish,
    Identity,
    NoAccess,
    host_header,
    is_plain_loopback,
)
from llm_gateway.backends.bedrock.timeouts import Timeouts
from llm_gateway.domain.errors import BackendRefused, BackendTimeout


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An AWS environment with nothing in it; files may be put into the folder."""
    for name in list(__import__("os").environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


async def test_nothing_found_says_how_to_mend_it(aws: Path) -> None:
    backend = BedrockBackend(region="us-east-1")
    heard = await hear(backend, ask())
    assert isinstance(heard.error, BackendRefused)
    assert heard.error.code == "upstream_auth_error"
    assert not heard.error.retryable
    for word in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "llm-gateway doctor", "llm-gateway sandbox"):
        assert word in heard.error.message
    await backend.warm()
    await backend.aclose()


async def test_keys_of_the_environment_sign(aws: Path, monkeypatch: pytest.MonkeyPatch, raw_server: RawServer) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "t")
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", raw_server.url)
    raw_server.scripts = [told.says(told.stream())]
    backend = BedrockBackend(region="eu-west-1")
    await backend.warm()
    assert (await hear(backend, ask())).text == "Hello"
    headers = raw_server.requests[0][1]
    assert "Credential=AKENV/" in headers["authorization"]
    assert "/eu-west-1/bedrock/" in headers["authorization"]
    assert headers["x-amz-security-token"] == "t"
    await backend.aclose()


async def test_a_profile_gives_keys_region_and_endpoint(aws: Path, raw_server: RawServer) -> None:
    (aws / "config").write_text(
        f"[profile team]\nregion = ap-south-1\nservices = local\n[services local]\nbedrock_runtime =\n"
        f"  endpoint_url = {raw_server.url}\n"
    )
    (aws / "credentials").write_text("[team]\naws_access_key_id = AKFILE\naws_secret_access_key = s\n")
    raw_server.scripts = [told.says(told.stream())]
    backend = BedrockBackend(profile="team")
    assert (await hear(backend, ask())).text == "Hello"
    assert "Credential=AKFILE/" in raw_server.requests[0][1]["authorization"]
    assert "/ap-south-1/" in raw_server.requests[0][1]["authorization"]
    await backend.aclose()


async def test_a_bearer_token_of_the_environment_is_used(
    aws: Path, monkeypatch: pytest.MonkeyPatch, raw_server: RawServer
) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "key-7")
    raw_server.scripts = [told.says(told.stream())]
    backend = BedrockBackend(endpoint_url=raw_server.url)
    assert (await hear(backend, ask())).text == "Hello"
    assert raw_server.requests[0][1]["authorization"] == "Bearer key-7"
    await backend.aclose()


async def test_a_bearer_token_never_goes_over_plain_http(aws: Path) -> None:
    keeper = AccessKeeper(AccessWish(bearer_token="key-1", endpoint_url="http://bedrock.example", region="us-east-1"))
    with pytest.raises(NoAccess, match="https"):
        await keeper.access()


async def test_a_missing_profile_is_named(aws: Path) -> None:
    backend = BedrockBackend(profile="nobody")
    heard = await hear(backend, ask())
    assert isinstance(heard.error, BackendRefused)
    assert "'nobody'" in heard.error.message
    await backend.aclose()


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ("[default]\ncredential_process = /nowhere/at/all\n", "cannot be used"),
        ("[default]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = gone\n", "cannot be used"),
        (
            "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n"
            "[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://x.example/start\n",
            "aws sso login",
        ),
    ],
)
async def test_what_stands_in_the_way_is_said_in_our_words(aws: Path, config: str, word: str) -> None:
    (aws / "config").write_text(config)
    with pytest.raises(NoAccess) as caught:
        await AccessKeeper(AccessWish(region="us-east-1")).access()
    assert word in str(caught.value)
    assert "/nowhere" not in str(caught.value)


@pytest.mark.parametrize(
    "wish",
    [
        AccessWish(access_key_id="AKID\n", secret_access_key="s"),
        AccessWish(access_key_id="AKID", secret_access_key="s", session_token="a\nb"),
        AccessWish(bearer_token="caf\u00e9"),
    ],
)
async def test_credentials_that_no_header_can_hold_are_no_fault_of_ours(aws: Path, wish: AccessWish) -> None:
    with pytest.raises(NoAccess, match="line break"):
        await AccessKeeper(replace(wish, region="us-east-1", endpoint_url="http://127.0.0.1:9")).access()


async def test_half_of_the_keys_is_no_identity(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKENV")
    with pytest.raises(NoAccess, match="half"):
        await AccessKeeper(AccessWish(region="us-east-1")).access()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
        {"AWS_ENDPOINT_URL": "http://localhost:4566"},
        {"AWS_ENDPOINT_URL": "http://localhost:4566", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://b.example/x"},
        {"AWS_ENDPOINT_URL": "http://localhost:4566", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    ],
)
@pytest.mark.parametrize("region", ["us-east-1", "us-gov-west-1", "eu-central-1"])
def test_the_endpoint_is_the_one_botocore_would_call(
    aws: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], region: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert AwsSession(AccessWish(region=region)).place().endpoint == address_botocore_calls(region)


def address_botocore_calls(region: str) -> str:
    client: Any = botocore.session.Session().create_client(
        "bedrock-runtime", region_name=region, aws_access_key_id="a", aws_secret_access_key="b"
    )
    seen: list[str] = []

    def stop(request: Any, **_: Any) -> Any:
        seen.append(request.url)
        raise InterruptedError

    client.meta.events.register("before-send.bedrock-runtime.Converse", stop)
    with pytest.raises(InterruptedError):
        client.converse(modelId="x", messages=[])
    return seen[0].removesuffix("/model/x/converse")


def test_a_proxy_is_used_for_others_and_not_for_this_machine(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "internal.example")
    assert AwsSession(AccessWish(region="us-east-1")).place().proxy == "http://proxy.example:3128"
    assert AwsSession(AccessWish(endpoint_url="http://127.0.0.1:9")).place().proxy is None
    assert AwsSession(AccessWish(endpoint_url="https://internal.example")).place().proxy is None


async def test_a_ca_bundle_that_cannot_be_read_is_said(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(aws / "none.pem"))
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "key-7")
    with pytest.raises(NoAccess, match="AWS_CA_BUNDLE"):
        await AccessKeeper(AccessWish(region="us-east-1")).access()


# --- renewal ----------------------------------------------------------------------------------------------------------


class Program:
    """A credential process: AWS's own way to plug in credentials. Counts how often it is asked."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state.json"
        self.calls = folder / "calls"
        script = folder / "program.py"
        script.write_text(
            "import sys, pathlib\n"
            f"calls = pathlib.Path({str(self.calls)!r}); calls.write_text(calls.read_text() + 'x')\n"
            f"print(pathlib.Path({str(self.state)!r}).read_text())\n"
        )
        self.calls.write_text("")
        (folder / "config").write_text(f"[default]\ncredential_process = {sys.executable} {script}\n")

    def gives(self, key: str, lasts: timedelta) -> None:
        ends = datetime.now(UTC) + lasts
        self.state.write_text(
            json.dumps(
                {
                    "Version": 1,
                    "AccessKeyId": key,
                    "SecretAccessKey": "s",
                    "SessionToken": "t",
                    "Expiration": ends.isoformat(),
                }
            )
        )

    @property
    def asked(self) -> int:
        return len(self.calls.read_text())


def key_of(access: Any) -> str:
    return access.signer.headers("/x", b"")["Authorization"].split("Credential=")[1].split("/")[0]


async def test_credentials_are_renewed_ahead_of_their_end(aws: Path) -> None:
    program, now = Program(aws), [0.0]
    program.gives("ONE", timedelta(minutes=10))
    keeper = AccessKeeper(AccessWish(region="us-east-1", endpoint_url="http://127.0.0.1:9"), clock=lambda: now[0])
    first = await asyncio.gather(*[keeper.access() for _ in range(10)])
    assert {key_of(access) for access in first} == {"ONE"}
    asked = program.asked
    program.gives("TWO", timedelta(hours=2))
    assert key_of(await keeper.access()) == "ONE"
    now[0] += 30
    assert key_of(await keeper.access()) == "ONE"  # good for ten minutes: renewed beside the calls
    await until(lambda: program.asked == asked + 1)
    await until_key(keeper, "TWO")
    now[0] += 30
    assert key_of(await keeper.access()) == "TWO"
    assert program.asked == asked + 1


async def test_credentials_at_their_end_are_waited_for(aws: Path) -> None:
    program, now = Program(aws), [0.0]
    program.gives("ONE", timedelta(seconds=30))
    keeper = AccessKeeper(AccessWish(region="us-east-1", endpoint_url="http://127.0.0.1:9"), clock=lambda: now[0])
    assert key_of(await keeper.access()) == "ONE"
    program.gives("TWO", timedelta(hours=2))
    now[0] += 30
    assert key_of(await keeper.access()) == "TWO"


async def test_a_forced_renewal_reads_everything_again_and_only_once(aws: Path) -> None:
    program = Program(aws)
    program.gives("ONE", timedelta(hours=2))
    keeper = AccessKeeper(AccessWish(region="us-east-1", endpoint_url="http://127.0.0.1:9"))
    refused = await keeper.access()
    asked = program.asked
    program.gives("TWO", timedelta(hours=2))
    renewed = await asyncio.gather(*[keeper.renewed(refused) for _ in range(10)])
    assert {key_of(access) for access in renewed} == {"TWO"}
    assert key_of(await keeper.renewed(refused)) == "TWO"
    assert program.asked == asked + 1


async def test_a_renewal_that_fails_says_what_bedrock_said(aws: Path, raw_server: RawServer) -> None:
    program = Program(aws)
    program.gives("ONE", timedelta(hours=2))
    no = told.refusal(403, "ExpiredTokenException", "The security token included in the request is expired")
    raw_server.scripts = [told.says(no)]
    backend = BedrockBackend(region="us-east-1", endpoint_url=raw_server.url)
    await backend.warm()
    program.state.write_text("broken")
    heard = await hear(backend, ask())
    assert isinstance(heard.error, BackendRefused)
    assert "expired" in heard.error.message
    assert len(raw_server.requests) == 1
    await backend.aclose()


async def test_credentials_that_are_slow_to_come_end_a_call_that_cost_nothing(aws: Path) -> None:
    (aws / "config").write_text("[default]\ncredential_process = sleep 1\n")
    backend = BedrockBackend(
        region="us-east-1", endpoint_url="http://127.0.0.1:9", timeouts=Timeouts(first_event_s=0.1)
    )
    heard = await hear(backend, ask())
    assert isinstance(heard.error, BackendTimeout)
    assert heard.error.spent is None
    assert "nothing was sent" in heard.error.message
    await backend.aclose()


async def test_a_waiter_who_leaves_does_not_end_the_renewal(aws: Path) -> None:
    program = Program(aws)
    program.gives("ONE", timedelta(hours=2))
    keeper = AccessKeeper(AccessWish(region="us-east-1", endpoint_url="http://127.0.0.1:9"))
    waiter = asyncio.create_task(keeper.access())
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert key_of(await keeper.access()) == "ONE"


# --- small things -----------------------------------------------------------------------------------------------------


def test_importing_the_client_loads_neither_aiohttp_nor_botocore() -> None:
    code = (
        "import sys, llm_gateway.backends.bedrock.client as c; c.BedrockBackend();"
        "print([name for name in ('aiohttp', 'botocore', 'boto3', 'yarl') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


async def test_with_everything_given_botocore_is_never_loaded(raw_server: RawServer) -> None:
    code = (
        "import asyncio, sys\n"
        "from llm_gateway.backends.bedrock.client import BedrockBackend\n"
        "async def main():\n"
        "    backend = BedrockBackend(region='us-east-1', endpoint_url='http://127.0.0.1:9',"
        " access_key_id='a', secret_access_key='b')\n"
        "    await backend.warm()\n"
        "    await backend.aclose()\n"
        "asyncio.run(main())\n"
        "print('aiohttp' in sys.modules, 'botocore' in sys.modules)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode().split() == ["True", "False"]


@pytest.mark.parametrize(
    ("endpoint", "header"),
    [
        ("https://H.example", "h.example"),
        ("https://h.example:443", "h.example"),
        ("http://h.example:80/x", "h.example"),
        ("http://h.example:443", "h.example:443"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_the_host_header_has_no_implied_port(endpoint: str, header: str) -> None:
    assert host_header(endpoint) == header


def test_loopback_is_known() -> None:
    assert is_plain_loopback("http://localhost:1")
    assert is_plain_loopback("http://[::1]:1")
    assert not is_plain_loopback("https://localhost:1")
    assert not is_plain_loopback("http://localhost.evil.example:1")


def test_an_identity_shows_nothing_of_itself() -> None:
    assert "secret" not in repr(Identity(None, "AK", "secret", "secret-too"))
    assert "key" in repr(Identity(None, "AK", "s"))
    assert "secret" not in repr(Identity("secret"))


async def until(done: Callable[[], bool]) -> None:
    for _ in range(600):
        if done():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about")


async def until_key(keeper: AccessKeeper, key: str) -> None:
    for _ in range(600):
        if key_of(await keeper.access()) == key:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it was not renewed")
