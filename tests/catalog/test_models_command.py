"""`llm-gateway models`."""

import argparse
import io
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from llm_gateway.backends.bedrock.account import AccountModel, AccountModels, AccountUnreadable
from llm_gateway.catalog.catalog import load_catalog
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.errors import ConfigurationError
from llm_gateway.models_check import compare_prices
from llm_gateway.models_command import ReadAccount, add_arguments, models_markdown, run
from llm_gateway.settings import Settings

TODAY = date(2026, 11, 21)


async def nothing_readable(region: str) -> AccountModels:
    raise AccountUnreadable(f"no credentials for {region}")


def ask(*words: str, models_file: Path | None = None, read_account: ReadAccount = nothing_readable) -> tuple[int, str]:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    out = io.StringIO()
    code = run(
        parser.parse_args(words),
        Settings(aws_region="us-east-1", models_file=models_file, _env_file=None),
        read_account=read_account,
        today=TODAY,
        stdout=out,
    )
    return code, out.getvalue()


def test_the_table_fits_a_terminal_of_120_columns() -> None:
    code, text = ask()
    assert code == 0
    assert max(len(line) for line in text.splitlines()) <= 120
    lines = {line.split()[0]: line for line in text.splitlines() if line}
    assert lines["nova-micro"].split() == [
        "nova-micro",
        "amazon.nova-micro-v1:0",
        "128k",
        "10k",
        "0.035",
        "0.14",
        "0.00875",
        "TC",
    ]
    assert "L 2027-03-30" in lines["llama-3-3-70b"]
    assert "R 2026-01-15" in lines["claude-3-opus"]
    assert "10M" in lines["llama-4-scout"]


def test_filters_choose_the_rows() -> None:
    _, text = ask("--provider", "amazon", "--capability", "reasoning", "--lifecycle", "active")
    assert "nova-2-lite" in text
    assert "nova-pro" not in text
    assert "2 models" in text


def test_a_filter_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"--provider is 'acme'; it must be one of .*anthropic"):
        ask("--provider", "acme")


def test_json_tells_everything(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text("[[model]]\nname='x'\nid='acme.x'\ncontext_window_tokens=500\nmax_output_tokens=5\n")
    _, text = ask("--json", models_file=own)
    cards = {card["name"]: card for card in json.loads(text)}
    assert cards["claude-haiku-4-5"]["usd_per_million_tokens"]["cache_write_1h"] == 2
    assert cards["claude-3-opus"]["lifecycle"] == {
        "status": "retired",
        "ends_on": "2026-01-15",
        "successor": "claude-opus-5-5",
        "note": "The end is given as about 2026-01-15.",
    }
    assert cards["x"]["usd_per_million_tokens"] is None
    _, table = ask("--provider", "acme", models_file=own)
    assert table.splitlines()[1].split() == ["x", "acme.x", "500", "5"]


def test_a_wrong_models_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        ask(models_file=tmp_path / "nowhere.toml")


def test_the_readmes_table_has_a_row_for_each_listed_model() -> None:
    catalog = load_catalog()
    rows = models_markdown(catalog, TODAY).splitlines()
    assert len(rows) == 2 + len(catalog.listing(today=TODAY))
    assert len({row.count("|") for row in rows}) == 1
    assert any("legacy until 2027-03-30 → gpt-oss-120b" in row for row in rows)
    assert any("retired on 2026-01-15 → claude-opus-5-5" in row for row in rows)
    assert any("| legacy → mistral-large-3 |" in row for row in rows)
    assert ask("--markdown")[1].splitlines() == rows


def test_a_check_names_each_price_that_another_source_gives_differently() -> None:
    code, text = ask("--check", "--provider", "amazon")
    assert code == 1
    assert "nova-lite: eu.amazon.nova-lite-v1:0" in text
    assert "input 0.078 / 0.06" in text
    assert "us.amazon.nova-lite-v1:0 (" not in text
    assert "apac.amazon.nova-2-lite-v1:0" in text  # not known there
    assert "nova-premier" not in text  # retired: nobody is billed for it
    assert "were not compared: no credentials for us-east-1" in text


def test_a_check_without_a_difference_is_exit_code_0() -> None:
    async def offers_nothing(region: str) -> AccountModels:
        return AccountModels(region, (), ())

    code, text = ask("--check", "--provider", "deepseek", "--lifecycle", "legacy", read_account=offers_nothing)
    assert code == 0
    assert "No differences." in text
    assert "Not in this region's list (no fault)" in text


def test_a_check_counts_the_accounts_own_differences() -> None:
    async def offers_news(region: str) -> AccountModels:
        news = AccountModel(id="acme.new-model", provider="Acme", status="active", output_modalities=("TEXT",))
        return AccountModels(region, (news,), ())

    code, text = ask("--check", "--provider", "deepseek", "--lifecycle", "legacy", read_account=offers_news)
    assert code == 1
    assert "Not in this region's list" in text
    assert "acme.new-model is in the account's list, but not in the catalog" in text


def test_a_check_asks_the_control_plane_that_the_settings_name() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    out = io.StringIO()
    settings = Settings(
        aws_access_key_id=SecretStr("AKIDEXAMPLE"),
        aws_secret_access_key=SecretStr("not-a-secret"),
        aws_endpoint_url_bedrock="http://127.0.0.1:9",  # nobody listens there
        _env_file=None,
    )
    assert (
        run(parser.parse_args(["--check", "--provider", "deepseek", "--lifecycle", "legacy"]), settings, stdout=out)
        == 0
    )
    assert "were not compared: Bedrock's control plane in us-east-1 did not answer" in out.getvalue()


def test_every_class_and_step_of_a_price_is_compared() -> None:
    class Dearer:
        """A source where everything costs a dollar a token."""

        def lookup(self, usage: Usage, invoked_id: str) -> tuple[str, Decimal] | None:
            if invoked_id.startswith("us."):
                return None
            return "acme", Decimal(usage.total_tokens)

    card = load_catalog().get("claude-sonnet-4-5")
    assert card is not None
    report = compare_prices([card], Dearer(), region="us-east-1")
    found = {one.price_class: one for one in report.differences if one.invoked_id == card.id}
    assert found["input above 200k"].ours_per_mtok == 6
    assert set(found) == {
        "input",
        "output",
        "cache read",
        "cache write 5m",
        "cache write 1h",
        "input above 200k",
    }
    assert {one.theirs_per_mtok for one in found.values()} == {Decimal(10) ** 6}
    assert report.unknown == (f"us.{card.id}",)
    assert report.compared == 6
