"""What the sandbox was asked and how each request ended. Bounded: the oldest closed records make room."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from llm_gateway.sandbox.wire_json import Json

OPEN = "open"
COMPLETED = "completed"
ABORTED_BY_CLIENT = "aborted_by_client"
STOPPED = "sandbox_stopped"


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request. `outcome` is `open`, `completed` (also for a plain refusal), `aborted_by_client`,
    `sandbox_stopped`, or the name of the fault that was played to its end. `status` is None as long as no head was
    sent; `body` is None when it was not read or no JSON object; `credential` is the access key id, or `bearer`;
    `region` is the one that was signed for; `role` is the ARN of an assumed role, with its session and its `tags`;
    `burned_tokens` is what counted against the quota.
    """

    number: int
    received_at: datetime
    operation: str
    model_id: str
    credential: str | None
    request_id: str
    body: Json | None = None
    fault: str | None = None
    status: int | None = None
    outcome: str = OPEN
    region: str | None = None
    role: str | None = None
    tags: dict[str, str] | None = None
    burned_tokens: float | None = None

    @property
    def open_now(self) -> bool:
        return self.outcome == OPEN

    def as_json(self) -> Json:
        return {**asdict(self), "open_now": self.open_now}


class RequestLog:
    def __init__(self, size: int = 10_000, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._size = size
        self._now = now
        self._records: OrderedDict[int, RequestRecord] = OrderedDict()
        self._last_number = 0

    @property
    def records(self) -> list[RequestRecord]:
        """In the order of arrival."""
        return list(self._records.values())

    @property
    def open_now(self) -> int:
        return sum(record.open_now for record in self._records.values())

    def open(
        self, *, operation: str, model_id: str, credential: str | None, request_id: str, region: str | None = None
    ) -> int:
        """Notes an arrival; the number it gives names the record in `note`."""
        self._last_number += 1
        self._records[self._last_number] = RequestRecord(
            self._last_number, self._now(), operation, model_id, credential, request_id, region=region
        )
        while len(self._records) > self._size:
            self._records.popitem(last=False)
        return self._last_number

    def note(
        self,
        number: int,
        *,
        body: Json | None = None,
        fault: str | None = None,
        status: int | None = None,
        outcome: str | None = None,
        request_id: str | None = None,
        role: str | None = None,
        tags: dict[str, str] | None = None,
        burned_tokens: float | None = None,
    ) -> None:
        """Adds what has become known; a record that was cleared meanwhile is left alone."""
        record = self._records.get(number)
        if record is not None:
            self._records[number] = replace(
                record,
                body=record.body if body is None else body,
                fault=fault or record.fault,
                status=status or record.status,
                outcome=outcome or record.outcome,
                request_id=request_id or record.request_id,
                role=role or record.role,
                tags=record.tags if tags is None else tags,
                burned_tokens=record.burned_tokens if burned_tokens is None else burned_tokens,
            )

    def close(self, number: int) -> None:
        """The request came to the end that was meant for it."""
        record = self._records.get(number)
        if record is not None:
            self._records[number] = replace(record, outcome=record.fault or COMPLETED)

    def clear(self) -> None:
        self._records.clear()
