"""The parts of the README that are made from the code. ``python tests/readme/readme_parts.py`` writes them anew."""

import re
from datetime import date
from pathlib import Path

from llm_gateway.catalog.catalog import load_catalog
from llm_gateway.iam_policy import iam_policy
from llm_gateway.models_command import models_markdown
from llm_gateway.settings_table import describe_settings

README = Path(__file__).resolve().parents[2] / "README.md"
WRITTEN_ON = date(2026, 11, 21)  # a lifecycle changes with the day; raise it when the table is written anew


def settings_table() -> str:
    rows = ["| variable | default | meaning | allowed |", "|---|---|---|---|"]
    for row in describe_settings():
        default = f"`{row.default}`" if row.default else ""
        rows.append(f"| `{row.variable}` | {default} | {row.meaning} | {row.allowed} |")
    return "\n".join(rows)


def parts() -> dict[str, str]:
    return {
        "models": models_markdown(load_catalog(), WRITTEN_ON).strip(),
        "settings": settings_table(),
        "policy": f"```json\n{iam_policy()}\n```",
    }


def part(text: str, name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.DOTALL)
    assert found, f"README.md has no part {name}"
    return found.group(1).strip()


def written(text: str) -> str:
    for name, made in parts().items():
        before, _, rest = text.partition(f"<!-- {name} -->\n")
        _, _, after = rest.partition(f"<!-- /{name} -->")
        text = f"{before}<!-- {name} -->\n{made}\n<!-- /{name} -->{after}"
    return text


if __name__ == "__main__":
    README.write_text(written(README.read_text()))
