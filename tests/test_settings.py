"""Settings: what is read, what is refused and in which words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llm_gateway.domain.errors import ConfigurationError
from llm_gateway.settings import Settings, load_settings
from llm_gateway.settings_table import describe_settings, shown_values


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)


def test_the_defaults_are_the_documented_ones() -> None:
    settings = load_settings()
    assert (settings.aws_region, settings.cache_enabled, settings.cache_ttl) == ("us-east-1", True, 3600)
    assert (settings.cache_max_size, settings.metrics_enabled, settings.log_level) == (1000, True, "INFO")


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("CACHE_TTL", "soon", "CACHE_TTL='soon': must be a number, greater than 0"),
        ("CACHE_TTL", "0", "CACHE_TTL='0': must be a number, greater than 0"),
        ("CACHE_TTL", "nan", "CACHE_TTL='nan': must be a number, greater than 0"),
        ("CACHE_MAX_SIZE", "1.5", "CACHE_MAX_SIZE='1.5': must be a whole number, at least 1"),
        ("CACHE_ENABLED", "maybe", "CACHE_ENABLED='maybe': must be true or false"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL='loud': must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("RETIRED_MODELS", "burn", "RETIRED_MODELS='burn': must be one of refuse, successor"),
        ("LLM_GATEWAY_PORT", "70000", "LLM_GATEWAY_PORT='70000': must be a whole number, at least 0, at most 65535"),
        (
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
            "localhost:1",
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME='localhost:1': must be an address that starts with http:// or https://",
        ),
        (
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
            "http://[::1",
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME='http://[::1': "
            "must be an address with a host, and a port from 1 to 65535 if it names one",
        ),
        (
            "AWS_ENDPOINT_URL_BEDROCK",
            "http://127.0.0.1:99999",
            "AWS_ENDPOINT_URL_BEDROCK='http://127.0.0.1:99999': "
            "must be an address with a host, and a port from 1 to 65535 if it names one",
        ),
        ("AWS_REGION", "us east", "AWS_REGION='us east': must be the name of a region, such as us-east-1"),
        ("AWS_SESSION_TOKEN", "two\nlines", "AWS_SESSION_TOKEN: must be one line of ASCII characters"),
        ("AWS_BEARER_TOKEN_BEDROCK", "caf\u00e9", "AWS_BEARER_TOKEN_BEDROCK: must be one line of ASCII characters"),
    ],
)
def test_a_bad_value_is_one_line_with_variable_value_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, line: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert str(refused.value) == line


def test_two_bad_values_are_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_TTL", "soon")
    monkeypatch.setenv("CACHE_MAX_SIZE", "0")
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert len(str(refused.value).splitlines()) == 2


def test_words_are_read_in_any_case_and_empty_means_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")
    monkeypatch.setenv("CACHE_TTL", "")
    monkeypatch.setenv("ALLOWED_HOSTS", "a.example, b.example,")
    settings = load_settings()
    assert (settings.log_level, settings.cache_ttl) == ("DEBUG", 3600)
    assert settings.allowed_hosts == ("a.example", "b.example")


def test_a_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CACHE_TTL=10\nCACHE_MAX_SIZE=5\n# a comment\nUNRELATED=1\n")
    monkeypatch.setenv("CACHE_TTL", "20")
    settings = load_settings()
    assert (settings.cache_ttl, settings.cache_max_size) == (20, 5)


def test_a_file_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00CACHE")
    with pytest.raises(ConfigurationError, match=r"\.env: cannot be read as UTF-8 text"):
        load_settings()


def test_the_region_falls_back_to_aws_default_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert load_settings().aws_region == "eu-west-1"


@pytest.mark.parametrize(
    ("profile", "text", "region"),
    [
        (None, "[default]\nregion = eu-north-1\n", "eu-north-1"),
        ("work", "[profile work]\nregion=ap-south-1\n[default]\nregion=eu-north-1\n", "ap-south-1"),
        ("work", "[default]\nregion=eu-north-1\n", "us-east-1"),
        (None, "this is no configuration", "us-east-1"),
    ],
)
def test_the_region_falls_back_to_the_profiles_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, profile: str | None, text: str, region: str
) -> None:
    (tmp_path / "config").write_text(text)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    if profile:
        monkeypatch.setenv("AWS_PROFILE", profile)
    assert load_settings().aws_region == region


def test_half_a_key_pair_is_left_to_the_aws_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    assert load_settings().static_credentials is None
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert load_settings().static_credentials == ("AKIDEXAMPLE", "secret", None)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    assert load_settings().static_credentials == ("AKIDEXAMPLE", "secret", "token")


def test_white_space_around_a_value_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE\n",
        "AWS_SECRET_ACCESS_KEY": " secret\r\n",
        "AWS_SESSION_TOKEN": "\n",
        "AWS_REGION": "eu-west-1 ",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://127.0.0.1:8077\n",
    }.items():
        monkeypatch.setenv(variable, value)
    settings = load_settings()
    assert settings.static_credentials == ("AKIDEXAMPLE", "secret", None)
    assert settings.aws_region == "eu-west-1"
    assert settings.aws_endpoint_url_bedrock_runtime == "http://127.0.0.1:8077"


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become a user without a home"
)
def test_a_user_without_a_home_needs_none() -> None:
    program = "from llm_gateway.settings import *; os.setuid(54321); print(load_settings(None).aws_region)"
    ended = subprocess.run([sys.executable, "-c", program], env={}, capture_output=True, text=True, check=False)
    assert ended.stdout == "us-east-1\n", ended.stderr


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.setenv(variable, "canary-value")
    settings = load_settings()
    assert "canary" not in f"{shown_values(settings)} {settings!r} {settings}"
    assert shown_values(settings)["AWS_SECRET_ACCESS_KEY"] == "(set)"


def test_every_setting_is_described() -> None:
    rows = {row.variable: row for row in describe_settings()}
    assert set(rows) == {name.upper() for name in Settings.model_fields}
    assert all(row.meaning.endswith(".") for row in rows.values())
    assert (rows["CACHE_ENABLED"].default, rows["CACHE_ENABLED"].allowed) == ("true", "true or false")
    assert rows["CACHE_MAX_SIZE"].allowed == "a whole number, at least 1"
