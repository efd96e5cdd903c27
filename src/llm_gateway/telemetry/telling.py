"""Tells every observer, in their order."""

from collections.abc import Sequence

from llm_gateway.telemetry.contract import Observer, RequestRecord


class Telling:
    """All observers as one."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)
        self._curious = tuple([observer for observer in observers if observer.wants_steps])

    def step(self, request_id: str, event: str, **facts: object) -> None:
        """A station on the way of a request."""
        for observer in self._curious:
            observer.step(request_id, event, **facts)

    def ended(self, record: RequestRecord) -> None:
        """How a request ended."""
        for observer in self._observers:
            observer.request_ended(record)
