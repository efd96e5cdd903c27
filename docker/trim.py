"""Makes an installed site-packages folder small enough for the image: `python trim.py FOLDER [FOLDER …]`.

botocore describes some 440 services; the gateway needs Bedrock and what the credential chain asks (STS, SSO, sign-in).
Compiled files go too: they are half of the size. Nothing else that runs is touched.
"""

import shutil
import sys
from pathlib import Path

SERVICES = frozenset(("bedrock", "bedrock-runtime", "sso", "sso-oidc", "signin", "sts"))
_NEVER_RUN = ("*.pyi", "*.pyx", "*.pxd", "*.h", "*.c")


def trim(site_packages: Path) -> None:
    """Removes; a second time there is nothing left to do.

    Raises:
        FileNotFoundError: botocore, or a service that is needed, is not where it was.
    """
    data = site_packages / "botocore" / "data"
    missing = sorted(name for name in SERVICES if not (data / name).is_dir())
    if missing:
        raise FileNotFoundError(f"{data}: no {', '.join(missing)}")
    for entry in data.iterdir():
        if entry.is_dir() and entry.name not in SERVICES:
            shutil.rmtree(entry)
    for folder in [*site_packages.rglob("__pycache__"), *site_packages.rglob("tests")]:
        if folder.is_dir():
            shutil.rmtree(folder)
    for pattern in _NEVER_RUN:
        for file in site_packages.rglob(pattern):
            file.unlink()


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        trim(Path(folder))
