"""One exchange for each place that is asked: other regions, other accounts, and there one for each set of session tags.

What is learned of models belongs to a place; credentials belong to an account and its tags, in all regions.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from llm_gateway.backends.bedrock.credentials import AccessKeeper, AccessWish
from llm_gateway.backends.bedrock.exchange import Exchange
from llm_gateway.domain.routes import Account, Place

if TYPE_CHECKING:
    from llm_gateway.backends.bedrock.aws_session import AwsSession
    from llm_gateway.backends.bedrock.aws_session import Place as Address
    from llm_gateway.backends.bedrock.role_session import Role

K = TypeVar("K")
V = TypeVar("V")
Tags = tuple[tuple[str, str], ...]
_MOST_KEPT = 1_000
"""Exchanges, and roles. One that makes room ends with the calls it has under way."""


class Places:
    """Makes exchanges like ``first``, at other places. ``wish`` is who the gateway itself is."""

    def __init__(
        self, first: Exchange, wish: AccessWish, *, clock: Callable[[], float], wall_clock: Callable[[], float]
    ) -> None:
        self._first = first
        self._wish = wish
        self._clock = clock
        self._wall_clock = wall_clock
        self._of_places: OrderedDict[Place, Exchange] = OrderedDict()
        self._exchanges: OrderedDict[tuple[Place, Tags], Exchange] = OrderedDict()
        self._addresses: dict[str | None, Address] = {}
        self._lock = Lock()
        self._roles: OrderedDict[tuple[Account, Tags], Role] = OrderedDict()

    def exchange(self, place: Place, tags: Tags) -> Exchange:
        """The one of this place. From memory, or made at once: nothing is asked yet."""
        key = (place, tags if place.account is not None else ())
        return _kept(self._exchanges, key, lambda: self._made(*key))

    def _made(self, place: Place, tags: Tags) -> Exchange:
        there = _kept(self._of_places, place, self._first.elsewhere)
        return there.under(self._keeper(place, tags))

    def _keeper(self, place: Place, tags: Tags) -> AccessKeeper:
        wish = self._wish if place.region is None else replace(self._wish, region=place.region)
        account = place.account

        def under_role() -> "AwsSession":
            from llm_gateway.backends.bedrock.role_session import RoleSession

            assert account is not None  # noqa: S101 - only used for accounts
            return RoleSession(wish, self._role(account, tags), self._addresses)

        look = under_role if account is not None else None
        return AccessKeeper(wish, look=look, clock=self._clock, wall_clock=self._wall_clock)

    def _role(self, account: Account, tags: Tags) -> "Role":
        """In a thread."""
        from llm_gateway.backends.bedrock.role_session import Role

        with self._lock:
            return _kept(
                self._roles, (account, tags), lambda: Role(self._wish, account, tags, wall_clock=self._wall_clock)
            )


def _kept(kept: OrderedDict[K, V], key: K, make: Callable[[], V]) -> V:
    """The least recently asked makes room."""
    found = kept.get(key)
    if found is None:
        found = kept[key] = make()
        while len(kept) > _MOST_KEPT:
            kept.popitem(last=False)
    else:
        kept.move_to_end(key)
    return found
