"""The wheel: built and used without a network, from a folder that is not the checkout."""

import sys
import zipfile
from pathlib import Path

import pytest
from checkout import ROOT, python, run


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    built = run(python("-m", "hatchling", "build", "--target", "wheel", "--directory", folder), ROOT)
    assert built.returncode == 0, built.stdout + built.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_package_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    package = ROOT / "src" / "llm_gateway"
    files = [file for file in package.rglob("*") if file.is_file() and file.suffix not in (".pyc", ".pyo")]
    assert {str(file.relative_to(ROOT / "src")) for file in files} <= held
    assert "llm_gateway/py.typed" in held
    assert any(name.startswith("llm_gateway/catalog/cards/") for name in held)
    assert "for_agents/llm_node.py" in held
    kinds = {name.partition("/")[0].partition("-")[0] for name in held}
    assert kinds == {"llm_gateway", "for_agents", "bedrock_llm_gateway"}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in held)


def test_the_command_works_from_elsewhere(wheel: Path, tmp_path: Path) -> None:
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    pip = python("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", installed, wheel)
    done = run(pip, elsewhere, {"PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    assert done.returncode == 0, done.stderr
    where = {"PYTHONPATH": str(installed), "COVERAGE_PROCESS_CONFIG": ""}  # this copy is not to be measured
    home = run(python("-c", "import llm_gateway; print(llm_gateway.__file__)"), elsewhere, where)
    assert home.stdout.startswith(str(installed))
    command = installed / "bin" / "llm-gateway"
    assert run([command, "--version"], elsewhere, where).stdout.startswith("llm-gateway ")
    assert "nova-lite" in run([command, "models"], elsewhere, where).stdout
    assert "CACHE_TTL=3600" in run([command, "settings"], elsewhere, where).stdout
    assert run([sys.executable, "-m", "llm_gateway.sandbox", "--help"], elsewhere, where).returncode == 0
