"""What the tests of the gateway file share: an environment without settings, and a file to write to."""

from pathlib import Path

import pytest
from file_house import Write

from llm_gateway.settings import Settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of this name into the folder that the test runs in."""

    def written(text: str, name: str = "gateway.yaml") -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return Path(name)

    return written
