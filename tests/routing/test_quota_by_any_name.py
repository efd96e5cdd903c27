"""A target has one quota, by whichever name it is asked."""

from typing import Any

from houses import ask
from llm_gateway.domain.routes import Target, TargetLimits
from routing.crossroads import Crossroads, crossroads, route, table

KEY = "us.amazon.nova-pro-v1:0"
LIMITED = table(route("chat", Target(model="nova-pro", limits=TargetLimits(rpm=10))))


async def rpm_left(house: Crossroads, model: str) -> int | None:
    await house.gateway.generate(ask(model, model=model, cache="bypass"), request_id="req_1")
    told: Any = house.router.told()["targets"]
    return told[KEY]["quota"]["rpm_left"] if "quota" in told[KEY] else None


async def test_the_routes_name_and_the_models_own_draw_on_one_quota() -> None:
    house = crossroads(LIMITED)
    assert [await rpm_left(house, name) for name in ("nova-pro", "chat", KEY, "chat")] == [9, 8, 7, 6]


async def test_a_quota_that_stays_keeps_its_level_and_another_begins_anew() -> None:
    house = crossroads(LIMITED)
    assert await rpm_left(house, "chat") == 9
    house.router.replace(LIMITED)
    assert await rpm_left(house, "chat") == 8
    house.router.replace(table(route("chat", Target(model="nova-pro", limits=TargetLimits(rpm=5)))))
    assert await rpm_left(house, "chat") == 4
    house.router.replace(table(route("chat", "nova-pro")))
    assert await rpm_left(house, "chat") is None


def test_targets_are_told_before_anybody_asks_them_and_one_that_is_gone_hides_no_other() -> None:
    gone = route("old", "a-model-that-is-no-more")
    house = crossroads(table(*LIMITED.routes.values(), gone))
    told: Any = house.router.told()
    assert (told["routes"]["chat"]["targets"], told["targets"][KEY]["quota"]["rpm_left"]) == ([KEY], 10)
    assert "no model is called 'a-model-that-is-no-more'" in told["routes"]["old"]["error"]
