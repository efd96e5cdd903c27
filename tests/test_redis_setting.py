"""``REDIS_URL``: what it takes, what is loaded for it, and that its password is never shown."""

import subprocess
import sys

import pytest

from llm_gateway.domain.errors import ConfigurationError
from llm_gateway.redis_link import open_redis
from llm_gateway.settings import load_settings
from llm_gateway.settings_table import shown_values


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("redis://:pass%40word@host:6379/0", "redis://:pass%40word@host:6379/0"),
        ("rediss://user:pass@host", "rediss://user:pass@host"),
        ("valkey://host/3", "redis://host/3"),
        ("Valkeys://host:1/", "rediss://host:1/"),
    ],
)
def test_addresses_of_redis_and_valkey(monkeypatch: pytest.MonkeyPatch, given: str, used: str) -> None:
    monkeypatch.setenv("REDIS_URL", given)
    settings = load_settings(None)
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == used
    assert shown_values(settings)["REDIS_URL"] == "(set)"
    assert "pass" not in repr(settings)
    assert open_redis(settings) is not None


@pytest.mark.parametrize(
    "given",
    [
        *(
            "http://:hidden@host",
            "redis:hidden",
            "redis://:hidden@",
            "redis://:hidden@host:0",
            "redis://:hidden@host:x",
        ),
        *("redis://:hid#den@host:6379/0", "redis://:hidden@host/name", "hidden"),
    ],
)
def test_a_wrong_address_is_refused_without_its_password(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("REDIS_URL", given)
    with pytest.raises(ConfigurationError) as refused:
        load_settings(None)
    assert str(refused.value).startswith("REDIS_URL: must ")
    assert "hid" not in str(refused.value)


def test_an_unknown_option_is_refused_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:hidden@host:6379/0?socket_timeout=soon")
    with pytest.raises(ConfigurationError) as refused:
        open_redis(load_settings(None))
    assert "REDIS_URL" in str(refused.value)
    assert "hidden" not in str(refused.value)


def ran(program: str, **variables: str) -> str:
    told = subprocess.run(
        [sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=True, cwd="/"
    )
    return told.stdout.strip()


MAKE = "from llm_gateway.settings import load_settings; from llm_gateway.app import create_app; import sys; "


def test_nothing_of_the_client_is_loaded_without_the_setting() -> None:
    assert ran(MAKE + "create_app(load_settings(None)); print('redis' in sys.modules)") == "False"


def test_a_missing_client_is_named_with_the_way_to_get_it() -> None:
    program = (
        MAKE + "\ntry: sys.modules['redis'] = None; create_app(load_settings(None))\nexcept Exception as e: print(e)"
    )
    told = ran(program, REDIS_URL="redis://host")
    assert told == "REDIS_URL needs the package redis: pip install 'bedrock-llm-gateway[redis]'"


def test_answers_in_redis_need_a_redis() -> None:
    program = MAKE + "\ntry: create_app(load_settings(None))\nexcept Exception as e: print(e)"
    assert ran(program, CACHE_TIER="redis") == "CACHE_TIER=redis needs REDIS_URL"
