"""How much may be repeated: a share of the traffic while nothing is answered, more while answers come.

Without it every caller's three attempts would triple the load of a Bedrock that is overloaded already. Where most calls
are answered, what is left over is not at risk, so each answer that begins pays for half a repetition.
"""

import time
from collections.abc import Callable

_PER_ANSWER = 0.5
_AT_LEAST = 10
_WINDOW_S = 30.0


class RetryBudget:
    """Counts over the last thirty to sixty seconds. ``at_least`` is for those who ask a few times a minute."""

    def __init__(self, *, at_least: int = _AT_LEAST, clock: Callable[[], float] = time.monotonic) -> None:
        self._at_least = at_least
        self._clock = clock
        self._since = clock()
        self._now = [0, 0, 0]
        self._before = [0, 0, 0]

    def came(self) -> None:
        """A request."""
        self._turn()
        self._now[0] += 1

    def answered(self) -> None:
        """An answer has begun."""
        self._now[1] += 1

    def grant(self, share: float) -> bool:
        """Whether one more attempt may be made, where ``share`` of the traffic may be repeated; counts it."""
        self._turn()
        requests, answers, repeats = [now + before for now, before in zip(self._now, self._before, strict=True)]
        if repeats >= max(self._at_least, share * requests + _PER_ANSWER * answers):
            return False
        self._now[2] += 1
        return True

    def _turn(self) -> None:
        elapsed = self._clock() - self._since
        if elapsed < _WINDOW_S:
            return
        self._before = self._now if elapsed < 2 * _WINDOW_S else [0, 0, 0]
        self._now = [0, 0, 0]
        self._since = self._clock()
