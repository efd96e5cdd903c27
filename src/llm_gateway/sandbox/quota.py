"""Bedrock's quota: what a model may be asked in a minute, apart for each account, region and model id.

When a request begins, its input, its cache writes and its `maxTokens` (unset: the model's most) are taken from a bucket
of tokens; when it ends the unused rest goes back, with output burned at the family's rate. Cache reads are free.
Requests have a bucket of their own. Buckets refill steadily; more may have been burned than was there.
"""

import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from llm_gateway.sandbox.asked import Asked
from llm_gateway.sandbox.fault_words import TOO_MANY_REQUESTS, TOO_MANY_TOKENS
from llm_gateway.sandbox.models import FAULT_MARK, ModelId
from llm_gateway.sandbox.refusals import Refusal, Refused
from llm_gateway.sandbox.tokens import request_tokens, text_tokens
from llm_gateway.sandbox.wire_json import Json, as_object, canonical

_MINUTE_S = 60.0
_COUNTED = frozenset(("Converse", "ConverseStream", "InvokeModel"))


class BadQuota(ValueError):
    """The limits cannot be; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`tpm` and `rpm` are tokens and requests a minute, None for no limit; a bucket holds what flows in in `burst_s`.
    Of all requests `throttle_share` is throttled by chance, always the same ones for the same `seed`."""

    tpm: float | None = None
    rpm: float | None = None
    burst_s: float = _MINUTE_S
    throttle_share: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises BadQuota."""
        for name in ("tpm", "rpm"):
            most = getattr(self, name)
            if most is not None and not most > 0:
                raise BadQuota(f"{name} must be more than 0")
        if not self.burst_s > 0:
            raise BadQuota("burst_s must be more than 0")
        if not 0 <= self.throttle_share <= 1:
            raise BadQuota("throttle_share must be from 0 to 1")

    @property
    def any(self) -> bool:
        """Without any, nothing is counted."""
        return self.tpm is not None or self.rpm is not None or self.throttle_share > 0

    @classmethod
    def of(cls, written: Json) -> "Limits":
        """From parsed JSON. Raises BadQuota."""
        known = cls.__dataclass_fields__
        strange = [name for name in written if name not in known]
        if strange:
            raise BadQuota(f"unknown member '{strange[0]}'; known: {', '.join(known)}")
        for name, value in written.items():
            whole = name == "seed"
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float | None):
                raise BadQuota(f"{name} must be a {'whole number' if whole else 'number'}")
        return cls(**written)


@dataclass(slots=True)
class _Bucket:
    """What flows in in a second, how much it holds, and how much is in it."""

    per_s: float
    most: float
    level: float
    at_s: float

    def refill(self, now_s: float) -> None:
        self.level = min(self.most, self.level + (now_s - self.at_s) * self.per_s)
        self.at_s = now_s

    def give(self, amount: float) -> None:
        self.level = min(self.most, self.level + amount)


@dataclass(slots=True)
class Figures:
    """What one model was asked at one place since the limits were set. `burned_tokens` counts against the quota."""

    account: str
    region: str
    model_id: str
    admitted: int = 0
    throttled_tokens: int = 0
    throttled_requests: int = 0
    throttled_by_chance: int = 0
    open_now: int = 0
    burned_tokens: float = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def throttled(self) -> int:
        return self.throttled_tokens + self.throttled_requests + self.throttled_by_chance


@dataclass(slots=True)
class _Line:
    figures: Figures
    tokens: _Bucket | None
    requests: _Bucket | None


@dataclass(slots=True)
class Ticket:
    """What one request has taken. `spend` hears the answer; `end` gives the rest back, once."""

    line: _Line
    taken_tokens: float
    input_tokens: float
    burn_rate: float
    clock: Callable[[], float]
    burned_tokens: float = 0
    ended: bool = False

    def spend(self, answer: Json) -> None:
        usage, figures = as_object(answer.get("usage")), self.line.figures
        fed = usage.get("inputTokens", self.input_tokens) + usage.get("cacheWriteInputTokens", 0)
        made = usage.get("outputTokens", 0)
        self.burned_tokens = fed + made * self.burn_rate
        figures.input_tokens += int(fed)
        figures.output_tokens += made

    def end(self) -> None:
        if self.ended:
            return
        self.ended = True
        figures, bucket = self.line.figures, self.line.tokens
        figures.open_now -= 1
        figures.burned_tokens += self.burned_tokens
        if bucket is not None:
            bucket.refill(self.clock())
            bucket.give(self.taken_tokens - self.burned_tokens)


@dataclass(slots=True)
class Quotas:
    """All buckets under the same limits."""

    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], float] = time.monotonic
    _lines: dict[tuple[str, str, str], _Line] = field(default_factory=dict[tuple[str, str, str], _Line])
    _dice: random.Random = field(init=False)
    _since_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.limits.seed)  # noqa: S311 - chance that can be repeated
        self._since_s = self.clock()

    def figures(self) -> list[Figures]:
        return [line.figures for line in self._lines.values()]

    def as_json(self) -> Json:
        now_s = self.clock()
        models = [
            {
                **asdict(line.figures),
                "throttled": line.figures.throttled,
                "tokens_left": _left(line.tokens, now_s),
                "requests_left": _left(line.requests, now_s),
            }
            for line in self._lines.values()
        ]
        return {"limits": asdict(self.limits), "seconds": now_s - self._since_s, "models": models}

    def admit(
        self, asked: Asked, model: ModelId, *, account: str, region: str, cached_tokens: Callable[[], int]
    ) -> Ticket | None:
        """Takes what the request may need; None for what no quota counts. Raises Refused where there is no room."""
        if asked.operation not in _COUNTED or not self.limits.any:
            return None
        line = self._line(account, region, asked.model_id.partition(FAULT_MARK)[0])
        figures = line.figures
        if self.limits.throttle_share and self._dice.random() < self.limits.throttle_share:
            figures.throttled_by_chance += 1
            raise _throttled(TOO_MANY_TOKENS)
        fed, most = _size(asked, model)
        fed = max(0, fed - cached_tokens())
        if line.requests is not None and line.requests.level < 1:
            figures.throttled_requests += 1
            raise _throttled(TOO_MANY_REQUESTS)
        if line.tokens is not None and line.tokens.level < fed + most:
            figures.throttled_tokens += 1
            raise _throttled(TOO_MANY_TOKENS)
        if line.requests is not None:
            line.requests.give(-1)
        if line.tokens is not None:
            line.tokens.give(-(fed + most))
        figures.admitted += 1
        figures.open_now += 1
        return Ticket(line, fed + most, fed, model.facts.burn_rate, self.clock)

    def _line(self, account: str, region: str, model_id: str) -> _Line:
        key, now_s = (account, region, model_id), self.clock()
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line(
                Figures(*key), self._bucket(self.limits.tpm, now_s), self._bucket(self.limits.rpm, now_s)
            )
        for bucket in (line.tokens, line.requests):
            if bucket is not None:
                bucket.refill(now_s)
        return line

    def _bucket(self, per_minute: float | None, now_s: float) -> _Bucket | None:
        if per_minute is None:
            return None
        per_s = per_minute / _MINUTE_S
        most = per_s * self.limits.burst_s
        return _Bucket(per_s, most, most, now_s)


def _size(asked: Asked, model: ModelId) -> tuple[int, int]:
    """(input, the most output), in tokens."""
    if asked.operation == "InvokeModel":
        return text_tokens(canonical(asked.body).decode()), 0
    wanted = as_object(asked.body.get("inferenceConfig")).get("maxTokens")
    most = wanted if isinstance(wanted, int) and wanted > 0 else model.facts.max_output_tokens
    return request_tokens(asked.body), most


def _left(bucket: _Bucket | None, now_s: float) -> float | None:
    if bucket is None:
        return None
    bucket.refill(now_s)
    return bucket.level


def _throttled(message: str) -> Refused:
    return Refused(Refusal(429, "ThrottlingException", message))
