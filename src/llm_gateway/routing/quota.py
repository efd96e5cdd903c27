"""A twin of AWS's quota for one target: what AWS would refuse waits here for room, keys by turns.

AWS takes input, cache writes and ``max_tokens`` from a bucket when a call begins and gives back the unused rest at its
end; what was answered burns at the family's rate, what was read from a prompt cache is free. The bucket holds what a
minute gives and refills steadily. Source: Bedrock's documentation of on-demand quotas.

A throttle that comes all the same lowers how many calls are under way at once, at most once a second; each answer lets
one more, and after a minute without throttles that bound is gone.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from llm_gateway.domain.completions import Usage
from llm_gateway.domain.routes import UNLIMITED, TargetLimits
from llm_gateway.routing.contract import Size
from llm_gateway.turns import Turns

_MINUTE_S = 60.0
_SAFE_SHARE = 0.98  # AWS's clock and ours do not tick together
_LATER_S = 0.05  # AWS gives back a moment after its answer has arrived here
_AT_FIRST = 1.25  # an estimate by length may be too small
_LEARNS = 0.05
_TELLING = 200  # the vendor's own tokens of each call would tell too much of a shorter input
_OF_EACH = 40
_ON_TOP = 1.05
_SLOWER = 0.7
_LEAST_AT_ONCE = 4.0
_CUT_EVERY_S = 1.0
_FORGIVEN_S = 60.0


class Bucket:
    """``per_minute`` is its size and what flows into it in a minute."""

    __slots__ = ("_at", "_clock", "_level", "size")

    def __init__(self, per_minute: float, clock: Callable[[], float]) -> None:
        self.size = per_minute
        self._clock = clock
        self._level = self.size
        self._at = clock()

    @property
    def level(self) -> float:
        """What is in it now; below 0 where more was burned than was there."""
        now = self._clock()
        self._level = min(self.size, self._level + (now - self._at) * self.size / _MINUTE_S)
        self._at = now
        return self._level

    def wait_s(self, amount: float) -> float:
        """How long until there is room for so much; what is larger than the bucket waits until it is full."""
        missing = min(amount, self.size) - self.level
        return max(0.0, missing * _MINUTE_S / self.size)

    def take(self, amount: float) -> None:
        """A negative amount gives back."""
        self._level = min(self.size, self.level - amount)


NOTHING_COUNTED = Size(0, 0)


@dataclass(slots=True)
class Taken:
    """What a call has taken from a quota."""

    quota: "Quota"
    size: Size
    tokens: float


class Quota:
    """The buckets of one target, or a ``share`` of them. ``burn_rate`` is what a token of an answer counts for."""

    def __init__(
        self,
        limits: TargetLimits,
        *,
        share: float = 1.0,
        burn_rate: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self.burn_rate = burn_rate
        self._tokens = Bucket(limits.tpm * share * _SAFE_SHARE, clock) if limits.tpm else None
        self._requests = Bucket(limits.rpm * share * _SAFE_SHARE, clock) if limits.rpm else None
        self._true_size = _AT_FIRST
        self._clock = clock
        self._pace: float | None = None
        self._cut_at = 0.0
        self._busy = 0
        self._returning = 0  # calls that have ended, and whose rest has not come back yet
        self._turns: Turns[Size, Taken] = Turns(self._call_up, self._unwanted)

    @property
    def counts_tokens(self) -> bool:
        """Whether tokens are limited, so that somebody has to count them."""
        return self._tokens is not None

    @property
    def left(self) -> float:
        """The share of the scarcest limit that is left, from 0 to 1."""
        shares = [
            max(0.0, bucket.level) / bucket.size for bucket in (self._tokens, self._requests) if bucket is not None
        ]
        if self.limits.concurrent:
            shares.append(max(0, self.limits.concurrent - self._busy) / self.limits.concurrent)
        return min(shares, default=1.0)

    def told(self) -> dict[str, object]:
        """For people: what is left of each limit."""
        return {
            "tpm": self.limits.tpm,
            "tpm_left": None if self._tokens is None else round(self._tokens.level / _SAFE_SHARE),
            "rpm": self.limits.rpm,
            "rpm_left": None if self._requests is None else round(self._requests.level / _SAFE_SHARE),
            "max_concurrent": self.limits.concurrent,
            "at_once": None if self._pace is None else int(self._pace),
            "waiting": len(self._turns),
        }

    def wait_s(self, size: Size) -> float:
        """How long until there is room, as far as is known; 0 where there is some and nobody waits for it."""
        waits = [0.0]
        if self._tokens is not None:
            waits.append(self._tokens.wait_s(self._reserved(size)))
        if self._requests is not None:
            waits.append(self._requests.wait_s(1))
        if self.is_crowded:
            waits.append(0.1)  # nobody knows; the end of a call wakes whoever waits
        return max(waits)

    @property
    def is_crowded(self) -> bool:
        """Whether as many calls are under way as may be at once."""
        at_once = min([most for most in (self.limits.concurrent, self._pace) if most], default=None)
        return at_once is not None and self._busy >= at_once

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost with it."""
        return self.limits == UNLIMITED and self._pace is None and not self._busy and not self._turns

    @property
    def is_waited_for(self) -> bool:
        """Whether somebody waits for room already."""
        return bool(self._turns)

    async def admit(self, queue: str, size: Size, max_wait_s: float) -> Taken | None:
        """Takes room for a call, in its turn; ``None`` where there was none in time."""
        if not self._turns and self.wait_s(size) <= 0:
            return self._take(size)
        if max_wait_s <= 0 or (not self._busy and not self._returning and self.wait_s(size) > max_wait_s):
            return None  # nothing is under way that could give back
        return await self._turns.wait(queue, size, max_wait_s)

    def settle(self, taken: Taken, used: Usage | None, *, refused: bool = False) -> None:
        """The call ended. ``used`` is ``None`` where AWS counted nothing; ``refused``: since it has less room than this
        twin thinks, others draw on it too."""
        if self._pace is not None and used is not None and not refused:
            self._pace = None if self._clock() - self._cut_at > _FORGIVEN_S else self._pace + 1
        self._busy -= 1
        if self._tokens is not None and not refused:
            burned = 0
            if used is not None:
                read = used.input_tokens + used.cache_write_tokens
                burned = read + used.output_tokens * self.burn_rate
                if not used.estimated:
                    self._learn(taken.size, read + used.cache_read_tokens)
            self._returning += 1
            asyncio.get_running_loop().call_later(_LATER_S, self._give_back, taken.tokens - burned)
        self._call_up()

    def slow_down(self, under_way: int) -> None:
        """AWS throttles, with so many calls under way."""
        now = self._clock()
        if self._pace is None or now - self._cut_at >= _CUT_EVERY_S:
            most = under_way if self._pace is None else min(self._pace, under_way)
            self._pace, self._cut_at = max(_LEAST_AT_ONCE, most * _SLOWER), now

    def _give_back(self, tokens: float) -> None:
        self._returning -= 1
        if self._tokens is not None:
            self._tokens.take(-tokens)
        self._call_up()

    def _learn(self, size: Size, read_tokens: int) -> None:
        """How much longer inputs are than estimated: up at once, down slowly."""
        if size.input_tokens >= _TELLING:
            seen = _ON_TOP * read_tokens / size.input_tokens
            self._true_size = max(seen, self._true_size + _LEARNS * (seen - self._true_size))

    def _reserved(self, size: Size) -> float:
        return size.input_tokens * self._true_size + _OF_EACH + size.answer_tokens

    def _take(self, size: Size) -> Taken:
        self._busy += 1
        tokens = self._reserved(size)
        if self._tokens is not None:
            self._tokens.take(tokens)
        if self._requests is not None:
            self._requests.take(1)
        return Taken(self, size, tokens)

    async def _unwanted(self, taken: Taken) -> None:
        self.settle(taken, None)

    def _call_up(self) -> None:
        """Lets in who fits, queue by queue; nobody overtakes one who needs more room. Then sets an alarm."""
        soonest = _MINUTE_S
        while self._turns:
            queue, waiter = self._turns.heads()[0]
            soonest = self.wait_s(waiter.asked)
            if soonest > 0:
                break
            self._turns.let_in(queue, waiter, self._take(waiter.asked))
        self._turns.look_again_in(max(soonest, 0.001))
