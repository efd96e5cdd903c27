"""Which inference profile serves a model from a region. Pure.

Source: the ids AWS gives to cross-region profiles; a profile's prefix names the group of regions it may use.
"""

from llm_gateway.domain.cards import ModelCard

_GROUPS = (
    ("us-gov-", ("us-gov",)),
    ("us-", ("us",)),
    ("ca-", ("us",)),
    ("eu-", ("eu",)),
    ("ap-northeast-1", ("apac", "jp")),
    ("ap-northeast-3", ("apac", "jp")),
    ("ap-southeast-2", ("apac", "au")),
    ("ap-southeast-4", ("apac", "au")),
    ("ap-", ("apac",)),
)
_PREFIXES = frozenset({"us", "us-gov", "eu", "apac", "jp", "au", "ca", "global"})
_EVERYWHERE = "global"


def profile_for(model_id: str, card: ModelCard | None, region: str) -> str | None:
    """The id of the profile to try for a bare model id; ``None`` where no profile is likely to exist."""
    if model_id.startswith("arn:") or model_id.partition(".")[0] in _PREFIXES:
        return None
    near = next((prefixes for start, prefixes in _GROUPS if region.startswith(start)), ())
    if card is None:
        return f"{near[0]}.{model_id}" if near else f"{_EVERYWHERE}.{model_id}"
    for prefix in (*near, _EVERYWHERE):
        if prefix in card.profiles:
            return f"{prefix}.{model_id}"
    return None
