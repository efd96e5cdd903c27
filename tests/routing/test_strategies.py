"""Each strategy puts targets in order by one thing only; equal ones are drawn by lot."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from houses import ask
from llm_gateway.backends.scripted import Scripted
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.content import Message, Text
from llm_gateway.domain.requests import GenerateRequest
from llm_gateway.domain.routes import Place, Target
from llm_gateway.routing.contract import Snapshot, TargetView
from llm_gateway.routing.strategies import known
from routing.crossroads import crossroads, route, table

NAMES = ("ordered", "weighted", "least-busy", "usage", "latency", "cheapest", "sticky")
PLAIN = TargetView(key="a", weight=1.0, in_flight=0, quota_left=1.0, first_token_ms=None)


def order(name: str, *targets: TargetView, draws: tuple[float, ...] | None = None) -> list[int]:
    return list(known.strategy(name).order(Snapshot(targets, draws or (0.5,) * len(targets))))


views = st.builds(
    TargetView,
    key=st.text(max_size=3),
    weight=st.floats(0, 10),
    in_flight=st.integers(0, 50),
    quota_left=st.floats(0, 1),
    first_token_ms=st.none() | st.floats(0, 5000),
    expected_nano_usd=st.none() | st.integers(0, 10**9),
    warm_tokens=st.integers(0, 1000),
    was_last=st.booleans(),
)


@pytest.mark.parametrize("name", NAMES)
@given(targets=st.lists(views, min_size=1, max_size=6), seed=st.integers())
def test_a_strategy_gives_each_target_once_and_can_say_why(name: str, targets: list[TargetView], seed: int) -> None:
    luck = random.Random(seed)
    snapshot = Snapshot(tuple(targets), tuple([luck.random() for _ in targets]))
    strategy = known.strategy(name)
    found = list(strategy.order(snapshot))
    assert sorted(found) == list(range(len(targets)))
    assert strategy.why(snapshot, found[0])


def test_ordered_keeps_the_order_of_the_file() -> None:
    assert order("ordered", PLAIN._replace(in_flight=9), PLAIN) == [0, 1]


def test_weights_are_shares() -> None:
    luck = random.Random(7)
    targets = (PLAIN._replace(weight=3.0), PLAIN, PLAIN._replace(weight=0.0))
    first = Counter(
        order("weighted", *targets, draws=(luck.random(), luck.random(), luck.random()))[0] for _ in range(4000)
    )
    assert 0.72 < first[0] / 4000 < 0.78
    assert first[2] == 0


def test_the_least_busy_has_the_fewest_calls_under_way() -> None:
    assert order(
        "least-busy", PLAIN._replace(in_flight=3), PLAIN._replace(in_flight=1), PLAIN._replace(in_flight=2)
    ) == [1, 2, 0]
    assert order("least-busy", PLAIN, PLAIN, draws=(0.9, 0.1)) == [1, 0]


def test_usage_goes_where_most_of_the_quota_is_left() -> None:
    assert order("usage", PLAIN._replace(quota_left=0.2), PLAIN._replace(quota_left=0.7)) == [1, 0]


def test_latency_tries_what_it_does_not_know_and_then_the_quickest() -> None:
    slow, quick = PLAIN._replace(first_token_ms=900.0), PLAIN._replace(first_token_ms=200.0)
    assert order("latency", slow, quick, PLAIN) == [2, 1, 0]


def test_the_cheapest_has_a_known_price() -> None:
    dear, cheap = PLAIN._replace(expected_nano_usd=900), PLAIN._replace(expected_nano_usd=100)
    assert order("cheapest", PLAIN, dear, cheap) == [2, 1, 0]


def test_a_conversation_sticks_where_it_was() -> None:
    assert order("sticky", PLAIN, PLAIN._replace(was_last=True, in_flight=9)) == [1, 0]


HAIKU = tuple(
    Target(model="claude-haiku-4.5", place=Place(region)) for region in ("us-east-1", "us-west-2", "us-east-2")
)
WARM = Scripted(usage=Usage(10, 5, cache_read_tokens=4000))


def turns(*texts: str) -> GenerateRequest:
    """A conversation that begins with the first text."""
    said = [Message("user" if at % 2 == 0 else "assistant", (Text(text),)) for at, text in enumerate(texts)]
    return GenerateRequest(model="chat", messages=tuple(said), cache="bypass")


async def test_a_sticky_route_brings_a_conversation_back_to_its_region() -> None:
    house = crossroads(table(route("chat", *HAIKU, strategy="sticky")), lots=(0.9, 0.5, 0.1))
    first = await house.gateway.generate(turns("Hello"), request_id="req_1")
    again = await house.gateway.generate(turns("Hello", "Hi", "And now?"), request_id="req_2")
    assert first.way is not None
    assert again.way is not None
    assert again.way["target"] == first.way["target"]
    assert again.way["why"] == "sticky: this conversation was here before"


async def test_the_cheapest_target_is_the_one_that_holds_the_prompt_in_its_cache() -> None:
    house = crossroads(table(route("chat", *HAIKU, strategy="cheapest")), {"claude-haiku-4-5": [WARM]})
    long = "word " * 4000
    first = await house.gateway.generate(turns(long), request_id="req_1")
    again = await house.gateway.generate(turns(long, "Hi", "And now?"), request_id="req_2")
    assert first.way is not None
    assert again.way is not None
    assert again.way["target"] == first.way["target"]


async def test_a_model_that_costs_less_is_cheaper() -> None:
    house = crossroads(table(route("chat", "claude-sonnet-4.5", "nova-micro", "nova-pro", strategy="cheapest")))
    told = await house.gateway.generate(ask(model="chat"), request_id="req_1")
    assert told.model == "nova-micro"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two packages beside, each with a strategy."""
    (tmp_path / "their_strategies.py").write_text(
        "def last(snapshot):\n    return [len(snapshot.targets) - 1, 99, 0]\n"
        "def broken(snapshot):\n    raise ValueError('no')\n"
    )
    home = tmp_path / "theirs-1.0.dist-info"
    home.mkdir()
    (home / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (home / "entry_points.txt").write_text(
        "[llm_gateway.strategies]\nlast = their_strategies:last\nbroken = their_strategies:broken\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


async def test_a_strategy_of_another_package_is_asked(installed: None) -> None:
    assert "last" in known.names()
    house = crossroads(table(route("chat", "nova-pro", "nova-lite", "nova-micro", strategy="last")))
    told = await house.gateway.generate(ask(model="chat"), request_id="req_1")
    assert told.model == "nova-micro"
    assert told.way is not None
    assert told.way["candidates"] == ["us.amazon.nova-micro-v1:0", "us.amazon.nova-pro-v1:0"]


async def test_a_strategy_that_fails_leaves_the_order_of_the_file(installed: None) -> None:
    house = crossroads(table(route("chat", "nova-pro", "nova-lite", strategy="broken")))
    assert (await house.gateway.generate(ask(model="chat"), request_id="req_1")).model == "nova-pro"
    assert ("strategy_failed", {"strategy": "broken", "error": "ValueError"}) in house.news
