"""How much may be repeated: a share of the traffic while nothing is answered, more while answers come.

Without it every caller's three attempts would triple the load of a Bedrock that is overloaded already. Where a target
answers most of its calls, what is left over is not at risk, so each of its answers that begins pays for half a
repetition of what fails there.
"""

import time
from collections import Counter
from collections.abc import Callable

_PER_ANSWER = 0.5
_AT_LEAST = 10
_WINDOW_S = 30.0


class _Counts:
    """Of one stretch of time; ``answers`` and ``repeats`` by target."""

    __slots__ = ("answers", "repeats", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.answers = Counter[str]()
        self.repeats = Counter[str]()


class RetryBudget:
    """Counts over the last thirty to sixty seconds. ``at_least`` is for those who ask a few times a minute."""

    def __init__(self, *, at_least: int = _AT_LEAST, clock: Callable[[], float] = time.monotonic) -> None:
        self._at_least = at_least
        self._clock = clock
        self._since = clock()
        self._now = _Counts()
        self._before = _Counts()

    def came(self) -> None:
        """A request."""
        self._turn()
        self._now.requests += 1

    def answered(self, target: str) -> None:
        """An answer of this target has begun."""
        self._now.answers[target] += 1

    def grant(self, target: str, share: float) -> bool:
        """Whether one more attempt may be made after one that failed at this target, where ``share`` of the traffic may
        be repeated; counts it."""
        self._turn()
        now, before = self._now, self._before
        repeats = now.repeats.total() + before.repeats.total()
        earned = _PER_ANSWER * (now.answers[target] + before.answers[target])
        is_earned = now.repeats[target] + before.repeats[target] < earned
        if not is_earned and repeats >= max(self._at_least, share * (now.requests + before.requests)):
            return False
        now.repeats[target] += 1
        return True

    def _turn(self) -> None:
        elapsed = self._clock() - self._since
        if elapsed < _WINDOW_S:
            return
        self._before = self._now if elapsed < 2 * _WINDOW_S else _Counts()
        self._now = _Counts()
        self._since = self._clock()
