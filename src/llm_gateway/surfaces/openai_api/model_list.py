"""``GET /v1/models`` and ``/v1/models/{id}``: the catalog as OpenAI's clients list it. Pure."""

from difflib import get_close_matches

from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.errors import UnknownModel
from llm_gateway.reports import Reports

Json = dict[str, object]
_UNKNOWN_S = 0  # OpenAI's schema wants a number; when a model was made is not known here


def model_list(reports: Reports) -> Json:
    """Every model that can be asked: retired ones are left out."""
    return {"object": "list", "data": [_model(card) for card in _asked(reports)]}


def one_model(reports: Reports, word: str) -> Json:
    """A model by its short name, an alias, its id, or its id behind a profile's prefix.

    Raises:
        UnknownModel: with the closest names.
    """
    wanted = word.strip().lower()
    cards = _asked(reports)
    for card in cards:
        if wanted in _words(card):
            return _model(card)
    names = tuple(get_close_matches(wanted[:100], [card.name for card in cards], n=3))
    hint = f"; closest: {', '.join(names)}" if names else "; GET /v1/models lists those there are"
    raise UnknownModel(f"no model is called {word[:80]!r}{hint}", model=word[:80], closest=names)


def _asked(reports: Reports) -> list[ModelCard]:
    cards = [*reports.models(), *reports.models(capability="embeddings")]
    return [card for card in cards if card.lifecycle.status != "retired"]


def _words(card: ModelCard) -> set[str]:
    base = card.id.lower()
    aliases = [alias.lower() for alias in card.aliases]
    return {card.name.lower(), base, *aliases, *[f"{profile}.{base}" for profile in card.profiles]}


def _model(card: ModelCard) -> Json:
    return {
        "id": card.name,
        "object": "model",
        "created": _UNKNOWN_S,
        "owned_by": card.provider,
        "model_id": card.id,
        "context_window": card.context_window_tokens,
        "max_output_tokens": card.max_output_tokens,
    }
