"""The rules of the house that import contracts and the linter cannot say."""

import ast
import shutil
import sys
from pathlib import Path

import pytest
from checkout import PROJECT, ROOT, read, run

SOURCE = ROOT / "src"
PACKAGE = SOURCE / "llm_gateway"
FILES = sorted(SOURCE.rglob("*.py"))
FORBIDDEN_NAMES = frozenset(
    ["utils", "helpers", "common", "core", "base", "manager", "handler", "service", "processor", "misc"]
)


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imported_by(file: Path) -> set[str]:
    """The names of all modules a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def named(file: Path) -> str:
    return str(file.relative_to(SOURCE))


def test_src_is_no_package() -> None:
    assert not (SOURCE / "__init__.py").exists()


def test_files_and_functions_stay_short() -> None:
    for file in FILES:
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 400, named(file)
        for node in ast.walk(tree_of(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.body[0].lineno < 50, f"{named(file)}: {node.name}"


def test_every_file_opens_with_its_label() -> None:
    for file in FILES:
        assert ast.get_docstring(tree_of(file)), named(file)


def test_an_init_holds_its_label_and_re_exports_nothing() -> None:
    for file in PACKAGE.glob("*/**/__init__.py"):
        assert len(tree_of(file).body) == 1, named(file)


def test_names_say_the_role() -> None:
    for file in FILES:
        assert file.stem not in FORBIDDEN_NAMES, named(file)


def test_no_file_bears_the_name_of_something_installed() -> None:
    installed = {"aiohttp", "boto3", "botocore", "cachetools", "fastmcp", "mcp", "orjson", "pydantic", "starlette"}
    for file in FILES:
        assert not installed & {file.stem, file.parent.name}, named(file)


def test_the_domain_and_the_gateway_need_the_standard_library_only() -> None:
    allowed = sys.stdlib_module_names | {"llm_gateway"}
    for file in [*PACKAGE.glob("domain/*.py"), PACKAGE / "gateway.py"]:
        assert {name.partition(".")[0] for name in imported_by(file)} <= allowed, named(file)


def test_only_the_bedrock_backend_imports_the_aws_libraries() -> None:
    for file in FILES:
        if file.is_relative_to(PACKAGE / "backends" / "bedrock"):
            continue
        assert not {name.partition(".")[0] for name in imported_by(file)} & {"boto3", "botocore"}, named(file)


def test_the_doorbell_only_rings_the_commands() -> None:
    assert {name for name in imported_by(SOURCE / "server.py") if "llm_gateway" in name} == {"llm_gateway.cli"}


def test_the_environment_is_read_at_the_top_of_the_house_only() -> None:
    readers = {
        named(file)
        for file in FILES
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    }
    assert "llm_gateway/settings.py" in readers
    assert not {reader for reader in readers if reader.count("/") > 1}, "only settings, commands and the start may"


@pytest.fixture
def copy_of_the_house(tmp_path: Path) -> Path:
    shutil.copytree(PACKAGE, tmp_path / "src" / "llm_gateway", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pyproject.toml").write_text(read("pyproject.toml"), encoding="utf-8")
    return tmp_path


VIOLATIONS = {
    "Arrows point down only": ("domain/cards.py", "import llm_gateway.catalog.closest"),
    "Surfaces ask the gateway, never its rooms": ("surfaces/encoding.py", "import llm_gateway.caching.memory_cache"),
    "The gateway knows its rooms by their contracts": ("reports.py", "import llm_gateway.backends.scripted"),
    "The domain and the gateway's story need the standard library only": ("gateway.py", "import orjson"),
    "Only the Bedrock backend knows botocore": ("telemetry/logs.py", "import botocore.session"),
    "The sandbox imports nothing of the gateway": ("sandbox/words.py", "import llm_gateway.domain.content"),
}


def test_each_import_contract_is_kept_here_and_bites(copy_of_the_house: Path) -> None:
    lint = [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache"]
    where = {"PYTHONPATH": str(copy_of_the_house / "src")}
    kept = run(lint, copy_of_the_house, where)
    assert kept.returncode == 0, kept.stdout + kept.stderr
    for file, line in VIOLATIONS.values():
        path = copy_of_the_house / "src" / "llm_gateway" / file
        path.write_text(path.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    broken = run(lint, copy_of_the_house, where)
    for contract in PROJECT["tool"]["importlinter"]["contracts"]:
        assert f"{contract['name']} BROKEN" in broken.stdout, broken.stdout + broken.stderr
