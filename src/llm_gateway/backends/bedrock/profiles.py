"""Which inference profile to try for a bare model id that Bedrock refuses on demand. Pure."""

from llm_gateway.catalog.ids import geographic_prefixes, reaches_global, split_profile
from llm_gateway.domain.cards import ModelCard


def profile_for(model_id: str, card: ModelCard | None, region: str) -> str | None:
    """The id of the profile to try for a bare model id; ``None`` where no profile is likely to exist."""
    if model_id.startswith("arn:") or split_profile(model_id).prefix is not None:
        return None
    everywhere = ("global",) if reaches_global(region) else ()
    prefixes = (*geographic_prefixes(region), *everywhere)
    likely = prefixes[:1] if card is None else [prefix for prefix in prefixes if prefix in card.profiles][:1]
    return f"{likely[0]}.{model_id}" if likely else None
