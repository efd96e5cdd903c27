"""Bedrock's ids taken apart: profile prefixes, ARNs, and which prefix belongs to which region. Pure.

An id that can be invoked is a base model id (``amazon.nova-pro-v1:0``), an inference-profile id (a prefix and a base
id: ``us.amazon.nova-pro-v1:0``), or an ARN that names one of these or hides its model behind an opaque name.
"""

import re
from typing import NamedTuple

_PROFILE = re.compile(r"(us-gov|[a-z]{2}|apac|global)\.([a-z][a-z0-9]+\..+)", re.IGNORECASE | re.ASCII)
_ARN = re.compile(
    r"arn:aws[a-z-]*:(bedrock|sagemaker):([a-z0-9-]*):([0-9]*|aws):([a-z-]+)/([A-Za-z0-9_.:/-]+)", re.ASCII
)
_MODEL_ID = re.compile(r"([a-z][a-z0-9]+)\.[a-z][a-z0-9_.:-]+", re.IGNORECASE | re.ASCII)
_NAMES_ITS_MODEL = ("foundation-model", "inference-profile")


class ProfileId(NamedTuple):
    """``us.amazon.nova-pro-v1:0`` as ``us`` and ``amazon.nova-pro-v1:0``; a bare id has the prefix ``None``."""

    prefix: str | None
    base_id: str


class Arn(NamedTuple):
    """What matters of an ARN. ``model_id`` is the model or profile id it names, ``None`` where the name is opaque
    (application profiles, provisioned throughput, imported models, prompt routers). ``region`` may be empty."""

    region: str
    model_id: str | None


def split_profile(model_id: str) -> ProfileId:
    """The profile prefix, if any, and the base model id."""
    match = _PROFILE.fullmatch(model_id)
    return ProfileId(match[1].lower(), match[2]) if match else ProfileId(None, model_id)


def parse_arn(word: str) -> Arn | None:
    """The ARN's region and model, or ``None`` when this is no ARN of something that Bedrock invokes."""
    match = _ARN.fullmatch(word)
    if match is None:
        return None
    kind, name = match[4], match[5]
    return Arn(match[2], name if match[1] == "bedrock" and kind in _NAMES_ITS_MODEL else None)


def looks_like_model_id(word: str, known_vendors: frozenset[str]) -> bool:
    """Whether a word has the form of a Bedrock model id, although the catalog has never seen it.

    ``vendor.model``, optionally behind a profile prefix. A vendor we do not know needs a dash in the model's part, so
    that ``claude.sonnet`` or ``llama3.1`` stay misspelt names.
    """
    match = _MODEL_ID.fullmatch(split_profile(word).base_id)
    if match is None:
        return False
    vendor = match[1].lower()
    return vendor in known_vendors or "-" in word[match.start(1) + len(vendor) :]


def geographic_prefixes(region: str) -> tuple[str, ...]:
    """The prefixes of the geographic profiles that can be invoked in a region, best first."""
    if region.startswith("us-gov-"):
        return ("us-gov",)
    if region.startswith(("us-", "eu-")):
        return (region[:2],)
    if region in ("ap-northeast-1", "ap-northeast-3"):
        return ("jp", "apac")
    if region in ("ap-southeast-2", "ap-southeast-4"):
        return ("au", "apac")
    if region.startswith("ap-"):
        return ("apac",)
    return ()


def reaches_global(region: str) -> bool:
    """Whether ``global.`` profiles are offered there: not in the separate partitions of GovCloud and China."""
    return not region.startswith(("us-gov-", "cn-"))
