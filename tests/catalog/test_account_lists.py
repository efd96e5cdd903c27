"""The account's own lists, read from a control plane of this test, and the catalog held against them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from llm_gateway.backends.bedrock.account import (
    AccountModel,
    AccountModels,
    AccountProfile,
    AccountUnreadable,
    read_account,
)
from llm_gateway.backends.bedrock.credentials import AccessWish
from llm_gateway.catalog.catalog import load_catalog
from llm_gateway.models_check import compare_account

TODAY = date(2026, 11, 21)
ARN = "arn:aws:bedrock:us-east-1"
NOVA = {
    "modelArn": f"{ARN}::foundation-model/amazon.nova-pro-v1:0",
    "modelId": "amazon.nova-pro-v1:0",
    "modelName": "Nova Pro",
    "providerName": "Amazon",
    "inputModalities": ["TEXT", "IMAGE"],
    "outputModalities": ["TEXT"],
    "inferenceTypesSupported": ["ON_DEMAND"],
    "modelLifecycle": {"status": "ACTIVE"},
}
LEGACY = {
    "modelArn": f"{ARN}::foundation-model/deepseek.r1-v1:0",
    "modelId": "deepseek.r1-v1:0",
    "modelLifecycle": {
        "status": "LEGACY",
        "legacyTime": "2026-09-30T00:00:00Z",
        "endOfLifeTime": "2027-03-30T00:00:00Z",
    },
}


KEYS = AccessWish(access_key_id="AKIDEXAMPLE", secret_access_key="not-a-secret")


def profile(number: int) -> dict[str, object]:
    return {
        "inferenceProfileName": f"profile {number}",
        "inferenceProfileId": f"us.vendor.model-{number}",
        "inferenceProfileArn": f"{ARN}:123456789012:inference-profile/us.vendor.model-{number}",
        "models": [
            {"modelArn": f"arn:aws:bedrock:{place}::foundation-model/vendor.model-{number}"} for place in ("a", "b")
        ],
        "status": "ACTIVE",
        "type": "APPLICATION" if number == 3 else "SYSTEM_DEFINED",
    }


@asynccontextmanager
async def control_plane(models: Callable[[web.Request], web.Response]) -> AsyncIterator[str]:
    async def profiles(request: web.Request) -> web.Response:
        start = int(request.query.get("nextToken", "0"))
        page = {"inferenceProfileSummaries": [profile(start + 1), profile(start + 2)]}
        return web.json_response(page | ({"nextToken": "2"} if start == 0 else {}))

    async def foundation(request: web.Request) -> web.Response:
        return models(request)

    app = web.Application()
    app.add_routes([web.get("/foundation-models", foundation), web.get("/inference-profiles", profiles)])
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def test_both_lists_are_read_to_their_last_page() -> None:
    async with control_plane(lambda _: web.json_response({"modelSummaries": [NOVA, LEGACY]})) as address:
        found = await read_account("us-east-1", wish=KEYS, endpoint_url=address)

    assert found.region == "us-east-1"
    nova, legacy = found.models
    assert (nova.id, nova.status, nova.provider, nova.ends_on) == ("amazon.nova-pro-v1:0", "active", "Amazon", None)
    assert (legacy.status, legacy.legacy_on, legacy.ends_on) == ("legacy", date(2026, 9, 30), date(2027, 3, 30))
    assert [one.id for one in found.profiles] == [f"us.vendor.model-{number}" for number in (1, 2, 3, 4)]
    assert found.profiles[0].model_ids == ("vendor.model-1",)
    assert [one.kind for one in found.profiles] == ["system", "system", "application", "system"]


async def test_a_refusal_names_the_call_and_the_permission_it_needs() -> None:
    def refuse(_: web.Request) -> web.Response:
        return web.json_response(
            {"message": "not authorized"}, status=403, headers={"x-amzn-errortype": "AccessDeniedException"}
        )

    async with control_plane(refuse) as address:
        with pytest.raises(AccountUnreadable, match=r"ListFoundationModels.*AccessDeniedException.*bedrock:List"):
            await read_account("us-east-1", wish=KEYS, endpoint_url=address)


async def test_a_refusal_is_asked_once_only() -> None:
    asked = 0

    def busy(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.json_response(
            {"message": "slow down"}, status=429, headers={"x-amzn-errortype": "ThrottlingException"}
        )

    async with control_plane(busy) as address:
        with pytest.raises(AccountUnreadable, match="ThrottlingException"):
            await read_account("us-east-1", wish=KEYS, endpoint_url=address)
    assert asked == 1


async def test_no_one_at_the_address_is_said_so() -> None:
    async with control_plane(lambda _: web.Response()) as address:
        gone = address
    with pytest.raises(AccountUnreadable, match="did not answer"):
        await read_account("us-east-1", wish=KEYS, endpoint_url=gone)


async def test_an_address_that_is_none_is_said_so() -> None:
    with pytest.raises(AccountUnreadable, match="did not answer"):
        await read_account("us-east-1", wish=KEYS, endpoint_url="nonsense")


async def test_a_profile_that_is_missing_comes_with_the_mend() -> None:
    with pytest.raises(AccountUnreadable, match="AWS_PROFILE"):
        await read_account("us-east-1", wish=AccessWish(profile="no-such-profile-anywhere"))


async def test_a_bearer_key_is_not_sent_over_plain_http() -> None:
    asked: list[web.Request] = []

    def answer(request: web.Request) -> web.Response:
        asked.append(request)
        return web.json_response({"modelSummaries": []})

    async with control_plane(answer) as address:
        with pytest.raises(AccountUnreadable, match="HTTPS"):
            await read_account("us-east-1", wish=AccessWish(bearer_token="a-key"), endpoint_url=address)
    assert asked == []


def own(model_id: str, **changes: object) -> AccountModel:
    facts: dict[str, object] = {
        "id": model_id,
        "provider": "",
        "status": "active",
        "output_modalities": ("TEXT",),
        "inference_types": ("ON_DEMAND",),
    }
    return AccountModel(**(facts | changes))


def system(profile_id: str, kind: str = "system") -> AccountProfile:
    return AccountProfile(profile_id, f"{ARN}:1:inference-profile/{profile_id}", kind, ())


def differences(*models: AccountModel, profiles: tuple[AccountProfile, ...] = ()) -> tuple[str, ...]:
    return compare_account(load_catalog(), AccountModels("us-east-1", models, profiles), TODAY).differences


def test_lists_that_agree_make_no_difference() -> None:
    report = compare_account(
        load_catalog(),
        AccountModels("us-east-1", (own("amazon.nova-pro-v1:0"),), (system("us.amazon.nova-pro-v1:0"),)),
        TODAY,
    )
    assert report.differences == ()
    assert "nova-lite" in report.not_offered
    assert "claude-3-opus" not in report.not_offered  # retired: nobody misses it


def test_a_model_the_catalog_has_not_is_named() -> None:
    (found,) = differences(own("amazon.nova-9-v1:0"))
    assert "amazon.nova-9-v1:0" in found


def test_what_makes_no_text_or_cannot_be_invoked_is_no_concern() -> None:
    assert not differences(
        own("amazon.nova-canvas-v1:0", output_modalities=("IMAGE",)),
        own("amazon.nova-9-v1:0:24k", inference_types=("PROVISIONED",)),
    )


def test_a_lifecycle_that_differs_is_named() -> None:
    (status,) = differences(own("mistral.mistral-large-3-675b-instruct", status="legacy"))
    assert "is active in the catalog, legacy in the account's list" in status
    (end,) = differences(own("mistral.mistral-large-3-675b-instruct", inference_types=(), ends_on=date(2027, 1, 1)))
    assert "ends on no known day in the catalog, on 2027-01-01" in end


def test_a_profile_that_differs_is_named() -> None:
    missing, *_ = differences(own("amazon.nova-pro-v1:0"), profiles=(system("global.amazon.nova-pro-v1:0"),))
    assert "the account offers global.amazon.nova-pro-v1:0" in missing
    (lacking,) = differences(own("amazon.nova-pro-v1:0"), profiles=(system("house-profile", "application"),))
    assert "the catalog lists us.amazon.nova-pro-v1:0" in lacking
