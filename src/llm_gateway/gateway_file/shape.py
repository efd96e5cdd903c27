"""The shape of a gateway file: its keys, their types and ranges, and these in words."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from llm_gateway.domain.routes import MOST_ATTEMPTS
from llm_gateway.gateway_file.plain_values import plain_value
from llm_gateway.gateway_file.references import Referred

LONGEST_S = 86_400
_MOST_COUNT = 1_000_000_000
_NAME = r"^[^\s\x00-\x1f\x7f]{1,200}$"


def _number_of(given: object) -> object:
    """The environment knows texts only."""
    return plain_value(str(given)) if isinstance(given, Referred) else given


_Given = BeforeValidator(_number_of)
Count = Annotated[int, _Given, Field(ge=1, le=_MOST_COUNT)]
Name = Annotated[str, Field(pattern=_NAME)]
Seconds = Annotated[float, _Given, Field(gt=0, le=LONGEST_S, allow_inf_nan=False)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class AccountShape(_Shape):
    """Of ``accounts``."""

    role_arn: str = Field(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,512}$")
    external_id: str | None = Field(None, pattern=r"^[A-Za-z0-9_+=,.@:/-]{2,1224}$")
    session_tags: list[Literal["key", "team", "agent", "run"]] = []


class TargetShape(_Shape):
    """Of ``targets``; a mere name stands for its ``model``."""

    model: str = Field(min_length=1)
    region: str | None = Field(None, pattern=r"^[a-z]{2,4}(-[a-z]{2,10}){1,3}-[0-9]{1,2}$")
    account: Name | None = None
    weight: Annotated[float, _Given, Field(ge=0, le=_MOST_COUNT, allow_inf_nan=False)] = 1.0
    tpm: Count | None = None
    rpm: Count | None = None
    max_concurrent: Count | None = None


class DefaultsShape(_Shape):
    """Of ``defaults``, and what a route may say otherwise."""

    strategy: Name | None = None
    attempts: Annotated[int, _Given, Field(ge=1, le=MOST_ATTEMPTS)] | None = None
    timeout: Seconds | None = None
    allowed_fails: Annotated[int, _Given, Field(ge=1, le=10_000)] | None = None
    cooldown: Seconds | None = None
    max_wait: Annotated[float, _Given, Field(ge=0, le=LONGEST_S, allow_inf_nan=False)] | None = None
    retry_share: Annotated[float, _Given, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    fallbacks: list[Name] | None = None
    context_fallbacks: list[Name] | None = None


class RouteShape(DefaultsShape):
    """Of ``routes``."""

    targets: list[TargetShape] = Field(min_length=1)


TOP = ("settings", "accounts", "defaults", "routes")
WORDS: Mapping[str, str] = {
    "settings": "a mapping of settings to their values",
    "accounts": "a mapping of names to accounts",
    "defaults": "a mapping",
    "routes": "a mapping of names to routes",
    "role_arn": "the ARN of a role, such as arn:aws:iam::123456789012:role/bedrock",
    "external_id": "a text of 2 to 1,224 characters of A-Z a-z 0-9 and +=,.@:/-_",
    "session_tags": "a list of key, team, agent and run",
    "model": "the name or id of a model",
    "region": "the name of a region, such as us-east-1",
    "account": "the name of one of the accounts",
    "weight": "a number from 0",
    "tpm": "a whole number from 1",
    "rpm": "a whole number from 1",
    "max_concurrent": "a whole number from 1",
    "strategy": "the name of a strategy",
    "attempts": f"a whole number from 1 to {MOST_ATTEMPTS}",
    "timeout": f"a number of seconds above 0, at most {LONGEST_S}",
    "allowed_fails": "a whole number from 1 to 10000",
    "cooldown": f"a number of seconds above 0, at most {LONGEST_S}",
    "max_wait": f"a number of seconds from 0 to {LONGEST_S}",
    "retry_share": "a number from 0 to 2",
    "fallbacks": "a list of names of routes or models",
    "context_fallbacks": "a list of names of routes or models",
    "targets": "a list of one target or more, each a model's name or a mapping with model",
}
"""What a key takes, in words."""
