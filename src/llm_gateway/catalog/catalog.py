"""The model catalog: what a word stands for, and which models there are.

Law: resolving is pure but for a memo of its own answers, and never asks AWS; today's date comes in by the door.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Literal, get_args

from llm_gateway.catalog.closest import closest
from llm_gateway.catalog.ids import (
    geographic_prefixes,
    looks_like_model_id,
    parse_arn,
    reaches_global,
    split_profile,
)
from llm_gateway.catalog.lifecycle import legacy_warning, retired_notice, status_on
from llm_gateway.catalog.loader import read_cards
from llm_gateway.domain.cards import LifecycleStatus, ModelCard
from llm_gateway.domain.errors import InvalidRequest, UnknownModel
from llm_gateway.domain.requests import ResolvedModel

RetiredModels = Literal["refuse", "successor"]

LONGEST_WORD = 2048
_MEMO_SIZE = 1024


def load_catalog(models_file: Path | None = None) -> "Catalog":
    """The shipped cards, with a person's own file on top.

    Raises:
        ConfigurationError: the file is wrong; says file, table, key, and the mend.
    """
    return Catalog(read_cards(models_file))


class Catalog:
    """All model cards, found by short name, alias, model id, profile id or ARN; words are compared without case."""

    def __init__(self, cards: Iterable[ModelCard]) -> None:
        self._cards = tuple(cards)
        self._by_name: dict[str, ModelCard] = {}
        self._by_id: dict[str, ModelCard] = {}
        for card in self._cards:
            self._by_id[card.id.lower()] = card
            for name in (card.name, *card.aliases):
                self._by_name[name.lower()] = card
        self._vendors = frozenset(card.id.lower().partition(".")[0] for card in self._cards)
        self._memo: dict[tuple[str, str, date, RetiredModels], ResolvedModel] = {}

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """Every card, the unlisted ones too."""
        return self._cards

    def get(self, name_or_id: str) -> ModelCard | None:
        """The card of a short name, alias, model id, profile id, or ARN that names its model."""
        word = name_or_id.strip()
        return self._by_name.get(word.lower()) or self._card_of_id(word)

    def closest(self, word: str, n: int = 3) -> tuple[str, ...]:
        """The ``n`` likeliest short names, best first; empty where nothing is alike."""
        return closest(word, {card.name: _HANDICAP[card.lifecycle.status] for card in self._cards if card.listed}, n)

    def resolve(self, asked: str, *, region: str, today: date, retired: RetiredModels = "refuse") -> ResolvedModel:
        """What goes to Bedrock for a caller's word, in a region.

        A short name or alias becomes the profile of the region's geography where there is one; ids and ARNs stay as
        they were asked. A word that has the form of a Bedrock id works without a card. The catalog's dates refuse a
        retired model by its names only: who gives an id or ARN gets Bedrock's own word, since accounts differ in what
        they may still use.

        Raises:
            InvalidRequest: the word is empty or longer than an ARN can be.
            UnknownModel: no such model (``closest``), or it is retired (``successor``) and ``retired`` is "refuse".
        """
        key = (asked, region, today, retired)
        known = self._memo.get(key)
        if known is not None:
            return known
        found = self._alive(self._find(asked, region), region, today, retired)
        if found.card is not None:
            if len(self._memo) >= _MEMO_SIZE:
                self._memo.clear()
            self._memo[key] = found
        return found

    def status(self, card: ModelCard, today: date) -> LifecycleStatus:
        """The card's status on that day: past its announced end a model is retired."""
        return status_on(card, today)

    def listing(
        self,
        *,
        today: date,
        provider: str | None = None,
        capability: str | None = None,
        lifecycle: str | None = None,
    ) -> list[ModelCard]:
        """The listed cards with the lifecycle status of ``today``, filtered; words are compared without case.

        Models that only make vectors are left out unless their capability, ``embeddings``, is asked for.

        Raises:
            InvalidRequest: no listed model has this provider, capability or lifecycle; names those there are.
        """
        cards = [_as_of(card, today) for card in self._cards if card.listed]
        if provider is not None:
            providers = {word for card in cards for word in _provider_words(card)}
            wanted = _one_of("provider", provider, providers)
            cards = [card for card in cards if wanted in _provider_words(card)]
        if capability is not None:
            wanted = _one_of("capability", capability, {word for card in self._cards for word in card.capabilities})
            cards = [card for card in cards if card.can(wanted)]
        else:
            cards = [card for card in cards if card.answers]
        if lifecycle is not None:
            wanted = _one_of("lifecycle", lifecycle, get_args(LifecycleStatus))
            cards = [card for card in cards if card.lifecycle.status == wanted]
        return cards

    def _find(self, asked: str, region: str) -> ResolvedModel:
        word = asked.strip()
        if not word:
            raise InvalidRequest("model is empty; give a short name, a model id or an ARN", field="model")
        if len(word) > LONGEST_WORD:
            raise InvalidRequest(f"model has {len(word)} characters; at most {LONGEST_WORD} are allowed", field="model")
        named = self._by_name.get(word.lower())
        if named is not None:
            return ResolvedModel(asked, _invoked_id(named, region), named)
        card = self._card_of_id(word)
        if card is not None:
            return ResolvedModel(asked, _cased(word, card), card)
        if parse_arn(word) is not None or looks_like_model_id(word, self._vendors):
            return ResolvedModel(asked, word, None)
        raise self._unknown(word)

    def _card_of_id(self, word: str) -> ModelCard | None:
        lowered = word.lower()
        card = self._by_id.get(lowered) or self._by_id.get(split_profile(lowered).base_id)
        if card is None and (arn := parse_arn(word)) is not None and arn.model_id is not None:
            return self._by_id.get(split_profile(arn.model_id.lower()).base_id)
        return card

    def _alive(self, found: ResolvedModel, region: str, today: date, retired: RetiredModels) -> ResolvedModel:
        card = found.card
        if card is None:
            return found
        status = status_on(card, today)
        if status == "active":
            return found
        if status == "legacy":
            return ResolvedModel(found.asked, found.invoked_id, card, (legacy_warning(card),))
        successor = self._living_successor(card, today)
        if retired == "refuse" and found.asked.strip().lower() not in self._by_name:
            return ResolvedModel(found.asked, found.invoked_id, card, (_asked_all_the_same(card, successor),))
        if successor is None or retired == "refuse":
            raise _refusal(found.asked, card, successor)
        warnings = [f"{retired_notice(card)}; {successor.name} was asked instead"]
        if status_on(successor, today) == "legacy":
            warnings.append(legacy_warning(successor))
        return ResolvedModel(found.asked, _invoked_id(successor, region), successor, tuple(warnings))

    def _living_successor(self, card: ModelCard, today: date) -> ModelCard | None:
        seen = {card.name}
        while (word := card.lifecycle.successor) is not None and word not in seen:
            seen.add(word)
            follower = self._by_name.get(word.lower())
            if follower is None:
                return None
            if status_on(follower, today) != "retired":
                return follower
            card = follower
        return None

    def _unknown(self, word: str) -> UnknownModel:
        names = self.closest(word)
        shown = word if len(word) <= 80 else word[:77] + "..."
        hint = f"closest: {', '.join(names)}" if names else "list_models names those there are"
        return UnknownModel(f"no model is called {shown!r}; {hint}", model=shown, closest=names)


_HANDICAP: dict[LifecycleStatus, float] = {"active": 0.0, "legacy": 0.05, "retired": 0.1}


def _as_of(card: ModelCard, today: date) -> ModelCard:
    status = status_on(card, today)
    return card if status == card.lifecycle.status else replace(card, lifecycle=replace(card.lifecycle, status=status))


def _invoked_id(card: ModelCard, region: str) -> str:
    for prefix in geographic_prefixes(region):
        if prefix in card.profiles:
            return f"{prefix}.{card.id}"
    if card.needs_profile and "global" in card.profiles and reaches_global(region):
        return f"global.{card.id}"
    return card.id


def _cased(word: str, card: ModelCard) -> str:
    """An id in the catalog's spelling of upper and lower case; an ARN as it was asked."""
    prefix, arn, _ = word.lower().partition("arn:")
    return word if arn and not prefix else word[: -len(card.id)].lower() + card.id


def _refusal(asked: str, card: ModelCard, successor: ModelCard | None) -> UnknownModel:
    if successor is None:
        return UnknownModel(f"{retired_notice(card)} and has no successor here", model=asked)
    return UnknownModel(
        f"{retired_notice(card)}; ask {successor.name} instead",
        model=asked,
        closest=(successor.name,),
        successor=successor.name,
    )


def _asked_all_the_same(card: ModelCard, successor: ModelCard | None) -> str:
    ask = f"; {successor.name} succeeds it" if successor else ""
    return f"{retired_notice(card)}{ask}; Bedrock was asked all the same because its id was given"


def _provider_words(card: ModelCard) -> tuple[str, str]:
    """The display word, and the vendor part of the id (Moonshot's models bear two)."""
    return card.provider, card.id.partition(".")[0].lower()


def _one_of(field: str, word: str, known: Iterable[str]) -> str:
    wanted = word.strip().lower()
    words = sorted(set(known))
    if wanted not in words:
        raise InvalidRequest(f"{field} is {word[:60]!r}; it must be one of {', '.join(words)}", field=field)
    return wanted
