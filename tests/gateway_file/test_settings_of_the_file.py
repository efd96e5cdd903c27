"""Settings that stand in the gateway file."""

from pathlib import Path

import pytest
from file_house import Write

from llm_gateway.domain.errors import ConfigurationError
from llm_gateway.settings import load_settings


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_FILE", "gateway.yaml")


def refusal() -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    return str(refused.value).splitlines()


def test_the_environment_wins_over_env_over_the_file_over_the_defaults(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("settings: {cache_ttl: 1, cache_max_size: 2, replicas: 3, ledger: off, allowed_hosts: [a, b]}")
    write("CACHE_TTL=10\nCACHE_MAX_SIZE=20\nREPLICAS=\n", ".env")
    monkeypatch.setenv("CACHE_TTL", "100")
    settings = load_settings()
    assert (settings.cache_ttl, settings.cache_max_size, settings.replicas) == (100, 20, 3)
    assert (settings.ledger, settings.allowed_hosts, settings.log_level) == ("off", ("a", "b"), "INFO")
    assert settings.gateway_file == Path("gateway.yaml")


def test_the_file_may_be_named_in_env_and_be_toml(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY_FILE")
    write("GATEWAY_FILE=g.toml\n", ".env")
    write('[settings]\ncache_enabled = false\ncache_ttl = 2.5\naws_region = "eu-west-1"\n', "g.toml")
    settings = load_settings()
    assert (settings.cache_enabled, settings.cache_ttl, settings.aws_region) == (False, 2.5, "eu-west-1")


def test_references_may_name_what_stands_in_env(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write('settings: {admin_api_key: os.environ/KEY_HERE, log_level: "${LEVEL_HERE:-debug}"}')
    write("KEY_HERE=from-env\n", ".env")
    settings = load_settings()
    assert settings.admin_api_key is not None
    assert (settings.admin_api_key.get_secret_value(), settings.log_level) == ("from-env", "DEBUG")
    monkeypatch.setenv("ADMIN_API_KEY", "mine")
    (Path(".env")).unlink()  # what is not used need not be set
    assert load_settings().log_level == "DEBUG"


def test_what_is_wrong_is_told_with_file_and_line(write: Write) -> None:
    write("""\
settings:
  cache_ttl: soon
  cache_tl: 1
  CACHE_TTL: 1
  gateway_file: other.yaml
  admin_api_key: ${NOT_SET_HERE}
  database_url: mysql://user:hush@host
  log_level: {a: 1}
""")
    assert refusal() == [
        "gateway.yaml:2: settings.cache_ttl: is 'soon'; it must be a number, greater than 0",
        "gateway.yaml:3: settings.cache_tl: there is no such setting; closest: cache_ttl, cache_tier, cache_enabled",
        "gateway.yaml:4: settings.CACHE_TTL: there is no such setting; write cache_ttl",
        "gateway.yaml:5: settings.gateway_file: cannot stand in the file itself; set GATEWAY_FILE in the environment",
        "gateway.yaml:6: settings.admin_api_key: the environment variable NOT_SET_HERE is not set; set it, or write "
        "${NOT_SET_HERE:-default}",
        "gateway.yaml:7: settings.database_url: must start with postgresql://, or be unset for SQLite",
        "gateway.yaml:8: settings.log_level: must be one value, or a list of texts",
    ]


def test_a_missing_file_stops_every_command() -> None:
    assert refusal() == ["gateway.yaml: cannot be read (No such file or directory)"]


def test_an_empty_file_changes_nothing(write: Write) -> None:
    write("")
    assert load_settings() == load_settings(gateway_file=None).model_copy(update={"gateway_file": Path("gateway.yaml")})
