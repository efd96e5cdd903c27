"""What the sandbox knows of models, read once from models.toml, and how it reads a model id.

Any id that looks like `vendor.model` is taken as a model. An id that holds one of NO_MODEL, or does not look like an
id, is none.
"""

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, cast

from llm_gateway.sandbox.refusals import Refused, from_the_model, invalid
from llm_gateway.sandbox.wire_json import Json, as_object, objects

PROFILE_PREFIXES = ("us-gov", "us", "eu", "apac", "jp", "au", "ca", "sa", "global")
NO_MODEL = ("does-not-exist", "unknown-model", "no-such-model")
_VERSION = re.compile(r"(-\d{8})?(-v?\d+)?(:\d+)?$")
FAULT_MARK = "--fault-"
_ID = re.compile(r"[a-z0-9-]{1,63}\.[a-zA-Z0-9.\-_]{1,80}(:[0-9]{1,3}|:[0-9]{1,3}:[0-9a-z]{1,20}|:[0-9.]+)?")
_ARN = re.compile(r"arn:aws[a-z-]*:(bedrock|sagemaker):[a-z0-9-]*:[0-9]*:([a-z-]+)/([a-zA-Z0-9.:_\-/]+)")
_OPAQUE = frozenset(
    ("application-inference-profile", "provisioned-model", "imported-model", "custom-model-deployment", "custom-model",
     "default-prompt-router", "prompt-router", "prompt", "endpoint", "async-invoke")
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """The row of models.toml that an id belongs to; its head explains the words."""

    name: str
    provider: str
    context_tokens: int
    max_output_tokens: int
    burn_rate: int
    on_demand: bool
    sampling: str
    reasoning: str
    always_thinks: bool
    signed: bool
    tools: bool
    tools_while_streaming: bool
    forced_tool: bool
    streaming: bool
    system: bool
    merges_roles: bool
    assistant_may_start: bool
    prefill: bool
    counts_tokens: bool
    json_schema: bool
    cache_min_tokens: int
    cache_tools: bool
    s3: bool
    mid_system: bool
    lone_tool_results: bool
    input: tuple[str, ...]
    overflow: str
    strict_fields: tuple[str, ...]
    family: str = ""
    ids: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    output: tuple[str, ...] = ("TEXT",)

    def too_long(self, counted_tokens: int) -> Refused:
        """How this family says that its context is full."""
        told = self.overflow.replace("{tokens}", str(counted_tokens)).replace("{limit}", str(self.context_tokens))
        return from_the_model(told)


@dataclass(frozen=True, slots=True)
class ModelId:
    """An id taken apart. `bare` is the foundation model's id, or the opaque id of an ARN that hides its model.

    `short` is for speaking only: `nova-pro` of `us.amazon.nova-pro-v1:0`.
    """

    given: str
    bare: str
    through_profile: bool
    facts: ModelFacts
    short: str


def named(given: str, bare: str, *, through_profile: bool, facts: ModelFacts) -> ModelId:
    short = _VERSION.sub("", bare.partition(".")[2] or bare)
    return ModelId(given, bare, through_profile, facts, short)


@lru_cache(maxsize=4096)
def read_model_id(given: str) -> ModelId:
    """A `--fault-NAME` at the end is no part of the id. Raises Refused: no model has such an id."""
    asked = given.partition(FAULT_MARK)[0]
    arn = _ARN.fullmatch(asked)
    if arn and arn.group(2) in _OPAQUE:
        return named(given, arn.group(3), through_profile=True, facts=facts_of("sandbox.any"))
    bare = arn.group(3) if arn else asked
    through_profile = arn is not None and arn.group(2) == "inference-profile"
    for prefix in PROFILE_PREFIXES:
        if bare.startswith(prefix + "."):
            bare, through_profile = bare[len(prefix) + 1 :], True
            break
    if not _ID.fullmatch(bare) or any(word in bare for word in NO_MODEL):
        raise invalid("The provided model identifier is invalid.")
    return named(given, bare, through_profile=through_profile, facts=facts_of(bare))


@lru_cache(maxsize=1024)
def facts_of(bare: str) -> ModelFacts:
    return next(facts for pattern, facts in _table() if pattern.fullmatch(bare))


def all_facts() -> list[ModelFacts]:
    return [facts for _, facts in _table()]


@lru_cache(maxsize=1)
def _table() -> list[tuple[re.Pattern[str], ModelFacts]]:
    written = tomllib.loads(files("llm_gateway.sandbox").joinpath("models.toml").read_text("utf-8"))
    families = as_object(written["family"])
    rows: list[tuple[re.Pattern[str], ModelFacts]] = []
    for model in objects(written["model"]):
        members: Json = {**written["defaults"], **families.get(model.get("family", ""), {}), **model}
        pattern = re.compile(members.pop("pattern"))
        kept: Json = {name: _frozen(value) for name, value in members.items()}
        rows.append((pattern, ModelFacts(**kept)))
    return rows


def _frozen(value: object) -> object:
    return tuple(cast("list[Any]", value)) if isinstance(value, list) else value
