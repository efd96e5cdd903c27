"""`.env.example` names every setting, as the code does."""

from pathlib import Path

from checkout import ROOT, read

from llm_gateway.settings import load_settings
from llm_gateway.settings_table import describe_settings, shown_values

HEAD = """\
# Settings of llm-gateway: copy this file to .env and remove the # of what you want to change.
# Variables of the environment come first, then .env, then the value that stands here. `llm-gateway settings` lists
# the values in force.
"""


def rendered() -> str:
    blocks = [HEAD]
    for row in describe_settings():
        allowed = f" [{row.allowed}]" if row.allowed else ""
        blocks.append(f"# {row.meaning}{allowed}\n#{row.variable}={row.default}\n")
    return "\n".join(blocks)


def test_the_example_lists_every_setting_with_its_meaning_and_default() -> None:
    assert read(".env.example") == rendered(), "python tests/packaging/test_env_example.py writes it anew"


def test_the_example_with_every_line_switched_on_changes_nothing(tmp_path: Path) -> None:
    lines = [line.removeprefix("#") for line in read(".env.example").splitlines() if not line.startswith("# ")]
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")
    unset = shown_values(load_settings(None))
    assert shown_values(load_settings(tmp_path / ".env")) == unset


if __name__ == "__main__":
    (ROOT / ".env.example").write_text(rendered(), encoding="utf-8")
