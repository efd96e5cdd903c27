"""One request with several candidates: who is asked, in which order, how often, and what the caller hears."""

import asyncio

import pytest

from houses import ask
from llm_gateway.access.contract import OpenGate
from llm_gateway.backends.scripted import Scripted
from llm_gateway.domain.callers import Caller
from llm_gateway.domain.completions import Generation, Usage
from llm_gateway.domain.content import Media, Message, Text
from llm_gateway.domain.errors import (
    AllCandidatesFailed,
    BackendGarbled,
    BackendRefused,
    BackendThrottled,
    BackendTimeout,
    BackendUnavailable,
    ContextTooLong,
    GatewayError,
    InvalidRequest,
    ModelNotAllowed,
    UnknownModel,
    UnsupportedFeature,
)
from llm_gateway.domain.remedies import FELL_SILENT
from llm_gateway.domain.requests import GenerateRequest, ReasoningWish, ResolvedModel, ToolSpec
from llm_gateway.domain.routes import Place, Policy, Target, TargetLimits
from routing.crossroads import Crossroads, always, crossroads, fails, route, table

TWO = route("chat", "nova-pro", "nova-lite")


def throttled(after_s: float | None = None) -> BackendThrottled:
    return BackendThrottled("busy", model="m", asks_wait_s=after_s)


def sick() -> BackendUnavailable:
    return BackendUnavailable("sick", model="m", code="upstream_error")


async def generate(
    house: Crossroads, request: GenerateRequest | None = None, caller: Caller | None = None
) -> Generation:
    return await house.gateway.generate(request or ask(model="chat"), request_id="req_1", caller=caller or Caller())


async def test_the_first_target_answers_while_it_can() -> None:
    house = crossroads(table(TWO))
    told = await generate(house)
    assert house.backend.asked == ["nova-pro"]
    assert told.model == "nova-pro"
    assert told.way is not None
    assert (told.way["route"], told.way["target"]) == ("chat", "us.amazon.nova-pro-v1:0")


async def test_a_throttle_goes_to_another_target_at_once() -> None:
    house = crossroads(table(TWO), {"nova-pro": always(throttled())})
    told = await generate(house)
    assert house.backend.asked == ["nova-pro", "nova-lite"]
    assert not house.clock.waits
    assert told.model == "nova-lite"
    assert any("nova-lite answered in the place of nova-pro" in warning for warning in told.warnings)


async def test_a_throttled_model_without_others_is_asked_again_after_a_pause_of_full_jitter() -> None:
    house = crossroads(table(), {"nova-lite": fails(throttled(), times=2)}, draw=0.5)
    await generate(house, ask())
    assert house.backend.asked == ["nova-lite"] * 3
    assert house.clock.waits == [0.5, 1.0]


async def test_a_pause_is_never_shorter_than_aws_asks_for() -> None:
    house = crossroads(table(), {"nova-lite": fails(throttled(3.0))}, draw=0.0)
    await generate(house, ask())
    assert house.clock.waits == [3.0]


async def test_nobody_waits_beyond_the_deadline() -> None:
    house = crossroads(table(policy=Policy(timeout_s=10)), {"nova-lite": always(throttled(60.0))})
    with pytest.raises(BackendThrottled) as refused:
        await generate(house, ask())
    assert house.backend.asked == ["nova-lite"]
    assert not house.clock.waits
    assert refused.value.way is not None


async def test_a_fault_is_repeated_at_its_target_but_the_last_attempt_is_for_another() -> None:
    house = crossroads(table(TWO), {"nova-pro": always(sick())})
    told = await generate(house)
    assert house.backend.asked == ["nova-pro", "nova-pro", "nova-lite"]
    assert told.way is not None
    attempts = told.way["attempts"]
    assert isinstance(attempts, list)
    assert [each["outcome"] for each in attempts] == ["upstream_error", "upstream_error", "ok"]


async def test_there_are_three_attempts_over_all_targets() -> None:
    chain = route("chat", "nova-pro", "nova-lite", fallbacks=("nova-micro", "claude-haiku-4.5"))
    house = crossroads(table(chain), {name: always(throttled()) for name in ("nova-pro", "nova-lite", "nova-micro")})
    with pytest.raises(BackendThrottled):
        await generate(house)
    assert house.backend.asked == ["nova-pro", "nova-lite", "nova-micro"]


async def test_all_that_failed_is_told_where_they_did_not_fail_alike() -> None:
    house = crossroads(table(TWO), {"nova-pro": always(throttled()), "nova-lite": always(sick())})
    with pytest.raises(AllCandidatesFailed) as failed:
        await generate(house)
    told = {each["target"]: each["code"] for each in failed.value.failures}
    assert told == {"us.amazon.nova-pro-v1:0": "upstream_throttled", "us.amazon.nova-lite-v1:0": "upstream_error"}


async def test_what_may_have_been_paid_for_is_not_repeated_at_its_target_and_falls_once() -> None:
    silence = BackendTimeout("silent", model="m", spent=Usage(10, 0, estimated=True))
    three = route("chat", "nova-pro", "nova-lite", "nova-micro")
    house = crossroads(table(three), {"nova-pro": always(silence), "nova-lite": always(silence)})
    with pytest.raises(BackendTimeout):
        await generate(house)
    assert house.backend.asked == ["nova-pro", "nova-lite"]
    assert [attempt.outcome for attempt in house.notebook.attempts] == ["upstream_timeout"] * 2


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("wrong", field="messages"),
        BackendTimeout("fell silent", model="m", remedy=FELL_SILENT),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_some_faults_are_neither_repeated_nor_given_to_another(error: GatewayError) -> None:
    house = crossroads(table(TWO), {"nova-pro": always(error)})
    with pytest.raises(type(error)):
        await generate(house)
    assert house.backend.asked == ["nova-pro"]


async def test_a_refusal_of_our_credentials_goes_to_another_target_only() -> None:
    house = crossroads(table(TWO), {"nova-pro": always(BackendRefused("no", model="m"))})
    await generate(house)
    assert house.backend.asked == ["nova-pro", "nova-lite"]


async def test_an_answer_that_breaks_before_anybody_has_any_of_it_is_asked_for_once_more() -> None:
    broken = Scripted(error=BackendGarbled("cut", model="m", spent=Usage(10, 2, estimated=True)))
    house = crossroads(table(), {"nova-lite": [broken, Scripted()]})
    told = await generate(house, ask())
    assert house.backend.asked == ["nova-lite"] * 2
    assert told.completion.blocks == (Text("Hello there"),)
    assert [attempt.outcome for attempt in house.notebook.attempts] == ["upstream_protocol_error", "ok"]


async def test_nothing_is_repeated_once_a_part_of_it_was_delivered() -> None:
    broken = Scripted(error=BackendGarbled("cut", model="m", spent=Usage(10, 2, estimated=True)))
    house = crossroads(table(TWO), {"nova-pro": [broken, Scripted()]})
    heard: list[object] = []

    async def hear(deltas: object) -> None:
        heard.append(deltas)

    with pytest.raises(BackendGarbled):
        await house.gateway.generate(ask(model="chat"), request_id="req_1", on_deltas=hear)
    assert heard
    assert house.backend.asked == ["nova-pro"]


async def test_a_stand_in_s_answer_is_not_kept_as_the_asked_model_s() -> None:
    house = crossroads(table(TWO), {"nova-pro": fails(throttled())})
    assert (await generate(house)).model == "nova-lite"
    house.clock.now += 10
    second = await generate(house)
    assert (second.model, second.cached) == ("nova-pro", False)
    assert (await generate(house)).cached


async def test_a_target_that_was_throttled_is_left_alone_for_a_while() -> None:
    house = crossroads(table(TWO), {"nova-pro": fails(throttled())}, draw=1.0)
    await generate(house)
    assert (await generate(house, ask("Again", model="chat"))).model == "nova-lite"
    house.clock.now += 1.5
    assert (await generate(house, ask("And again", model="chat"))).model == "nova-pro"


async def test_a_breaker_opens_after_the_allowed_fails_and_one_call_finds_out() -> None:
    once = route("chat", "nova-pro", "nova-lite", policy=Policy(attempts=1, allowed_fails=3, cooldown_s=30))
    house = crossroads(table(once), {"nova-pro": fails(sick(), times=3)})
    for number in range(3):
        with pytest.raises(BackendUnavailable):
            await generate(house, ask(f"{number}", model="chat"))
    assert (await generate(house, ask("open", model="chat"))).model == "nova-lite"
    house.clock.now += 31
    assert (await generate(house, ask("probe", model="chat"))).model == "nova-pro"
    assert (await generate(house, ask("closed", model="chat"))).model == "nova-pro"


async def test_an_operator_hears_of_breakers_and_refusals() -> None:
    once = table(policy=Policy(attempts=1, allowed_fails=2, cooldown_s=30))
    house = crossroads(once, {"nova-lite": fails(BackendRefused("no", model="m"), times=2)})
    for number in range(2):
        with pytest.raises(BackendRefused):
            await generate(house, ask(f"{number}"))
    house.clock.now += 31
    await generate(house, ask("probe"))
    told = [(event, facts["target"]) for event, facts in house.news]
    target = "us.amazon.nova-lite-v1:0"
    assert told == [("target_refused", target), ("breaker_opened", target), ("breaker_closed", target)]


async def test_an_open_breaker_answers_by_itself_where_there_is_no_other_target() -> None:
    house = crossroads(table(policy=Policy(attempts=1, allowed_fails=2)), {"nova-lite": always(sick())})
    for number in range(2):
        with pytest.raises(BackendUnavailable, match="sick"):
            await generate(house, ask(f"{number}"))
    with pytest.raises(BackendUnavailable, match="failed too often") as refused:
        await generate(house, ask("open"))
    assert (refused.value.code, refused.value.retry_after_s) == ("upstream_unavailable", 30)
    assert len(house.backend.asked) == 2


async def test_a_throttled_target_is_asked_by_fewer_at_once() -> None:
    house = crossroads(table(), {"nova-lite": fails(throttled())})
    await generate(house, ask())
    targets = house.router.told()["targets"]
    assert isinstance(targets, dict)
    assert targets["us.amazon.nova-lite-v1:0"]["quota"]["at_once"] == 5


async def test_throttles_never_open_a_breaker() -> None:
    house = crossroads(table(policy=Policy(attempts=1, allowed_fails=2)), {"nova-lite": always(throttled())})
    for number in range(30):
        with pytest.raises(BackendThrottled):
            await generate(house, ask(f"{number}"))
    assert len(house.backend.asked) == 30


async def test_the_budget_of_retries_ends_them_all() -> None:
    house = crossroads(table(), {"nova-lite": always(sick())}, budget=0)
    for number in range(10):
        with pytest.raises(BackendUnavailable):
            await generate(house, ask(f"{number}"))
    assert len(house.backend.asked) <= 12


async def test_a_thousand_throttled_requests_are_no_storm() -> None:
    house = crossroads(
        table(TWO), {"nova-pro": always(throttled()), "nova-lite": always(throttled())}, draw=0.0, budget=10
    )
    asking = [generate(house, ask(f"{number}", model="chat")) for number in range(1000)]
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(answer) for answer in answers} == {BackendThrottled}
    assert len(house.backend.asked) <= 1200


async def test_a_conversation_that_is_too_long_goes_to_the_larger_model() -> None:
    small = route("chat", "nova-micro", fallbacks=("nova-lite",), context_fallbacks=("claude-sonnet-4.5",))
    house = crossroads(table(small), {"nova-micro": always(ContextTooLong("too long", model="nova-micro"))})
    told = await generate(house)
    assert house.backend.asked[0] == "nova-micro"
    assert told.model == house.backend.asked[-1] != "nova-micro"


async def test_a_larger_model_is_for_long_conversations_only() -> None:
    small = route("chat", "nova-micro", context_fallbacks=("claude-sonnet-4.5",))
    house = crossroads(table(small), {"nova-micro": always(sick())})
    with pytest.raises(BackendUnavailable):
        await generate(house)
    assert set(house.backend.asked) == {"nova-micro"}


def a_picture() -> GenerateRequest:
    picture = Media("image", "png", {"bytes": "aGk="})
    return GenerateRequest(model="chat", messages=(Message("user", (picture, Text("What is this?"))),))


async def test_what_a_target_lacks_passes_it_over() -> None:
    house = crossroads(table(route("chat", "nova-micro", "nova-lite")))
    told = await generate(house, a_picture())
    assert told.model == "nova-lite"
    assert told.way is not None
    assert told.way["passed_over"] == [{"target": "us.amazon.nova-micro-v1:0", "reason": "lacks image input"}]


async def test_a_request_that_no_target_can_take_hears_what_each_lacks() -> None:
    wish = ReasoningWish(effort="high")
    request = GenerateRequest(model="chat", messages=a_picture().messages, reasoning=wish)
    house = crossroads(table(route("chat", "nova-micro", "nova-lite")))
    with pytest.raises(UnsupportedFeature) as refused:
        await generate(house, request)
    assert "nova-micro lacks image input, reasoning; nova-lite lacks reasoning" in refused.value.message
    assert not house.backend.asked


async def test_a_model_that_streams_no_tools_comes_behind_those_that_do() -> None:
    tools = (ToolSpec("look", {"type": "object"}),)
    request = GenerateRequest(model="chat", messages=ask().messages, tools=tools)
    house = crossroads(table(route("chat", "llama-3.3-70b", "nova-lite")))
    assert (await generate(house, request)).model == "nova-lite"


class Gatekeeper(OpenGate):
    """Lets nobody ask nova-pro."""

    def permit(self, caller: Caller, model: ResolvedModel) -> None:
        if model.name == "nova-pro":
            raise ModelNotAllowed("no", model=model.name)


async def test_a_target_that_the_key_may_not_ask_is_passed_over() -> None:
    house = crossroads(table(TWO), gate=Gatekeeper())
    assert (await generate(house)).model == "nova-lite"
    assert house.backend.asked == ["nova-lite"]
    with pytest.raises(ModelNotAllowed):
        await generate(house, ask(model="nova-pro"))


async def test_a_place_is_asked_and_told() -> None:
    far = Target(model="nova-lite", place=Place("eu-central-1"))
    house = crossroads(table(route("chat", far)))
    told = await generate(house)
    (call,) = house.backend.calls
    assert (call.place.region, call.model.invoked_id) == ("eu-central-1", "eu.amazon.nova-lite-v1:0")
    assert told.way is not None
    assert told.way["target"] == "eu.amazon.nova-lite-v1:0@eu-central-1"


async def test_routes_change_for_the_next_request() -> None:
    house = crossroads(table(TWO))
    await generate(house)
    house.router.replace(table(route("chat", "nova-micro")))
    assert (await generate(house, ask("Again", model="chat"))).model == "nova-micro"
    house.router.replace(table())
    with pytest.raises(UnknownModel):
        await generate(house, ask(model="chat"))


async def test_a_full_quota_sends_requests_to_the_other_target_before_aws_says_no() -> None:
    narrow = Target(model="nova-pro", limits=TargetLimits(rpm=1))
    house = crossroads(table(route("chat", narrow, "nova-lite")))
    await generate(house, ask("one", model="chat"))
    assert (await generate(house, ask("two", model="chat"))).model == "nova-lite"


async def test_where_there_is_no_room_in_time_nothing_is_sent() -> None:
    narrow = Target(model="nova-pro", limits=TargetLimits(rpm=1))
    house = crossroads(table(route("chat", narrow, policy=Policy(max_wait_s=0))))
    await generate(house, ask("one", model="chat"))
    with pytest.raises(BackendThrottled, match="nothing was sent") as refused:
        await generate(house, ask("two", model="chat"))
    assert (refused.value.retry_after_s or 0) > 50
    assert len(house.backend.asked) == 1


async def test_a_route_that_is_spelled_wrong_is_named() -> None:
    house = crossroads(table(route("writer", "nova-lite")))
    with pytest.raises(UnknownModel) as unknown:
        await generate(house, ask(model="wirter"))
    assert unknown.value.closest[0] == "writer"
    with pytest.raises(UnknownModel, match="closest: nova-pro"):
        await generate(house, ask(model="nova-por"))


async def test_the_name_of_a_route_wins_over_a_model_s() -> None:
    house = crossroads(table(route("nova-lite", Target(model="nova-lite", place=Place("us-west-2")))))
    await generate(house, ask(model="nova-lite"))
    assert house.backend.calls[0].place.region == "us-west-2"


async def test_models_asked_by_their_own_names_fall_back_too_where_the_table_says_so() -> None:
    house = crossroads(table(fallbacks=("nova-micro",)), {"nova-lite": always(throttled())})
    assert (await generate(house, ask())).model == "nova-micro"


async def test_a_caller_who_leaves_leaves_nothing_behind() -> None:
    gate = asyncio.Event()
    began = asyncio.Event()
    house = crossroads(table(TWO), {"nova-pro": [Scripted(gate=gate)]})

    async def hear(_: object) -> None:
        began.set()

    asking = asyncio.ensure_future(house.gateway.generate(ask(model="chat"), request_id="req_1", on_deltas=hear))
    await began.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    targets = house.router.told()["targets"]
    assert isinstance(targets, dict)
    assert targets["us.amazon.nova-pro-v1:0"]["in_flight"] == 0
