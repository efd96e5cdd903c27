"""What the gateway asks of whoever answers a request."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from llm_gateway.domain.completions import Completion, Delta, Usage
from llm_gateway.domain.embeddings import EmbedCall, Embeddings
from llm_gateway.domain.requests import ModelCall


class AnswerStream(Protocol):
    """An answer that has begun.

    Iterating gives the deltas in batches, as they came off the wire; it ends after the last event and raises a
    :class:`~llm_gateway.domain.errors.BackendError` (with ``spent``) when the answer breaks. ``aclose`` lets the
    upstream connection go at once; closing a finished stream does nothing.
    """

    def __aiter__(self) -> AsyncIterator[Sequence[Delta]]: ...

    def completion(self) -> Completion:
        """The whole answer; only after the iteration ended by itself."""
        ...

    def partial(self) -> Completion:
        """What has arrived so far, with estimated usage, for the settlement of an answer nobody waited for."""
        ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class WorstCase:
    """What a call can take at the most, in tokens. An answer shorter than ``least_answer_tokens`` is not worth asking
    for, or not taken by the model. ``writes_cache``: its input may be written to a prompt cache."""

    input_tokens: int
    answer_tokens: int
    least_answer_tokens: int = 1
    writes_cache: bool = False


class Backend(Protocol):
    """Asks one model."""

    async def open(self, call: ModelCall) -> AnswerStream:
        """Sends the call and returns with the first event; an early failure is raised here.

        Raises:
            CallerError: Bedrock refused the request and the caller can mend it.
            BackendError: everything else; ``spent`` says what may have been paid.
        """
        ...

    def estimate(self, call: ModelCall) -> Usage:
        """What is booked for a call that was given up before its first event: its input, estimated."""
        ...

    def worst_case(self, call: ModelCall) -> "WorstCase":
        """The most that a call can take. Pure; may be asked in any thread.

        Raises:
            CallerError: the request itself is wrong.
        """
        ...

    async def count_tokens(self, call: ModelCall) -> int | None:
        """The call's input tokens as the model counts them; ``None`` where it cannot be asked. Costs nothing.

        Raises:
            CallerError: the request itself is wrong.
        """
        ...

    async def aclose(self) -> None:
        """Closes connections; open streams end with a :class:`BackendError`."""
        ...


OnPaid = Callable[[Usage, str], None]
"""Told of each paid call: what it used, and ``ok`` or the code of its failure."""


class Embedder(Protocol):
    """Makes vectors of texts."""

    async def embed(self, call: EmbedCall, on_paid: OnPaid) -> Embeddings:
        """Asks as often as the model needs; ``on_paid`` hears of each call, of broken and abandoned ones too.

        Raises:
            CallerError: the model makes no vectors, or not such.
            BackendError: everything else.
        """
        ...
