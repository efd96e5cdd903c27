"""What is asked for, and what is locked."""

import re

import pytest
from checkout import PROJECT, read
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-dev.lock")
CLIENTS = {f"clients{more}": f"requirements-clients{more}.lock" for more in ("", "-strands", "-agents")}
PINNED = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)", re.MULTILINE)


def direct(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def locked(name: str) -> dict[str, str]:
    return dict(PINNED.findall(read(name)))


def test_requirements_txt_asks_for_what_pyproject_asks_for() -> None:
    assert direct(read("requirements.txt")) == PROJECT["project"]["dependencies"]


def test_every_direct_requirement_is_bounded_below_and_above() -> None:
    for words in PROJECT["project"]["dependencies"]:
        signs = {bound.operator for bound in Requirement(words).specifier}
        assert signs == {">=", "<"}, words


@pytest.mark.parametrize("lock", [*LOCKS, *CLIENTS.values()])
def test_every_locked_package_has_a_hash_and_nothing_names_an_index(lock: str) -> None:
    text = read(lock)
    for block in re.split(r"\n(?=[a-z0-9])", text.partition("make lock\n")[2]):
        assert "--hash=sha256:" in block, block
    assert not re.search(r"://|--(?:extra-)?index|--find-links|file:| @ ", text)


def test_the_locks_hold_what_is_asked_for() -> None:
    pinned = locked("requirements.lock")
    for words in PROJECT["project"]["dependencies"]:
        asked = Requirement(words)
        assert asked.specifier.contains(pinned[canonicalize_name(asked.name)]), words
    build, dev = locked("requirements-build.lock"), locked("requirements-dev.lock")
    for words in PROJECT["build-system"]["requires"] + PROJECT["dependency-groups"]["build"]:
        assert Requirement(words).specifier.contains(build["hatchling"])
    for words in PROJECT["dependency-groups"]["dev"]:
        if isinstance(words, str):
            asked = Requirement(words)
            assert asked.specifier.contains(dev[canonicalize_name(asked.name)]), words


@pytest.mark.parametrize(("group", "lock"), CLIENTS.items())
def test_the_clients_locks_hold_what_is_asked_for(group: str, lock: str) -> None:
    pinned = locked(lock)
    for words in PROJECT["dependency-groups"][group]:
        if isinstance(words, str):
            asked = Requirement(words)
            assert asked.specifier.contains(pinned[canonicalize_name(asked.name)]), words


def test_the_locks_agree_with_each_other() -> None:
    run, build, dev = (locked(lock) for lock in LOCKS)
    for one, other in ((run, build), (run, dev), (build, dev)):
        assert {name: one[name] for name in one.keys() & other} == {name: other[name] for name in one.keys() & other}
