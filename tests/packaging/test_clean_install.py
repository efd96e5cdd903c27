"""What the Dockerfile does, done here: hashed packages into a clean environment, the wheel, the cut, and its use.

These tests ask the package index (`make packages`); they are not part of `make test`.
"""

import shutil
import sys
from pathlib import Path

import pytest
from checkout import ROOT, WITHOUT_AWS, listening, python, run

pytestmark = pytest.mark.from_index

LARGEST_MB = 85  # uncompressed; the image adds 45 MB of Alpine Linux with Python
SYMBOLS_MB = 35  # where there is no `strip` to take them away
STRIP = shutil.which("strip")
SERVICES = ("bedrock", "bedrock-runtime", "sts", "sso", "sso-oidc", "signin")
PROFILES = """\
[profile single-sign-on]
sso_session = one
sso_account_id = 111122223333
sso_role_name = reader
region = us-west-2
[sso-session one]
sso_region = us-east-1
sso_start_url = https://example.awsapps.com/start
[profile role]
role_arn = arn:aws:iam::111122223333:role/reader
credential_source = Environment
[profile process]
credential_process = echo '{"Version": 1, "AccessKeyId": "one", "SecretAccessKey": "two"}'
"""
ASK_BOTOCORE = f"""
import botocore.session
for service in {SERVICES}:
    keys = dict(aws_access_key_id="a", aws_secret_access_key="b")
    client = botocore.session.Session().create_client(service, "us-east-1", **keys)
    assert client.meta.endpoint_url.startswith("https://"), service
def credentials(profile):
    return botocore.session.Session(profile=profile).get_credentials()
assert credentials("single-sign-on").method == "sso"
assert credentials("role").method == "assume-role"
assert credentials("process").get_frozen_credentials().access_key == "one"
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the image's /app, made by the Dockerfile's steps."""
    folder = tmp_path_factory.mktemp("image")
    app, dist = folder / "app", folder / "dist"
    pip = python("-m", "pip", "--disable-pip-version-check", "--quiet")
    into_app = [*pip, "--python", app / "bin" / "python", "install", "--no-compile"]
    hashed = ["--require-hashes", "--no-deps", "-r", ROOT / "requirements.lock"]
    for words in (
        python("-m", "venv", "--without-pip", app),
        [*into_app, *hashed],
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", dist, ROOT],
    ):
        done = run(words, folder)
        assert done.returncode == 0, done.stderr
    done = run([*into_app, "--no-deps", "--no-index", next(dist.glob("*.whl"))], folder)
    assert done.returncode == 0, done.stderr
    done = run(python(ROOT / "docker" / "trim.py", *app.glob("lib/python*/site-packages")), folder)
    assert done.returncode == 0, done.stderr
    if STRIP is not None:
        done = run([STRIP, "--strip-unneeded", *app.rglob("*.so")], folder)
        assert done.returncode == 0, done.stderr
    return app


def test_what_is_left_is_small(image: Path) -> None:
    megabytes = sum(file.stat().st_size for file in image.rglob("*") if file.is_file() and not file.is_symlink()) / 1e6
    sys.stdout.write(f"{megabytes:.1f} MB\n")
    assert megabytes < LARGEST_MB + (SYMBOLS_MB if STRIP is None else 0)


def test_the_demo_plays_on_what_is_left(image: Path, tmp_path: Path) -> None:
    done = run([image / "bin" / "llm-gateway", "demo", "--fast"], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_commands_work_from_elsewhere(image: Path, tmp_path: Path) -> None:
    command = image / "bin" / "llm-gateway"
    assert run([command, "--version"], tmp_path).stdout.startswith("llm-gateway ")
    assert "nova-lite" in run([command, "models"], tmp_path).stdout
    assert "CACHE_TTL=3600" in run([command, "settings"], tmp_path).stdout


def test_it_serves_http(image: Path, tmp_path: Path) -> None:
    serve = [image / "bin" / "llm-gateway", "serve", "--transport", "http", "--host", "0.0.0.0", "--port", "0"]
    with listening(serve, tmp_path, {"ALLOW_ANONYMOUS": "true"}) as url:
        ask = f"import urllib.request as u; print(u.urlopen('{url}/health', timeout=4).read().decode())"
        assert "healthy" in run([image / "bin" / "python", "-c", ask], tmp_path).stdout


def test_sessions_credentials_and_clients_survive_the_cut(image: Path, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(PROFILES, encoding="utf-8")
    hers = {
        "AWS_CONFIG_FILE": str(config),
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "HOME": str(tmp_path),
    }
    done = run([image / "bin" / "python", "-c", ASK_BOTOCORE], tmp_path, {**WITHOUT_AWS, **hers})
    assert done.returncode == 0, done.stderr


def test_a_bare_checkout_serves_after_pip_install_of_requirements_txt(image: Path, tmp_path: Path) -> None:
    """The image's packages satisfy requirements.txt, so they stand for its installation."""
    python_there = image / "bin" / "python"
    words = [python_there, "-m", "src.server", "--transport", "http", "--port", "0"]
    with listening(words, ROOT, {}) as url:
        assert url.startswith("http://127.0.0.1:")
