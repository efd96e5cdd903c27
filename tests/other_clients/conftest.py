"""One sandbox and one gateway for all tests of a run; each test hears what its client and the gateway said."""

from collections.abc import Iterator

import pytest
from listener import Listener, listening_between
from served import gateway, sandbox


@pytest.fixture(scope="session")
def bedrock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sandbox(tmp_path_factory.mktemp("sandbox")) as url:
        yield url


@pytest.fixture(scope="session")
def served(bedrock: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The gateway's own address."""
    with gateway(bedrock, tmp_path_factory.mktemp("gateway")) as url:
        yield url


@pytest.fixture(scope="session")
def _between(served: str) -> Iterator[Listener]:
    with listening_between(served) as listener:
        yield listener


@pytest.fixture
def heard(_between: Listener) -> Iterator[Listener]:
    """The gateway's address, and what was said there; all of it has OpenAI's published form."""
    from wire_form import check_form

    _between.exchanges.clear()
    yield _between
    _between.wait_for_ends()
    assert _between.exchanges
    assert not _between.faults
    for exchange in _between.exchanges:
        check_form(exchange)


@pytest.fixture
def v1(heard: Listener) -> str:
    """The base URL that a client is given."""
    return f"{heard.url}/v1"
