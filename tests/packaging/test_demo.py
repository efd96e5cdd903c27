"""`llm-gateway demo`: real processes, real MCP, the sandbox as Bedrock."""

import argparse
import io
import json
from pathlib import Path

import pytest
from checkout import WITHOUT_AWS, bare_environ, python, run

from llm_gateway import demo_command
from llm_gateway.demo_screen import WIDTH, Screen
from llm_gateway.demo_stage import DemoFailed, http_gateway, surroundings_on_aws, surroundings_on_sandbox
from llm_gateway.settings_table import describe_settings

HERS = {
    "AWS_ACCESS_KEY_ID": "AKIAHERS",
    "AWS_SECRET_ACCESS_KEY": "hers",
    "AWS_SESSION_TOKEN": "hers",
    "AWS_PROFILE": "hers",
    "AWS_BEARER_TOKEN_BEDROCK": "hers",
    "AWS_CONFIG_FILE": "/home/her/.aws/config",
}


def played(*words: str, environ: dict[str, str]) -> tuple[int, str]:
    parser = argparse.ArgumentParser()
    demo_command.add_arguments(parser)
    out = io.StringIO()
    return demo_command.run(parser.parse_args(words), environ=environ, stdout=out), out.getvalue()


def test_the_demo_shows_what_the_gateway_does() -> None:
    code, shown = played("--fast", environ=bare_environ(HERS | {"CACHE_ENABLED": "false", "LOG_LEVEL": "CRITICAL"}))
    assert code == 0, shown
    for model in demo_command.MODELS:
        assert f"  {model} " in shown
    assert "from the cache" in shown
    assert "model_not_found: no model is called 'nova-por'; closest: nova-pro" in shown
    assert "upstream_throttled" in shown
    assert "6: 4 answered, 2 refused" in shown
    assert "pieces:" in shown
    assert max(map(len, shown.splitlines())) <= WIDTH


def test_it_ends_with_a_block_for_claude_desktop_that_names_this_command() -> None:
    _, shown = played("--fast", environ=bare_environ())
    block = json.loads(shown[shown.index("    {\n") :])["mcpServers"]["llm-gateway"]
    assert Path(block["command"]).is_absolute()
    assert block["args"][-1] == "serve"
    assert run([block["command"], *block["args"][:-1], "--version"], Path.cwd()).returncode == 0


def test_without_credentials_the_demo_on_aws_says_so_and_fails(tmp_path: Path) -> None:
    done = run(python("-m", "llm_gateway", "demo", "--bedrock", "aws"), tmp_path)
    assert done.returncode == 1
    assert "upstream_auth_error: no AWS credentials were found" in done.stdout
    assert done.stderr.strip() == "llm-gateway demo: no model answered; the lines above say why"


def test_a_bad_setting_is_said_before_anything_starts(tmp_path: Path) -> None:
    done = run(python("-m", "llm_gateway", "demo", "--bedrock", "aws"), tmp_path, {"CACHE_TTL": "soon"})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "llm-gateway: CACHE_TTL='soon': must be a number, greater than 0\n"


async def test_a_server_that_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    around = surroundings_on_aws(bare_environ({"BEDROCK_IDLE_TIMEOUT": "never"}), tmp_path)
    with pytest.raises(DemoFailed, match=r"(?s)did not start.*BEDROCK_IDLE_TIMEOUT"):
        async with http_gateway(around):
            pass


def test_nothing_of_her_aws_reaches_the_sandbox_run(tmp_path: Path) -> None:
    settings = {row.variable: "hers" for row in describe_settings()}
    around = surroundings_on_sandbox({**HERS, **settings, "PATH": "/bin"}, tmp_path, "http://127.0.0.1:1")
    assert "hers" not in "".join(around.environ.values())
    assert "AKIAHERS" not in around.environ.values()
    assert around.environ["PATH"] == "/bin"
    assert set(WITHOUT_AWS) <= around.environ.keys()


def test_on_aws_her_environment_is_hers(tmp_path: Path) -> None:
    around = surroundings_on_aws(HERS, tmp_path)
    assert HERS.items() <= around.environ.items()


def test_running_text_breaks_at_blanks_and_stays_within_the_screen() -> None:
    out = io.StringIO()
    screen = Screen(out)
    pieces = ["Some words that come ", "in pieces, ", "again and again. "] * 9
    for piece in pieces:
        screen.piece(piece)
    screen.end_text()
    lines = out.getvalue().splitlines()
    assert len(lines) > 3
    assert all(line.startswith("  ") and len(line) <= WIDTH for line in lines)
    assert " ".join(lines).split() == "".join(pieces).split()
