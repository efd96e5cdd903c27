"""The Makefile and the CI script: what a stranger can type."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from checkout import ROOT, bare_environ, read

TARGETS = [
    "help",
    "demo",
    "test",
    "bench",
    "lint",
    "types",
    "contracts",
    "format",
    "lock",
    "wheel",
    "packages",
    "clients",
    "clean",
]


def make(*words: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in bare_environ().items() if not name.startswith("MAKE")}
    return subprocess.run(["make", "-C", str(ROOT), *words], env=environ, capture_output=True, text=True, timeout=60)


def test_make_alone_says_what_there_is() -> None:
    told = make("--no-print-directory")
    assert told.returncode == 0, told.stderr
    for target in TARGETS:
        assert re.search(rf"^  make {target} +\S", told.stdout, re.MULTILINE), target


def test_without_a_fitting_python_make_says_so_in_one_line(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    told = make("--no-print-directory", "PYTHON=no-such-python", f"VENV={venv}", f"{venv}/.made")
    assert told.returncode == 2
    first = told.stderr.splitlines()[0]
    assert "no Python >= 3.11" in first
    assert "no-such-python" in first
    assert not venv.exists()


@pytest.mark.parametrize("name", ["Makefile", ".ci/run", "Dockerfile", "docker-compose.yml", "requirements.txt"])
def test_no_package_index_is_named(name: str) -> None:
    assert not re.search(r"--(?:extra-)?index|--find-links|simple/|https?://(?!127\.0\.0\.1|sandbox)", read(name))


def test_ci_runs_every_check() -> None:
    script = read(".ci/run")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    for target in ("test", "lint", "types", "contracts", "packages", "clients"):
        assert re.search(rf"^stage {target} ", script, re.MULTILINE), target
