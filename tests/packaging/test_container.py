"""What can be known of the image and of compose without an engine: every file is there, and the command works."""

import json
import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import ROOT, listening, python, read, run

DOCKERFILE = re.sub(r"\\\n", " ", "\n".join(line for line in read("Dockerfile").splitlines() if line[:1] != "#"))
COMPOSE: dict[str, Any] = yaml.safe_load(read("docker-compose.yml"))
SERVICES: dict[str, Any] = COMPOSE["services"]


def instructions(word: str) -> list[str]:
    return re.findall(rf"^{word}\s+(.*)$", DOCKERFILE, re.MULTILINE)


def copied_from_the_checkout() -> Iterator[str]:
    for words in instructions("COPY"):
        if "--from=" not in words:
            yield from words.split()[:-1]


def kept_from_the_build(path: str) -> bool:
    """Whether .dockerignore hides a path: the last line that speaks of it, or of a folder above it, decides."""
    hidden = False
    above = [path, *(str(folder) for folder in Path(path).parents if str(folder) != ".")]
    for line in read(".dockerignore").splitlines():
        pattern = line.strip().removeprefix("!")
        if pattern and not pattern.startswith("#") and any(fnmatch(part, pattern) for part in above):
            hidden = not line.startswith("!")
    return hidden


def test_every_file_that_is_copied_exists_and_reaches_the_build() -> None:
    copied = list(copied_from_the_checkout())
    assert "requirements.lock" in copied
    for path in copied:
        assert (ROOT / path).exists(), path
        assert not kept_from_the_build(path), path


@pytest.mark.parametrize("path", [".env", ".git/config", "tests/conftest.py", "src/llm_gateway/.env"])
def test_secrets_and_the_rest_stay_out_of_the_build(path: str) -> None:
    assert kept_from_the_build(path) or fnmatch(path, "**/.env")


def test_every_package_of_the_image_is_checked_against_its_hash() -> None:
    for line in instructions("RUN"):
        for command in re.findall(r"pip (?:--python \S+ )?install [^&]*", line):
            assert "--require-hashes" in command or "--no-deps --no-index" in command, command


def test_the_image_runs_as_nobody_in_particular() -> None:
    assert instructions("USER") == ["10001:10001"]
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert "USER 10001:10001" in last_stage
    assert "pip" not in last_stage.replace("pipe", "")


def words_of(instruction: str) -> list[str]:
    return json.loads(instructions(instruction)[0].partition("CMD ")[2] or instructions(instruction)[0])


def test_the_images_command_serves_and_its_health_check_says_so(tmp_path: Path) -> None:
    command = [word if word != "8080" else "0" for word in words_of("CMD")]
    check = words_of("HEALTHCHECK")
    assert words_of("ENTRYPOINT") == ["llm-gateway"]
    assert instructions("EXPOSE") == ["8080"]
    with listening(python("-m", "llm_gateway", *command), tmp_path, {"ALLOW_ANONYMOUS": "true"}) as url:
        script = check[-1].replace("http://127.0.0.1:8080", url)
        assert script != check[-1]
        assert run(python("-c", script), tmp_path).returncode == 0
    assert run(python("-c", script), tmp_path).returncode != 0, "healthy after its end"


def test_the_image_alone_opens_no_door(tmp_path: Path) -> None:
    refused = run(python("-m", "llm_gateway", *words_of("CMD")), tmp_path)
    assert refused.returncode == 2
    assert "ALLOW_ANONYMOUS=true" in refused.stderr


def test_compose_names_what_exists() -> None:
    for service in SERVICES.values():
        assert (ROOT / service["build"] / "Dockerfile").is_file()
        for mount in service.get("volumes", []):
            name = mount.partition(":")[0]
            assert name in COMPOSE["volumes"] or (ROOT / name).exists(), mount
        for file in service.get("env_file", []):
            assert (ROOT / file["path"]).exists() or file["required"] is False


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_fenced_in(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["mem_limit"]
    assert service["cpus"]
    assert service["pids_limit"]
    assert service["tmpfs"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "healthcheck" in service or instructions("HEALTHCHECK")


def test_compose_passes_credentials_on_and_holds_none() -> None:
    passed = SERVICES["gateway"]["environment"]
    assert {name for name, value in passed.items() if value} == {"ALLOW_ANONYMOUS"}
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"} <= passed.keys()


def test_the_sandbox_is_started_only_when_it_is_asked_for(tmp_path: Path) -> None:
    assert SERVICES["sandbox"]["profiles"] == ["sandbox"]
    assert "profiles" not in SERVICES["gateway"]
    known = run(python("-m", "llm_gateway", "sandbox", "--help"), tmp_path).stdout
    for word in SERVICES["sandbox"]["command"]:
        assert not word.startswith("--") or word in known
    port = SERVICES["sandbox"]["command"][-1]
    assert f":{port}:{port}" in SERVICES["sandbox"]["ports"][0]
    assert f":{port}/" in shlex.join(SERVICES["sandbox"]["healthcheck"]["test"])
