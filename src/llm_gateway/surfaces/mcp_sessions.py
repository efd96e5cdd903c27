"""Sessions of MCP's handshake era: which key opened one, what it agreed on, and what it has under way.

Law: bounded in number and idle time. A session is a few hundred bytes and owns no task, so the longest idle one can
make room for a new one at any moment; one that has requests under way is never ended by time or by want of room.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from itertools import islice

from llm_gateway.domain.errors import Overloaded

RequestId = int | str
_LOOKED_AT = 64  # of the longest unused, when one is opened: more than one in, so that those that are over go


class Session:
    """``owner`` is the id of the key that opened it, ``None`` where no key is needed."""

    __slots__ = ("id", "owner", "under_way", "used_at", "version")

    def __init__(self, owner: str | None, version: str, used_at: float) -> None:
        self.id = secrets.token_hex(16)
        self.owner = owner
        self.version = version
        self.used_at = used_at
        self.under_way: dict[RequestId, asyncio.Future[None]] = {}

    def cancel(self, request_id: RequestId) -> None:
        """Tells the request of this id, if it is under way, that its caller has given it up."""
        told = self.under_way.get(request_id)
        if told is not None and not told.done():
            told.set_result(None)


class Sessions:
    """At most ``most`` at once, none idle for longer than ``idle_s``. ``clock`` is monotonic seconds."""

    def __init__(self, *, most: int, idle_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._idle_s = idle_s
        self._clock = clock
        self._all: dict[str, Session] = {}  # the longest unused first

    def __len__(self) -> int:
        return len(self._all)

    @property
    def are_given(self) -> bool:
        """Whether there are any; without them each request stands alone."""
        return self._most > 0

    def open(self, owner: str | None, version: str) -> Session:
        """A new session; where there are too many, the longest unused one ends.

        Raises:
            Overloaded: there are too many, and all have requests under way.
        """
        now = self._clock()
        if not self._has_room(now):
            raise Overloaded("too many MCP sessions are at work (MCP_MAX_SESSIONS); ask again", retry_after_s=1)
        session = Session(owner, version, now)
        self._all[session.id] = session
        return session

    def find(self, session_id: str, owner: str | None) -> Session | None:
        """The session, if there is one of this id that this key may use."""
        session = self._all.get(session_id)
        if session is None or session.owner != owner:
            return None
        if self._is_over(session, self._clock()):
            del self._all[session_id]
            return None
        self.use(session)
        return session

    def use(self, session: Session) -> None:
        """It was used just now."""
        if self._all.pop(session.id, None) is not None:
            session.used_at = self._clock()
            self._all[session.id] = session

    def end(self, session: Session) -> None:
        """Nobody knows it any more; what it has under way is given up."""
        self._all.pop(session.id, None)
        for request_id in list(session.under_way):
            session.cancel(request_id)

    def clear(self) -> None:
        """Ends all of them."""
        for session in list(self._all.values()):
            self.end(session)

    def _is_over(self, session: Session, now: float) -> bool:
        return not session.under_way and now - session.used_at > self._idle_s

    def _has_room(self, now: float) -> bool:
        for session in list(islice(self._all.values(), _LOOKED_AT)):
            is_full = len(self._all) >= self._most
            if session.under_way:
                self.use(session)
            elif is_full or self._is_over(session, now):
                del self._all[session.id]
            else:
                break
        return len(self._all) < self._most
