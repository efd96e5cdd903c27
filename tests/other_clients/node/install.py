"""Puts Node's clients into a folder: ``python install.py FOLDER``. The locked packages, and a Node that they take.

Without npm or Node it prints the reason and ends well: the tests that need them say so too.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
OLDEST = 22  # what openai's package asks for
QUIET = ("--no-audit", "--no-fund", "--loglevel=error")
LONGEST_S = 300  # for one step; npm itself may wait without an end


def install(folder: Path) -> str | None:
    """What is missing, if anything is."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return f"{'node' if node is None else 'npm'} is missing; Node's clients are left out"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    _run(folder, npm, "ci", "--engine-strict=false", *QUIET)
    told = json.loads(_run(folder, node, "-p", "JSON.stringify([process.version, process.platform, process.arch])"))
    version, platform, arch = told
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST:
        package = f"node-{platform}-{arch}"
        sys.stderr.write(f"Node {version} is too old for them; fetching {OLDEST} …\n")
        (folder / "runtime").mkdir()
        _run(folder, npm, "install", "--prefix", str(folder / "runtime"), f"{package}@{OLDEST}", *QUIET)
        node = str(folder / "runtime" / "node_modules" / package / "bin" / "node")
    (folder / "node").symlink_to(node)
    (folder / ".made").touch()
    return None


def _run(folder: Path, *words: str) -> str:
    return subprocess.run(words, cwd=folder, check=True, stdout=subprocess.PIPE, text=True, timeout=LONGEST_S).stdout


if __name__ == "__main__":
    try:
        missing = install(Path(sys.argv[1]).resolve())
    except (subprocess.SubprocessError, OSError) as fault:
        sys.exit(f"clients: Node's clients could not be installed: {fault}")
    if missing:
        sys.stderr.write(f"clients: {missing}\n")
