"""``llm-gateway doctor``: finds what is wrong and says what to mend."""

import argparse
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from llm_gateway.doctor_command import Finding, add_arguments, examine, run
from llm_gateway.iam_policy import iam_policy
from llm_gateway.sandbox.server import Sandbox
from llm_gateway.settings import Settings


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def settings_for(sandbox: Sandbox, *, key: str = "AKIDEXAMPLE", control: bool = True) -> Settings:
    given = {
        "aws_endpoint_url_bedrock_runtime": sandbox.url,
        "aws_access_key_id": key,
        "aws_secret_access_key": "secret",
    }
    return Settings.model_validate(given | ({"aws_endpoint_url_bedrock": sandbox.url} if control else {}))


def verdicts(findings: list[Finding]) -> dict[str, bool | None]:
    return {finding.subject: finding.good for finding in findings}


async def test_all_is_well_from_region_to_answer() -> None:
    told: list[Finding] = []
    async with Sandbox() as sandbox:
        findings = await examine(settings_for(sandbox), "nova-micro", told.append)
    assert verdicts(findings) == {"region": True, "endpoint": None, "credentials": True, "account": True, "model": True}
    assert told == findings
    assert "nova-micro answered as us.amazon.nova-micro-v1:0" in findings[-1].said


async def test_no_model_is_asked_where_that_is_not_wished() -> None:
    async with Sandbox() as sandbox:
        findings = await examine(settings_for(sandbox), None, lambda _: None)
        assert not sandbox.log
    assert "model" not in verdicts(findings)


async def test_a_denied_model_is_a_fault_and_lists_that_cannot_be_read_are_none() -> None:
    async with Sandbox() as sandbox:
        findings = await examine(settings_for(sandbox, key="DENIED1", control=False), "nova-micro", lambda _: None)
    assert verdicts(findings)["account"] is None
    assert verdicts(findings)["model"] is False


async def test_a_misspelt_model_is_named_with_the_closest() -> None:
    async with Sandbox() as sandbox:
        findings = await examine(settings_for(sandbox), "nova-mcro", lambda _: None)
    assert verdicts(findings)["model"] is False
    assert "nova-micro" in findings[-1].said


async def test_a_wrong_gateway_file_is_told_with_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    async with Sandbox() as sandbox:
        settings = settings_for(sandbox).model_copy(update={"gateway_file": file})
        file.write_text("routes: {fast: {targets: [nova-mcro]}}", encoding="utf-8")
        findings = await examine(settings, "nova-micro", lambda _: None)
        assert (verdicts(findings)["routes"], "model" in verdicts(findings)) == (False, False)
        assert f"{file}:1: routes.fast.targets[0].model: no model is called 'nova-mcro'" in findings[2].said
        file.write_text("routes: {fast: {targets: [nova-micro]}}", encoding="utf-8")
        findings = await examine(settings, "fast", lambda _: None)
    assert (verdicts(findings)["routes"], verdicts(findings)["model"]) == (True, True)


def test_the_policy_is_printed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert run(parser.parse_args(["--policy"]), Settings.model_validate({})) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(iam_policy())
    assert "bedrock:InvokeModelWithResponseStream" in printed["Statement"][0]["Action"]


def test_an_address_nobody_answers_at_is_shown_and_exits_with_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    unreachable = Settings.model_validate(
        {
            "aws_endpoint_url_bedrock_runtime": "http://127.0.0.1:9",
            "aws_access_key_id": "AKIDEXAMPLE",
            "aws_secret_access_key": "secret",
        }
    )
    assert run(parser.parse_args([]), unreachable) == 1
    shown = capsys.readouterr().out
    assert "FAIL  model" in shown
    assert "1 to mend" in shown
