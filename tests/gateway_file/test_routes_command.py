"""``llm-gateway routes``, without a gateway that runs."""

import json

import pytest
from file_house import Write

from llm_gateway.cli import run

FILE = """\
settings: {llm_gateway_port: 1, aws_region: eu-central-1}
routes:
  fast:
    strategy: usage
    targets: [{model: nova-pro, tpm: 80000, region: eu-west-1}, {model: nova-lite, region: eu-central-1}]
    fallbacks: [nova-micro]
"""


def test_a_sound_file_is_fine(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["routes", "--check", str(write(FILE))]) == 0
    assert capsys.readouterr().out == "gateway.yaml: fine: 1 route, 2 targets, 2 settings\n"


def test_all_that_is_wrong_is_told_and_the_exit_code_is_2(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(FILE.replace("nova-lite", "nova-lit").replace("port: 1", "port: high"))
    assert run(["routes", "--check", str(file)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "llm-gateway: gateway.yaml:1: settings.llm_gateway_port: is 'high'; it must be a whole number, at least 0, at "
        "most 65535",
        "gateway.yaml:5: routes.fast.targets[1].model: no model is called 'nova-lit'; closest: nova-lite, nova-2-lite, "
        "nova-micro",
    ]


def test_where_no_gateway_runs_the_file_is_shown(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWAY_FILE", str(write(FILE)))
    assert run(["routes"]) == 0
    first, head, *rows = capsys.readouterr().out.splitlines()
    assert first == "gateway.yaml (not running)"
    assert head.split() == ["route", "strategy", "target", "breaker", "under_way", "tpm", "rpm", "first_token"]
    assert [row.split()[:4] for row in rows] == [
        ["fast", "usage", "nova-pro@eu-west-1", "-"],
        ["nova-lite", "-", "-", "-"],
        ["on", "error", "nova-micro", "-"],
    ]
    assert "80000" in rows[0]
    assert run(["routes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["running"], told["routes"]["fast"]["fallbacks"]) == (False, ["nova-micro"])


def test_neither_a_gateway_nor_a_file_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LLM_GATEWAY_PORT", "1")
    assert run(["routes"]) == 2
    assert "no gateway runs at http://127.0.0.1:1, and GATEWAY_FILE names no file" in capsys.readouterr().err
    assert run(["routes", "--url", "http://127.0.0.1:1"]) == 2
    assert "--url http://127.0.0.1:1: no gateway answers there" in capsys.readouterr().err
