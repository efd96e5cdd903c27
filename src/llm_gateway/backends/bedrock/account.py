"""What an AWS account itself says of its models: ListFoundationModels and ListInferenceProfiles of one region.

Blocking calls in a thread, one attempt each; for commands and start-up, never on the way of a request.
"""
# botocore has no types:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.tokens import FrozenAuthToken

from llm_gateway.backends.bedrock.aws_session import AwsSession
from llm_gateway.backends.bedrock.credentials import AccessWish, NoAccess

_CONFIG = {
    "connect_timeout": 5,
    "read_timeout": 10,
    "retries": {"total_max_attempts": 1, "mode": "standard"},
}
_PAGE = 1000


class AccountUnreadable(Exception):
    """The account's lists cannot be read: no credentials, no permission, no connection. The message says the mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountModel:
    """A foundation model as the account sees it. ``inference_types`` holds ON_DEMAND, INFERENCE_PROFILE, PROVISIONED;
    ``ends_on`` is the end of life that AWS has announced."""

    id: str
    provider: str
    status: Literal["active", "legacy"]
    legacy_on: date | None = None
    ends_on: date | None = None
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()
    inference_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountProfile:
    """An inference profile and the base model ids behind it."""

    id: str
    arn: str
    kind: Literal["system", "application"]
    model_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccountModels:
    """One region's lists."""

    region: str
    models: tuple[AccountModel, ...]
    profiles: tuple[AccountProfile, ...]


async def read_account(
    region: str, *, wish: AccessWish | None = None, endpoint_url: str | None = None
) -> AccountModels:
    """Both lists. ``wish`` names credentials given by hand, ``endpoint_url`` another control plane; what is left out is
    AWS's own to find.

    Raises:
        AccountUnreadable: says why, and how to mend it.
    """
    return await asyncio.to_thread(_read, region, wish or AccessWish(), endpoint_url)


def _read(region: str, wish: AccessWish, endpoint_url: str | None) -> AccountModels:
    try:
        client = _client(region, wish, endpoint_url)
        try:
            summaries = client.list_foundation_models().get("modelSummaries", [])
            models = tuple(_model(summary) for summary in summaries)
            return AccountModels(region, models, tuple(_profiles(client)))
        finally:
            client.close()
    except NoAccess as fault:
        raise AccountUnreadable(str(fault)) from fault
    except ClientError as fault:
        error: Mapping[str, Any] = fault.response.get("Error", {})
        raise AccountUnreadable(
            f"AWS refused {fault.operation_name} in {region} ({error.get('Code')}: {error.get('Message')}); "
            "the caller needs bedrock:ListFoundationModels and bedrock:ListInferenceProfiles"
        ) from fault
    except (BotoCoreError, ValueError) as fault:  # ValueError: botocore's word for an address that is none
        raise AccountUnreadable(f"Bedrock's control plane in {region} did not answer: {fault}") from fault


def _client(region: str, wish: AccessWish, endpoint_url: str | None) -> Any:
    identity = AwsSession(wish).identity()
    session = botocore.session.Session(profile=wish.profile)
    session.register_component("token_provider", _GivenToken(identity.bearer_token))
    signature = {"signature_version": "bearer"} if identity.bearer_token else {}
    return session.create_client(
        "bedrock",
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id=identity.access_key_id,
        aws_secret_access_key=identity.secret_access_key,
        aws_session_token=identity.session_token,
        config=Config(**_CONFIG, **signature),
    )


class _GivenToken:
    """botocore's token provider, for the one token that was chosen."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def load_token(self, **_: object) -> FrozenAuthToken | None:
        return FrozenAuthToken(self._token) if self._token else None


def _profiles(client: Any) -> Iterator[AccountProfile]:
    token: str | None = None
    while True:
        page: Mapping[str, Any] = client.list_inference_profiles(
            maxResults=_PAGE, **({"nextToken": token} if token else {})
        )
        for summary in page.get("inferenceProfileSummaries", []):
            yield _profile(summary)
        token = page.get("nextToken")
        if not token:
            return


def _model(summary: Mapping[str, Any]) -> AccountModel:
    lifecycle: Mapping[str, Any] = summary.get("modelLifecycle", {})
    return AccountModel(
        id=summary["modelId"],
        provider=summary.get("providerName", ""),
        status="legacy" if lifecycle.get("status") == "LEGACY" else "active",
        legacy_on=_day(lifecycle.get("legacyTime")),
        ends_on=_day(lifecycle.get("endOfLifeTime")),
        input_modalities=tuple(summary.get("inputModalities", ())),
        output_modalities=tuple(summary.get("outputModalities", ())),
        inference_types=tuple(summary.get("inferenceTypesSupported", ())),
    )


def _profile(summary: Mapping[str, Any]) -> AccountProfile:
    return AccountProfile(
        summary["inferenceProfileId"],
        summary["inferenceProfileArn"],
        "application" if summary.get("type") == "APPLICATION" else "system",
        tuple(dict.fromkeys(model["modelArn"].rpartition("/")[2] for model in summary.get("models", ()))),
    )


def _day(instant: datetime | None) -> date | None:
    return instant.date() if instant is not None else None
