"""The gate of virtual keys: all records in memory, read anew within a second of any change, in every process.

A token is looked up by its whole keyed hash and compared in constant time; unknown, revoked and expired keys get the
same answer. When the database is gone, keys known before are good for ``STALE_AFTER_S`` more.
"""

import asyncio
import hmac
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from llm_gateway.access import keyring
from llm_gateway.access.keyring import KeyRecord
from llm_gateway.catalog.ids import parse_arn, split_profile
from llm_gateway.domain.callers import ANYBODY, Caller
from llm_gateway.domain.errors import ModelNotAllowed, Overloaded, Unauthenticated
from llm_gateway.domain.money import Limits
from llm_gateway.domain.requests import ResolvedModel
from llm_gateway.storage.contract import Database, StorageUnavailable, Transaction

STALE_AFTER_S = 900.0
_LOOK_S = 1.0
_MISSED_AGAIN_S = 0.2  # a key made a moment ago by another process; not oftener, whoever knocks
_NO_LIMITS: Mapping[tuple[str, str], Limits] = {}
_REFUSED = "this key is not known here, was revoked, or has expired; ask whoever runs the gateway for a new one"
_MISSING = "a key is needed: send it as Authorization: Bearer sk-… (over stdio: the environment's LLM_GATEWAY_KEY)"

CacheScope = Literal["key", "team", "shared"]


@dataclass(frozen=True, slots=True)
class _Known:
    """All keys at one moment."""

    pepper: bytes
    version: str
    by_hash: Mapping[str, tuple[KeyRecord, Caller]]
    limits: Mapping[tuple[str, str], Limits] = field(default_factory=lambda: _NO_LIMITS)


class KeyGate:
    """Lets in whoever bears a key. Open while no key was ever made."""

    def __init__(
        self,
        database: Database,
        *,
        region: str,
        cache_scope: CacheScope = "key",
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._region = region
        self._cache_scope: CacheScope = cache_scope
        self._clock = clock
        self._wall_clock = wall_clock
        self._known: _Known | None = None
        self._read_at = 0.0
        self._looking: asyncio.Task[None] | None = None
        self._reading = asyncio.Lock()
        self._tell_revoked: list[Callable[[str], None]] = []

    @property
    def is_open(self) -> bool | None:
        """Whether no key was ever made; ``None`` before the keys were read."""
        return None if self._known is None else not self._known.by_hash

    def start(self) -> None:
        """Begins to look for changes."""
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look_on())

    async def aclose(self) -> None:
        """Stops looking."""
        if self._looking is not None:
            self._looking.cancel()

    async def identify(self, token: str | None) -> Caller:
        """See :class:`~llm_gateway.access.contract.Gate`."""
        known = self._known
        if known is None or self._clock() - self._read_at > STALE_AFTER_S:
            known = await self._read_or_fail()
        if token is None:
            if known.by_hash:
                raise Unauthenticated(_MISSING)
            return ANYBODY
        caller = self._caller(known, token)
        if caller is None and self._clock() - self._read_at > _MISSED_AGAIN_S:  # it may have been made a moment ago
            known = await self._read_or_fail()
            caller = self._caller(known, token)
        if caller is None and known.by_hash:
            raise Unauthenticated(_REFUSED)
        return caller or ANYBODY

    def permit(self, caller: Caller, model: ResolvedModel) -> None:
        """See :class:`~llm_gateway.access.contract.Gate`."""
        if caller.models and not _fits(caller.models, _words_for(model)):
            raise ModelNotAllowed(
                f"this key may not ask {model.name!r}; it may ask {', '.join(caller.models)}",
                model=model.name,
                allowed=caller.models,
            )
        if caller.places:
            place = place_of(model.invoked_id, model.region or self._region)
            if not _fits(caller.places, (place,)):
                raise ModelNotAllowed(
                    f"this key may not ask {model.name!r} by way of {place!r}; it may use {', '.join(caller.places)}",
                    model=model.name,
                    allowed=caller.places,
                )

    def when_revoked(self, tell: Callable[[str], None]) -> None:
        """See :class:`~llm_gateway.access.contract.Gate`."""
        self._tell_revoked.append(tell)

    def limits_of(self, scope: str, scope_id: str) -> Limits | None:
        """The limits of a ``team`` or a ``model``."""
        return None if self._known is None else self._known.limits.get((scope, scope_id))

    async def refresh(self, older_than_s: float = 0.0) -> None:
        """Reads the keys anew if they changed, unless that was done while this waited for its turn.

        Raises:
            StorageUnavailable: they cannot be read.
        """
        async with self._reading:
            before = self._known
            if before is not None and self._clock() - self._read_at < older_than_s:
                return
            if before is None:
                salt = await self._database.write(lambda _: keyring.pepper())
                after = await self._database.read(lambda _: self._read(salt))
            else:
                after = await self._database.read(lambda _: self._read_changed(before))
            self._known, self._read_at = after, self._clock()
        if before is not None and after is not before:
            self._tell_of_revoked(before, after)

    def _tell_of_revoked(self, before: _Known, after: _Known) -> None:
        for hashed, (record, _) in before.by_hash.items():
            now = after.by_hash.get(hashed)
            if record.revoked_at is None and (now is None or now[0].revoked_at is not None):
                for tell in self._tell_revoked:
                    tell(record.id)

    async def _look_on(self) -> None:
        while True:
            with suppress(StorageUnavailable):  # what is known stands for a while; identify() says when it is too old
                await self.refresh()
            await asyncio.sleep(_LOOK_S)

    async def _read_or_fail(self) -> _Known:
        try:
            await self.refresh(_MISSED_AGAIN_S)
        except StorageUnavailable as failed:
            raise Overloaded(
                "the keys cannot be read now; try again in a moment", code="auth_backend_unavailable", retry_after_s=2
            ) from failed
        assert self._known is not None  # noqa: S101 - it was just read
        return self._known

    def _read_changed(self, before: _Known) -> Transaction[_Known]:
        if (yield from keyring.version()) == before.version:
            return before
        return (yield from self._read(before.pepper))

    def _read(self, salt: bytes) -> Transaction[_Known]:
        version = yield from keyring.version()
        records = yield from keyring.everyone()
        limits = yield from keyring.shared_limits()
        return _Known(salt, version, {each.hash: (each, self._as_caller(each)) for each in records}, limits)

    def _as_caller(self, record: KeyRecord) -> Caller:
        scopes = {"key": record.id, "team": f"team:{record.team}" if record.team else record.id, "shared": ""}
        return Caller(
            key_id=record.id,
            key_name=record.name,
            team=record.team,
            models=record.models,
            places=record.places,
            tags=record.tags,
            limits=record.limits,
            run_budget_nano_usd=record.run_budget_nano_usd,
            cache_scope=scopes[self._cache_scope],
        )

    def _caller(self, known: _Known, token: str) -> Caller | None:
        hashed = keyring.hash_of(token, known.pepper)
        record, caller = known.by_hash.get(hashed, (None, None))
        if record is None or not hmac.compare_digest(record.hash, hashed) or record.revoked_at is not None:
            return None
        if record.expires_at is not None and self._wall_clock() * 1000 >= record.expires_at:
            return None
        return caller


def _words_for(model: ResolvedModel) -> tuple[str, ...]:
    """All that a model is called, so that a key may name it as its agents do; also by the route that led to it."""
    card = model.card
    return (model.asked, model.name, model.invoked_id, *(() if card is None else (card.id, *card.aliases)))


def place_of(invoked_id: str, region: str) -> str:
    """Where a call may be answered: an inference profile's prefix (``us``, ``global``), else the region."""
    arn = parse_arn(invoked_id)
    if arn is not None:
        named = split_profile(arn.model_id)[0] if arn.model_id else None
        return named or arn.region or region
    return split_profile(invoked_id)[0] or region


def _fits(globs: tuple[str, ...], words: tuple[str, ...]) -> bool:
    return any([fnmatchcase(word, glob) for glob in globs for word in words])
